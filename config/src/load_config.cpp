#include "shardopt/config/load_config.h"

#include "apply_file.h"
#include "apply_override.h"

namespace shardopt::config {

TrainConfig load_config(const ConfigSources& sources) {
  TrainConfig config;
  if (sources.file) apply_file(*sources.file, config);
  for (const std::string& assignment : sources.overrides) {
    apply_override(assignment, config);
  }
  return config;
}

}  // namespace shardopt::config
