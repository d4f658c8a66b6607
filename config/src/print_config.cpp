#include "shardopt/config/print_config.h"

#include <string_view>

#include "option_tree.h"
#include "text.h"

namespace shardopt::config {
namespace {

std::string literal(const OptionValue& value) {
  const auto* text = std::get_if<std::string>(&value);
  return text != nullptr ? quote(*text) : to_string(value);
}

std::string option_line(const Option& option) {
  const OptionValue value = option.get();
  if (!std::holds_alternative<std::monostate>(value)) {
    return option.name + ": " + literal(value) + "\n";
  }
  return "# " + option.name + ": unset (" + option.type + ", " + option.allowed + ")\n";
}

/// The field of message NamedValue that holds a value of this type.
std::string_view value_field(const OptionValue& value) {
  struct Names {
    std::string_view operator()(std::monostate) const { return ""; }
    std::string_view operator()(bool) const { return "flag"; }
    std::string_view operator()(int64_t) const { return "integer"; }
    std::string_view operator()(double) const { return "number"; }
    std::string_view operator()(const std::string&) const { return "text"; }
  };
  return std::visit(Names{}, value);
}

std::string named_value_line(const std::string& name, const OptionValue& value) {
  const bool is_set = !std::holds_alternative<std::monostate>(value);
  std::string line = (is_set ? "" : "# ") + ("options { name: " + quote(name));
  if (is_set) line.append(" ").append(value_field(value)).append(": " + literal(value));
  return line + " }\n";
}

class Printer {
 public:
  explicit Printer(const TrainConfig& config) : options_(config.optimizer.options) {}

  /// Text of `block`'s fields, each line behind `indent`.
  void print_fields(const Block& block, const std::string& indent) {
    for (const Option& option : block.options) text_ += indent + option_line(option);
    if (block.path == "optimizer") {
      for (const auto& [name, value] : options_) {
        text_ += indent + named_value_line(name, value);
      }
    }
    for (const Block& child : block.blocks) {
      const std::string name = child.name.substr(0, child.name.find('['));
      text_ += indent + name + " {\n";
      print_fields(child, indent + "  ");
      text_ += indent + "}\n";
    }
  }

  [[nodiscard]] const std::string& text() const noexcept { return text_; }

 private:
  const std::map<std::string, OptionValue>& options_;
  std::string text_;
};

}  // namespace

std::string print_config(const TrainConfig& config) {
  TrainConfig copy = config;  // Options can write, so they refer to what is not const.
  Printer printer(config);
  printer.print_fields(make_option_tree(copy), "");
  return printer.text();
}

uint64_t config_fingerprint(const TrainConfig& config) {
  TrainConfig shared = config;
  shared.output.path.clear();
  shared.train.threads = 0;
  uint64_t hash = 0xCBF29CE484222325;  // FNV-1a, 64 bits.
  for (const char letter : print_config(shared)) {
    hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001B3;
  }
  return hash;
}

}  // namespace shardopt::config
