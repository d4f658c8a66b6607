#include "shardopt/optim/muon_presets.h"

#include <algorithm>
#include <cstdint>

#include "shardopt/core/error.h"
#include "shardopt/core/names.h"
#include "shardopt/optim/optimizer_config.h"

namespace shardopt::optim {
namespace {

using Values = std::vector<std::pair<std::string, OptionValue>>;

constexpr double kNsEps = 1e-7;

OptionValue text(const char* value) { return std::string(value); }

Values joined(Values first, const Values& then) {
  for (const auto& [path, value] : then) {
    const auto it = std::ranges::find(first, path, &Values::value_type::first);
    if (it == first.end()) {
      first.emplace_back(path, value);
    } else {
      it->second = value;
    }
  }
  return first;
}

const Values& jordan() {
  static const Values values = {{"muon.momentum_form", text("ema")},
                                {"muon.ns_eps", kNsEps},
                                {"muon.scale", text("aspect")},
                                {"muon.flatten", text("batched_3d")},
                                {"muon.adamw.lr", 3e-4},
                                {"muon.adamw.eps", 1e-10},
                                {"muon.adamw.weight_decay", 0.0}};
  return values;
}

const Values& keras() {
  static const Values values = {{"lr", 1e-3},
                                {"weight_decay", 0.004},
                                {"decay", text("all")},
                                {"muon.ns_eps", kNsEps},
                                {"muon.scale", text("rms")},
                                {"muon.rms", 0.2},
                                {"muon.max_dimensions", int64_t{2}},
                                {"muon.decay_lr", text("full")},
                                {"muon.adamw.beta1", 0.9},
                                {"muon.adamw.beta2", 0.999},
                                {"muon.adamw.eps", 1e-7},
                                {"muon.adamw.eps_form", text("hat")}};
  return values;
}

// With values of one internal optimizer for the others too, as far as they have them:
// whoever changes `internal` keeps the preset's lr and decay.
Values for_every_internal(Values values) {
  constexpr std::string_view kBlocks[] = {"muon.adamw.", "muon.nadamw.", "muon.lion."};
  Values result = values;
  for (const auto& [path, value] : values) {
    for (const std::string_view from : kBlocks) {
      if (!path.starts_with(from)) continue;
      const std::string name = path.substr(from.size());
      const bool is_common = name == "lr" || name == "ratio" || name == "weight_decay";
      for (const std::string_view to : kBlocks) {
        if (to == from || (to == kBlocks[2] && !is_common)) continue;
        result.emplace_back(std::string(to) + name, value);
      }
    }
  }
  return result;
}

std::vector<MuonPreset> make_presets() {
  return {
      {"adaptive", "Jordan's with leloykun/adaptive-muon's factor <u, O>",
       joined(jordan(), {{"muon.adaptive", text("dual")}})},
      {"jordan", "KellerJordan/Muon", jordan()},
      {"kempner",
       "KempnerForge's Muon",
       {{"muon.nesterov", false}, {"muon.ns_eps", kNsEps}, {"muon.max_aspect", 10.0}}},
      {"keras", "keras.optimizers.Muon since December 2025", keras()},
      {"keras_addon",
       "subtotechnoblade/Optimizers as documented, decay once",
       {{"lr", 1e-3},
        {"weight_decay", 0.004},
        {"decay", text("all")},
        {"caution", true},
        {"caution_normaliser", text("plus_eps")},
        {"decay_order", text("after")},
        {"muon.momentum_form", text("s0_legacy")},
        {"muon.ns_eps", kNsEps},
        {"muon.scale", text("aspect")},
        {"muon.scale_constant", 0.2},
        {"muon.caution_stage", text("after")},
        {"muon.exclude_biases", true},
        {"muon.internal", text("nadamw")},
        {"muon.nadamw.beta1", 0.9},
        {"muon.nadamw.beta2", 0.995}}},
      {"keras_seed", "keras.optimizers.Muon before December 2025",
       joined(keras(), {{"weight_decay", 0.1},
                        {"muon.steps", int64_t{6}},
                        {"muon.scale", text("aspect01")},
                        {"muon.flatten", text("batched_3d")},
                        {"muon.max_dimensions", int64_t{3}},
                        {"muon.adamw.ratio", 0.1}})},
      {"moonlight",
       "MoonshotAI/Moonlight, arXiv:2502.16982",
       {{"lr", 1e-3},
        {"weight_decay", 0.1},
        {"decay", text("all")},
        {"muon.ns_eps", kNsEps},
        {"muon.scale", text("rms")},
        {"muon.rms", 0.2},
        {"muon.max_dimensions", int64_t{2}},
        {"muon.adamw.eps_form", text("hat")}}},
      {"optax",
       "optax.contrib.muon, weights being (out, in) here",
       {{"lr", 1e-3},
        {"muon.momentum_form", text("optax")},
        {"muon.ns_eps", 1e-8},
        {"muon.scale", text("optax")},
        {"muon.max_dimensions", int64_t{2}},
        {"muon.adamw.beta1", 0.9},
        {"muon.adamw.beta2", 0.999},
        {"muon.adamw.weight_decay", 0.0}}},
      {"polar_express", "Jordan's with Polar Express, arXiv:2505.16932",
       joined(jordan(),
              {{"muon.coefficients", text("polar_express5")}, {"muon.ns_eps", 0.0}})},
  };
}

void set_value(std::vector<Option> options, const std::string& name,
               const OptionValue& value) {
  const auto option = std::ranges::find(options, name, &Option::name);
  TORCH_INTERNAL_ASSERT(option != options.end(), "a preset names no option ", name);
  option->set(value);
}

// The options that `path` is one of; leaves its last part.
std::vector<Option> block_of(std::string& path, OptimizerConfig& config) {
  const auto cut = [&](std::string_view block) {
    if (!path.starts_with(block)) return false;
    path.erase(0, block.size());
    return true;
  };
  if (cut("muon.adamw.")) return options_of(config.muon.adamw);
  if (cut("muon.nadamw.")) return options_of(config.muon.nadamw);
  if (cut("muon.lion.")) return options_of(config.muon.lion);
  if (cut("muon.")) return options_of(config.muon);
  return options_of(config);
}

}  // namespace

const std::vector<MuonPreset>& muon_presets() {
  static const std::vector<MuonPreset> presets = [] {
    std::vector<MuonPreset> made = make_presets();
    for (MuonPreset& preset : made) preset.values = for_every_internal(preset.values);
    return made;
  }();
  return presets;
}

std::vector<std::string> muon_preset_names() {
  std::vector<std::string> names;
  for (const MuonPreset& preset : muon_presets()) names.push_back(preset.name);
  return names;
}

const MuonPreset& find_muon_preset(std::string_view name) {
  const auto it = std::ranges::find(muon_presets(), name, &MuonPreset::name);
  if (it != muon_presets().end()) return *it;
  const std::vector<std::string> known = muon_preset_names();
  SHARDOPT_THROW(ConfigError, "unknown preset '", name,
                 "' of muon; known: ", c10::Join(", ", known),
                 did_you_mean(name, known));
}

void apply_preset(std::string_view name, OptimizerConfig& config) {
  const MuonPreset& preset = find_muon_preset(name);
  config.name = "muon";
  config.muon_preset = preset.name;
  for (const auto& [path, value] : preset.values) {
    std::string rest = path;
    const std::vector<Option> block = block_of(rest, config);
    set_value(block, rest, value);
  }
}

}  // namespace shardopt::optim
