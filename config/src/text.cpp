#include "text.h"

#include <algorithm>
#include <array>

namespace shardopt::config {
namespace {

/// Bytes of the well-formed sequence at the start of `text`, which is not empty; 0 if
/// there is none (The Unicode Standard, table 3-7).
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  // Overlong forms, surrogates and what lies beyond U+10FFFF.
  const unsigned second_min = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned second_max = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (byte(1) < second_min || byte(1) > second_max) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xBF) return 0;
  }
  return length;
}

std::string octal_escape(unsigned char byte) {
  const std::array<char, 3> digits{static_cast<char>('0' + byte / 64),
                                   static_cast<char>('0' + byte / 8 % 8),
                                   static_cast<char>('0' + byte % 8)};
  return "\\" + std::string(digits.begin(), digits.end());
}

/// Control characters, and every byte beyond ASCII unless `keep_high`, as escapes.
std::string escape(std::string_view text, bool keep_high, std::string_view quoted) {
  std::string escaped;
  escaped.reserve(text.size());
  for (const char letter : text) {
    const auto byte = static_cast<unsigned char>(letter);
    if (letter == '\n') {
      escaped += "\\n";
    } else if (byte < 0x20 || byte == 0x7F || (byte >= 0x80 && !keep_high)) {
      escaped += octal_escape(byte);
    } else {
      if (quoted.find(letter) != std::string_view::npos) escaped += '\\';
      escaped += letter;
    }
  }
  return escaped;
}

}  // namespace

std::optional<std::size_t> find_invalid_utf8(std::string_view text) {
  std::size_t offset = 0;
  while (offset < text.size()) {
    const std::size_t length = sequence_length(text.substr(offset));
    if (length == 0) return offset;
    offset += length;
  }
  return std::nullopt;
}

std::string quote(std::string_view text) {
  return "\"" + escape(text, !find_invalid_utf8(text), "\"\\") + "\"";
}

std::string one_line(std::string_view text, std::size_t max_bytes) {
  std::string line;
  if (text.size() <= max_bytes) {
    line = text;
  } else {
    const std::size_t half = max_bytes / 2;
    line.append(text.substr(0, half)).append(" ... ");
    line.append(text.substr(text.size() - half));
  }
  return escape(line, !find_invalid_utf8(line), "");
}

}  // namespace shardopt::config
