/// Where the fields of a configuration file stand.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace shardopt::config {

enum class Syntax : uint8_t { kText, kJson };

/// Line and column, from 0, as Protobuf's tokenizer counts them.
struct Position {
  int line = 0;
  int column = 0;
  [[nodiscard]] auto operator<=>(const Position&) const = default;
};

struct ScannedField {
  std::string path;  ///< "optimizer.group[0].lr"
  bool is_block;
  Position position;  ///< Of its name; of its brace in a list.
};

struct ScanProblem {
  Position position;
  std::string text;
  /// The field whose value is wrong; empty if something else is.
  std::string path{};
};

struct Scan {
  std::vector<ScannedField> fields;      ///< In order.
  std::optional<ScanProblem> problem{};  ///< The first; nothing after it is scanned.
  Position end{};
  /// The innermost block that is open at the end.
  std::optional<std::string> open_block{};
};

/// Finds the fields in `text` and the first one that is unknown, given twice, without
/// a value, or whose value is not written as one of its type.
///
/// Protobuf's parsers judge the syntax; their errors do not name fields, and JSON's no
/// lines, which is what this is for. On malformed text it finds what it can.
[[nodiscard]] Scan scan_fields(const std::string& text, Syntax syntax);

}  // namespace shardopt::config
