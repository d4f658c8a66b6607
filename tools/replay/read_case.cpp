#include <algorithm>
#include <array>
#include <limits>
#include <set>

#include "shardopt/config/check_config.h"
#include "shardopt/config/load_config.h"
#include "shardopt/core/names.h"
#include "shardopt/distributed/layout.h"
#include "shardopt/optim/schedule.h"

#include "replay/case.h"
#include "replay/json_fields.h"

namespace shardopt::replay {
namespace {

constexpr int64_t kMaxSize = int64_t{1} << 40;  // Products of sizes fit 64 bits below.
constexpr std::size_t kMaxDimensions = 16;

const std::vector<std::string> kCaseKeys{"dtype", "parameters", "gradients",
                                         "ranks", "replicas",   "cuts"};
const std::vector<std::string> kConfigKeys{"optimizer", "schedule",   "train",
                                           "transform", "loss_scale", "average"};
const std::vector<std::string> kTrainFields{"steps", "accumulation", "clip_norm"};
// Known to the training program, without a meaning here.
const std::vector<std::string> kForeignKeys{"model",  "data",    "mesh",
                                            "output", "profile", "checkpoint"};

bool contains(std::span<const std::string> names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

void check_root(const Json& json) {
  for (const std::string& key : kForeignKeys) {
    if (json.contains(key)) refuse(key, "has no meaning in a replay");
  }
  std::vector<std::string> known = kCaseKeys;
  known.insert(known.end(), kConfigKeys.begin(), kConfigKeys.end());
  check_keys(json, "", known);
}

// The schedules whose end matters: all but those, where decay_steps does not give it.
bool needs_steps(const optim::ScheduleOptions& schedule) {
  return schedule.name != "none" && schedule.name != "constant" &&
         schedule.decay_steps == 0;
}

void check_given(const config::TrainConfig& config) {
  constexpr std::string_view kTrain = "train.";
  for (const std::string& path : config.given) {
    const bool is_train = path.starts_with(kTrain);
    if (!is_train || contains(kTrainFields, path.substr(kTrain.size()))) continue;
    refuse(path, "has no meaning in a replay; allowed: train.",
           c10::Join(", train.", kTrainFields));
  }
  for (const std::string& block : config::unused_blocks(config)) {
    refuse(block, "is given, but nothing selects it");
  }
  if (config.given.contains("schedule") && !config.given.contains("schedule.name")) {
    refuse("schedule.name",
           "is missing; allowed: ", c10::Join(" | ", optim::schedule_names()));
  }
  const bool has_steps = config.given.contains("train.steps");
  if (config.given.contains("schedule") && needs_steps(config.schedule) && !has_steps) {
    refuse("train.steps", "is missing: schedule '", config.schedule.name,
           "' ends there, or after schedule.decay_steps");
  }
}

config::TrainConfig read_config(Json json) {
  for (const std::string& key : kCaseKeys) json.erase(key);
  config::TrainConfig config =
      config::load_config({.json = config::JsonText{"", json.dump()}});
  check_given(config);
  const auto is_given = [&](const char* path) { return config.given.contains(path); };
  if (!is_given("schedule")) config.schedule.name = "none";
  if (!is_given("train.clip_norm")) config.train.clip_norm = 0.0;
  if (!is_given("train.steps")) {
    config.train.steps = std::numeric_limits<int64_t>::max();
  }
  config::check_update(config);
  return config;
}

at::ScalarType read_dtype(const Json& json) {
  const std::string dtype = as_text(required(json, "", "dtype"), "dtype");
  if (dtype == "float64") return at::kDouble;
  if (dtype == "float32") return at::kFloat;
  const std::array<std::string, 2> known{"float64", "float32"};
  refuse("dtype", "is '", dtype, "'; allowed: float64 | float32",
         did_you_mean(dtype, known));
}

ParameterRole read_role(const Json& json, const std::string& field) {
  if (!json.contains("role")) return ParameterRole::kHidden;
  const std::string role = as_text(json["role"], field + ".role");
  if (role == "embedding") return ParameterRole::kEmbedding;
  if (role == "head") return ParameterRole::kHead;
  const std::array<std::string, 2> known{"embedding", "head"};
  refuse(field + ".role", "is '", role, "'; allowed: embedding | head",
         did_you_mean(role, known));
}

/// Of the tensor of rows: a 0-d parameter has one.
std::vector<int64_t> read_shape(const Json& json, const std::string& field,
                                int64_t values) {
  if (as_list(json, field).size() > kMaxDimensions) {
    refuse(field, "has ", json.size(), " dimensions; allowed: up to ", kMaxDimensions);
  }
  std::vector<int64_t> shape;
  int64_t count = 1;
  for (std::size_t i = 0; i < json.size(); ++i) {
    shape.push_back(as_integer(json[i], entry(field, i), 1, kMaxSize));
    count = std::min(count, kMaxSize / shape.back()) * shape.back();
  }
  if (count != values) {
    refuse(field, "is ", json.dump(), ", but there are ", values, " values");
  }
  if (shape.empty()) shape.push_back(1);
  return shape;
}

CaseParameter read_parameter(const Json& json, const std::string& field,
                             at::ScalarType dtype) {
  static const std::vector<std::string> known{"name", "shape", "values", "role"};
  check_keys(json, field, known);
  CaseParameter parameter;
  parameter.name = as_text(required(json, field, "name"), field + ".name");
  if (parameter.name.empty()) refuse(field + ".name", "is empty");
  const Json& values = as_list(required(json, field, "values"), field + ".values");
  const std::vector<int64_t> shape =
      read_shape(required(json, field, "shape"), field + ".shape",
                 static_cast<int64_t>(values.size()));
  parameter.values =
      as_tensor(values, field + ".values", shape, dtype, Values::kFinite);
  parameter.role = read_role(json, field);
  return parameter;
}

std::vector<CaseParameter> read_parameters(const Json& json, at::ScalarType dtype) {
  const Json& list = as_list(required(json, "", "parameters"), "parameters");
  if (list.empty()) refuse("parameters", "is empty; allowed: one or more");
  std::vector<CaseParameter> parameters;
  std::set<std::string> names;
  for (std::size_t i = 0; i < list.size(); ++i) {
    parameters.push_back(read_parameter(list[i], entry("parameters", i), dtype));
    const std::string& name = parameters.back().name;
    if (!names.insert(name).second) {
      refuse(entry("parameters", i) + ".name", "is '", name, "', as another one's");
    }
  }
  return parameters;
}

std::vector<at::Tensor> read_call(const Json& json, const std::string& field,
                                  std::span<const CaseParameter> parameters) {
  if (as_list(json, field).size() != parameters.size()) {
    refuse(field, "has ", json.size(), " entries; allowed: ", parameters.size(),
           ", one per parameter");
  }
  std::vector<at::Tensor> gradients(parameters.size());
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (json[i].is_null()) continue;
    const at::Tensor& values = parameters[i].values;
    gradients[i] = as_tensor(json[i], entry(field, i),
                             {values.sizes().begin(), values.sizes().end()},
                             values.scalar_type(), Values::kAny);
  }
  return gradients;
}

std::vector<int64_t> read_cut(const Json& json, const std::string& field, int64_t rows,
                              int ranks) {
  const std::size_t count = static_cast<std::size_t>(ranks) + 1;
  if (as_list(json, field).size() != count) {
    refuse(field, "has ", json.size(), " entries; allowed: ", count,
           ", one more than ranks");
  }
  std::vector<int64_t> offsets;
  for (std::size_t i = 0; i < count; ++i) {
    const int64_t min = offsets.empty() ? 0 : offsets.back();
    const int64_t max = offsets.empty() ? 0 : rows;
    offsets.push_back(as_integer(json[i], entry(field, i), min, max));
  }
  if (offsets.back() != rows) {
    refuse(field, "ends at ", offsets.back(), "; allowed: ", rows,
           ", the parameter's rows");
  }
  return offsets;
}

void read_cuts(const Json& json, Case& read) {
  static const Json kNone = Json::object();
  const Json& cuts = json.contains("cuts") ? json["cuts"] : kNone;
  std::vector<std::string> names;
  for (const CaseParameter& parameter : read.parameters)
    names.push_back(parameter.name);
  check_keys(cuts, "cuts", names);
  for (CaseParameter& parameter : read.parameters) {
    const int64_t rows = parameter.values.size(0);
    const auto cut = cuts.find(parameter.name);
    parameter.offsets =
        cut == cuts.end() ? distributed::chunk_offsets(rows, read.ranks)
                          : read_cut(*cut, "cuts." + parameter.name, rows, read.ranks);
  }
}

int read_count(const Json& json, const std::string& key, int64_t max) {
  if (!json.contains(key)) return 1;
  return static_cast<int>(as_integer(json[key], key, 1, max));
}

}  // namespace

Case read_case(const std::string& text) {
  const Json json = parse_object(text);
  check_root(json);
  Case read;
  read.parameters = read_parameters(json, read_dtype(json));
  const Json& calls = as_list(required(json, "", "gradients"), "gradients");
  if (calls.empty()) refuse("gradients", "is empty; allowed: one call or more");
  for (std::size_t i = 0; i < calls.size(); ++i) {
    read.gradients.push_back(
        read_call(calls[i], entry("gradients", i), read.parameters));
  }
  read.ranks = read_count(json, "ranks", kMaxRanks);
  read.replicas = read_count(json, "replicas", kMaxRanks / read.ranks);
  read_cuts(json, read);
  read.config = read_config(json);
  return read;
}

}  // namespace shardopt::replay
