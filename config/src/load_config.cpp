#include "shardopt/config/load_config.h"

#include <algorithm>

#include "shardopt/core/error.h"
#include "shardopt/optim/muon_presets.h"

#include "apply_file.h"
#include "apply_override.h"
#include "read_text.h"

namespace shardopt::config {
namespace {

Syntax syntax_of(const std::filesystem::path& path, const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  const bool is_object = first != std::string::npos && text[first] == '{';
  return is_object || path.extension() == ".json" ? Syntax::kJson : Syntax::kText;
}

std::optional<ConfigText> text_of(const ConfigSources& sources) {
  TORCH_CHECK(!sources.file || !sources.json, "a configuration has one text; got file ",
              sources.file->native(), " and text ", sources.json->name);
  if (sources.json) {
    return ConfigText{sources.json->name, sources.json->text, Syntax::kJson, false};
  }
  if (!sources.file) return std::nullopt;
  std::string text = read_text(*sources.file);
  const Syntax syntax = syntax_of(*sources.file, text);
  return ConfigText{sources.file->native(), std::move(text), syntax};
}

TrainConfig change(TrainConfig config, const std::optional<ConfigText>& file,
                   const std::vector<std::string>& overrides) {
  if (file) apply_file(*file, config);
  for (const std::string& assignment : overrides) apply_override(assignment, config);
  return config;
}

bool clips(const optim::TransformRule& rule) {
  return rule.name == "clip_norm" || rule.name == "clip_global_norm" ||
         rule.name == "clip_value";
}

}  // namespace

TrainConfig load_config(const ConfigSources& sources) {
  const std::optional<ConfigText> file = text_of(sources);
  TrainConfig config = change({}, file, sources.overrides);
  if (!config.optimizer.muon_preset.empty()) {
    TrainConfig defaults;
    optim::apply_preset(config.optimizer.muon_preset, defaults.optimizer);
    config = change(std::move(defaults), file, sources.overrides);
  }
  const bool is_clip_norm_given = config.given.contains("train.clip_norm");
  if (!is_clip_norm_given && std::ranges::any_of(config.transforms, clips)) {
    config.train.clip_norm = 0.0;
  }
  return config;
}

}  // namespace shardopt::config
