#include "checkpoint/step_path.h"

#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <type_traits>
#include <utility>
#include <variant>

#include <c10/util/StringUtil.h>

#include "shardopt/checkpoint/checkpoint_failure.h"
#include "shardopt/checkpoint/root.h"

namespace shardopt::checkpoint_tool {
namespace {

namespace fs = std::filesystem;
using namespace shardopt::checkpoint;

std::string number(double value) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return {text.data(), end};
}

}  // namespace

bool is_step(const fs::path& path) {
  std::error_code error;
  return fs::exists(path / "MANIFEST", error);
}

OpenStep open(const fs::path& path) {
  FileSystem& files = posix_file_system();
  if (is_step(path)) return {path, open_step(path, files).manifest};
  const auto steps = list_steps(path, files);
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    if (!step->is_committed || !step->problem.empty()) continue;
    return {step->path, open_step(step->path, files).manifest};
  }
  SHARDOPT_CHECKPOINT_FAIL(Fault::kIncomplete, path.string(),
                           " is no checkpoint, and holds none that is sound");
}

std::string format_bytes(int64_t bytes) {
  constexpr std::array kUnits{"B", "kB", "MB", "GB", "TB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 999.5 && unit + 1 < kUnits.size(); ++unit) value /= 1000.0;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f %s" : "%.2f %s", value,
                kUnits[unit]);
  return text.data();
}

std::string format_time(int64_t unix_ns) {
  const std::time_t seconds = unix_ns / 1'000'000'000;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S UTC", &utc);
  return text.data();
}

std::string format_shape(const StoredTensor& tensor) {
  return tensor.dtype + " [" + c10::Join(", ", tensor.shape) + "]";
}

std::string format_value(const StateValue& value) {
  const auto format = [](const auto& held) -> std::string {
    using Held = std::decay_t<decltype(held)>;
    if constexpr (std::is_same_v<Held, bool>) {
      return held ? "true" : "false";
    } else if constexpr (std::is_same_v<Held, double>) {
      return number(held);
    } else if constexpr (std::is_same_v<Held, std::string>) {
      return "'" + held + "'";
    } else if constexpr (std::is_same_v<Held, std::vector<double>>) {
      std::string text = "[";
      for (const double x : held) text += (text.size() > 1 ? ", " : "") + number(x);
      return text + "]";
    } else {
      return std::to_string(held);
    }
  };
  return std::visit(format, value);
}

}  // namespace shardopt::checkpoint_tool
