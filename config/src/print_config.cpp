#include "shardopt/config/print_config.h"

#include <string_view>

#include "shardopt/optim/muon_presets.h"

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

/// Whether something is unset that the preset sets: no text can say so.
bool undoes_preset(const Block& root, const std::string& preset) {
  if (preset.empty()) return false;
  TrainConfig with_preset;
  optim::apply_preset(preset, with_preset.optimizer);
  const Block defaults = make_option_tree(with_preset);
  bool undoes = false;
  for_each_option(root, [&](const std::string& path, const Option& option) {
    if (!std::holds_alternative<std::monostate>(option.get())) return;
    const Option* other = find_option(defaults, path);  // Null: of a list's entry.
    undoes |= other != nullptr && !std::holds_alternative<std::monostate>(other->get());
  });
  return undoes;
}

class Printer {
 public:
  Printer(const TrainConfig& config, const Block& root)
      : options_(config.optimizer.options),
        hides_preset_(undoes_preset(root, config.optimizer.muon_preset)) {}

  /// Text of `block`'s fields, each line behind `indent`.
  void print_fields(const Block& block, const std::string& indent) {
    for (const Option& option : block.options) {
      const bool is_hidden = hides_preset_ && is_preset(block, option);
      text_ += indent + (is_hidden ? "# " : "") + option_line(option);
    }
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
  static bool is_preset(const Block& block, const Option& option) {
    return block.path == "optimizer.muon" && option.name == "preset";
  }

  const std::map<std::string, OptionValue>& options_;
  bool hides_preset_;  // Its values are here, and would be more if it was loaded.
  std::string text_;
};

}  // namespace

std::string print_config(const TrainConfig& config) {
  TrainConfig copy = config;  // Options can write, so they refer to what is not const.
  const Block root = make_option_tree(copy);
  Printer printer(config, root);
  printer.print_fields(root, "");
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
