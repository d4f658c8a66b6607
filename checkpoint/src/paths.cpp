#include "paths.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <random>

#include "shardopt/checkpoint/root.h"
#include "shardopt/core/crc32c.h"

namespace shardopt::checkpoint {
namespace {

constexpr std::string_view kStepPrefix = "step_";
constexpr std::string_view kAttemptPrefix = "a-";
constexpr std::string_view kRankPrefix = "rank-";
constexpr std::string_view kDataSuffix = ".safetensors";
constexpr std::string_view kTemporary = ".tmp.";
constexpr std::size_t kRankDigits = 5;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex_digit(char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }

bool are_digits(std::string_view text) { return std::ranges::all_of(text, is_digit); }

bool is_attempt(std::string_view text) {
  return text.size() == kAttemptDigits && std::ranges::all_of(text, is_hex_digit);
}

template <typename... Numbers>
std::string print(const char* format, Numbers... numbers) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), format, numbers...);
  return text.data();
}

// Length of the UTF-8 sequence at the start of `text`, or 0. No overlong forms, no
// surrogates, nothing above U+10FFFF.
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first < 0xc2   ? 0
                             : first < 0xe0 ? 2
                             : first < 0xf0 ? 3
                             : first < 0xf5 ? 4
                                            : 0;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const unsigned char second = byte(1);
  const bool is_out_of_range =
      (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
      (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f);
  return is_out_of_range ? 0 : length;
}

}  // namespace

std::string step_folder_name(int64_t step) {
  return print("step_%012lld", static_cast<long long>(step));
}

std::optional<int64_t> parse_step_folder(std::string_view name) {
  if (!name.starts_with(kStepPrefix)) return std::nullopt;
  const std::string_view digits = name.substr(kStepPrefix.size());
  int64_t step = 0;
  const auto result =
      std::from_chars(digits.data(), digits.data() + digits.size(), step);
  if (result.ec != std::errc() || step < 0) return std::nullopt;
  if (step_folder_name(step) != name) return std::nullopt;  // One name for each step.
  return step;
}

std::string attempt_folder_name(std::string_view attempt) {
  return std::string(kAttemptPrefix) + std::string(attempt);
}

bool is_attempt_folder(std::string_view name) {
  return name.starts_with(kAttemptPrefix) &&
         is_attempt(name.substr(kAttemptPrefix.size()));
}

std::string make_attempt() {
  std::random_device random;
  std::string attempt;
  for (int i = 0; i < 4; ++i) attempt += print("%08x", random());
  return attempt;
}

std::string data_file_name(int rank) { return print("rank-%05d.safetensors", rank); }

bool is_data_file(std::string_view name) {
  if (!name.starts_with(kRankPrefix) || !name.ends_with(kDataSuffix)) return false;
  if (name.size() < kRankPrefix.size() + kDataSuffix.size()) return false;
  const std::string_view digits = name.substr(
      kRankPrefix.size(), name.size() - kRankPrefix.size() - kDataSuffix.size());
  return digits.size() >= kRankDigits && digits.size() <= 10 && are_digits(digits);
}

std::string latest_text(const std::string& step_folder) {
  return step_folder + print(" %08x\n", crc32c(step_folder.data(), step_folder.size()));
}

std::string temporary_name(std::string_view name, std::string_view attempt) {
  return std::string(name) + std::string(kTemporary) + std::string(attempt);
}

bool is_temporary(std::string_view name) {
  for (const char* base : {kManifestName, kLatestName}) {
    const std::string start = std::string(base) + std::string(kTemporary);
    if (name.starts_with(start) && is_attempt(name.substr(start.size()))) return true;
  }
  return false;
}

std::string problem_of_tensor_name(std::string_view name) {
  if (name.empty()) return "its name is empty";
  if (name.size() > kMaxTensorNameBytes) {
    return "its name has " + std::to_string(name.size()) +
           " bytes; allowed: " + std::to_string(kMaxTensorNameBytes);
  }
  if (!is_utf8(name)) return "its name is not UTF-8";
  if (name == "__metadata__") return "its name is the format's own";
  const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
  if (std::ranges::any_of(name, is_control)) {
    return "its name holds a control character";
  }
  return "";
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace shardopt::checkpoint
