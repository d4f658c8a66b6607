// What a Trainer goes on from.
#include <string>
#include <vector>

#include <c10/util/StringUtil.h>

#include "shardopt/core/error.h"
#include "shardopt/core/random.h"
#include "shardopt/distributed/model_state.h"
#include "train/dropout_generator.h"
#include "train/trainer.h"

namespace shardopt::train {
namespace {

constexpr char kTraining[] = "training";

std::string order_name(config::SampleOrder order) {
  return order == config::SampleOrder::kShuffled ? "shuffled" : "sequential";
}

StateTree counter_state(const Counters& counters) {
  return {.kind = "counters",
          .values = {{"step", counters.step},
                     {"tokens", counters.tokens},
                     {"updates", counters.updates},
                     {"skipped_in_a_row", counters.skipped_in_a_row},
                     {"seconds", counters.seconds}}};
}

StateTree rng_state(const at::Generator& dropout) {
  StateTree tree{.kind = "rng"};
  tree.tensors.emplace("dropout", StateTensor{dropout.get_state(), Spread::kPerRank});
  return tree;
}

// Adds to `problems` if `saved` and `own` have another value of `key`.
template <typename T>
void compare(const StateTree& saved, const StateTree& own, const std::string& key,
             const std::string& field, std::vector<std::string>& problems) {
  const T& before = saved.value<T>(key);
  const T& now = own.value<T>(key);
  if (before == now) return;
  problems.push_back(c10::str(field, " is ", now, ", there ", before));
}

}  // namespace

StateTree Trainer::data_state() const {
  return {.kind = "data",
          .values = {
              {"samples", static_cast<uint64_t>(counters_.samples)},
              {"seed", config_.train.seed},
              {"order", order_name(config_.data.order)},
              {"context", config_.model.context},
              {"text_bytes", static_cast<uint64_t>(data_.size_bytes())},
              {"training_bytes", static_cast<uint64_t>(data_.training().size_bytes())},
              {"text_crc32c", uint64_t{data_.checksum()}}}};
}

StateTree Trainer::state() const {
  StateTree tree{.kind = kTraining};
  tree.children.emplace("model", distributed::model_state(sharded_));
  update_.add_state(tree);
  tree.children.emplace("data", data_state());
  tree.children.emplace("rng", rng_state(dropout_));
  tree.children.emplace("counters", counter_state(counters_));
  return tree;
}

// Which bytes sample i has must not change while training goes on.
void Trainer::check_state(const StateTree& saved) const {
  if (saved.kind != kTraining) {
    SHARDOPT_THROW(CheckpointError, "this checkpoint holds '", saved.kind,
                   "', no state of training to go on from; model.init takes weights");
  }
  const StateTree& data = saved.child("data");
  const StateTree own = data_state();
  std::vector<std::string> problems;
  const std::string replaced = "the text at data.path has been replaced: its ";
  compare<uint64_t>(data, own, "text_bytes", replaced + "size", problems);
  compare<uint64_t>(data, own, "text_crc32c", replaced + "checksum", problems);
  compare<int64_t>(data, own, "seed", "train.seed", problems);
  compare<std::string>(data, own, "order", "data.order", problems);
  compare<int64_t>(data, own, "context", "model.context", problems);
  if (problems.empty()) {
    compare<uint64_t>(data, own, "training_bytes",
                      "data.validation_fraction leaves other training text: its size",
                      problems);
  }
  if (!problems.empty()) {
    SHARDOPT_THROW(CheckpointError, "training cannot go on from this checkpoint: ",
                   c10::Join("; ", problems));
  }
  update_.check_state(saved);
}

void Trainer::load_state(const StateTree& state) {
  update_.load_state(state);
  dropout_.set_state(state.child("rng").tensors.at("dropout").tensor);
  const StateTree& counters = state.child("counters");
  counters_ = {
      .step = counters.value<int64_t>("step"),
      .samples = static_cast<int64_t>(state.child("data").value<uint64_t>("samples")),
      .tokens = counters.value<int64_t>("tokens"),
      .updates = counters.value<int64_t>("updates"),
      .skipped_in_a_row = counters.value<int64_t>("skipped_in_a_row"),
      .seconds = counters.value<double>("seconds")};
  seconds_before_ = counters_.seconds;
  start_.reset();
}

void Trainer::derive_dropout() {
  const auto seed = static_cast<uint64_t>(config_.train.seed);
  const uint64_t here = mix(seed, static_cast<uint64_t>(counters_.step));
  dropout_.set_state(dropout_generator(here, mesh_.rank()).get_state());
}

}  // namespace shardopt::train
