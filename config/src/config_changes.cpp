#include "shardopt/config/config_changes.h"

#include <algorithm>
#include <map>
#include <sstream>
#include <utility>

namespace shardopt::config {
namespace {

using Field = std::pair<std::string, std::string>;  // Path and value.

constexpr char kUnset[] = "unset";

/// Walks the lines of print_config; blocks of one name are numbered.
class FieldReader {
 public:
  std::vector<Field> run(const std::string& text) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      const std::size_t begin = line.find_first_not_of(' ');
      if (begin != std::string::npos) take(line.substr(begin));
    }
    return std::move(fields_);
  }

 private:
  void take(const std::string& line) {
    const std::size_t colon = line.find(": ");
    const std::size_t brace = line.find(" {");
    if (line.front() == '#') return;  // Unset.
    if (line == "}") {
      if (!blocks_.empty()) blocks_.pop_back();
    } else if (brace != std::string::npos && (line.ends_with(" {") || brace < colon)) {
      open(line, brace);
    } else if (colon != std::string::npos) {
      fields_.emplace_back(prefix() + line.substr(0, colon), line.substr(colon + 2));
    }
  }

  // "group {", or an entry of optimizer.options, which has a line to itself.
  void open(const std::string& line, std::size_t brace) {
    const std::string path = prefix() + line.substr(0, brace);
    const int index = entries_[path]++;
    const std::string entry =
        index == 0 ? path : path + "[" + std::to_string(index) + "]";
    if (line.ends_with(" {")) {
      blocks_.push_back(entry + ".");
    } else {
      fields_.emplace_back(entry, line.substr(brace + 1));
    }
  }

  [[nodiscard]] std::string prefix() const {
    return blocks_.empty() ? "" : blocks_.back();
  }

  std::vector<std::string> blocks_;     // Each with all before it: "optimizer.muon."
  std::map<std::string, int> entries_;  // Of that path, so far.
  std::vector<Field> fields_;
};

std::string value_in(const std::vector<Field>& fields, const std::string& path) {
  const auto found = std::ranges::find(fields, path, &Field::first);
  return found == fields.end() ? kUnset : found->second;
}

}  // namespace

std::vector<std::string> config_changes(const std::string& before,
                                        const std::string& now) {
  const std::vector<Field> old_fields = FieldReader().run(before);
  const std::vector<Field> fields = FieldReader().run(now);
  std::vector<std::string> changes;
  const auto add = [&](const std::string& path, const std::string& was,
                       const std::string& is) {
    if (was != is) changes.push_back(path + " " + was + " -> " + is);
  };
  for (const auto& [path, value] : fields) {
    add(path, value_in(old_fields, path), value);
  }
  for (const auto& [path, value] : old_fields) {
    if (value_in(fields, path) == kUnset) add(path, value, kUnset);
  }
  return changes;
}

}  // namespace shardopt::config
