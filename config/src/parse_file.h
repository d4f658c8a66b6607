/// A configuration file's text as typed values.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "field_scan.h"
#include "shardopt/core/option.h"

namespace shardopt::config {

struct FileField {
  std::string path;  ///< "optimizer.lr", "optimizer.options.NAME"
  int line;          ///< From 1.
  OptionValue value;
};

struct ParsedFile {
  std::vector<FileField> fields;    ///< In the schema's order; no path twice.
  std::vector<std::string> blocks;  ///< Paths of all, empty ones too.
};

struct FileProblem {
  int line;          ///< From 1; 0 if it is not known.
  std::string text;  ///< Without the line.
  std::string path;  ///< The field whose value is wrong; empty if something else is.
};

/// The whole of `text`, or the first thing that is wrong with it. Values have their
/// fields' types; ranges are not looked at.
[[nodiscard]] std::variant<ParsedFile, FileProblem> parse_file(const std::string& text,
                                                               Syntax syntax);

}  // namespace shardopt::config
