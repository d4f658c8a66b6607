/// States with all that a checkpoint must keep, for any cut.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <ATen/ATen.h>

#include "shardopt/core/random.h"
#include "shardopt/core/shard.h"
#include "shardopt/core/state_tree.h"
#include "shardopt/distributed/layout.h"

namespace shardopt::checkpoint {

/// The bounds of `rows` rows on `ranks` ranks. `seed` 0: as torch.chunk; else random
/// bounds, some ranks with nothing; negative: all on rank -seed - 1 (mod ranks).
inline std::vector<int64_t> cut_of(int64_t rows, int ranks, int seed,
                                   const std::string& name) {
  if (seed == 0) return distributed::chunk_offsets(rows, ranks);
  std::vector<int64_t> offsets{0};
  if (seed < 0) {
    for (int r = 0; r < ranks; ++r) {
      offsets.push_back(r >= (-seed - 1) % ranks ? rows : 0);
    }
    return offsets;
  }
  std::mt19937_64 random(mix(static_cast<uint64_t>(seed), name));
  for (int r = 1; r < ranks; ++r) {
    offsets.push_back(static_cast<int64_t>(random() % static_cast<uint64_t>(rows + 1)));
  }
  std::sort(offsets.begin(), offsets.end());
  offsets.push_back(rows);
  return offsets;
}

/// Any bytes, the same for the same name and seed.
inline at::Tensor any_bytes(at::IntArrayRef shape, at::ScalarType dtype,
                            const std::string& name) {
  auto generator = make_named_generator(7, name);
  const int64_t bytes =
      c10::multiply_integers(shape) * static_cast<int64_t>(c10::elementSize(dtype));
  at::Tensor tensor = at::empty({bytes}, at::kByte);
  tensor.random_(generator);
  if (dtype == at::kBool) tensor.remainder_(2);
  return tensor.view(dtype).view(shape);
}

/// NaN with a payload, -0.0, infinities and denormals among ordinary numbers.
inline at::Tensor awkward_numbers() {
  at::Tensor tensor = at::arange(24, at::kFloat).view({6, 4});
  auto* data = tensor.mutable_data_ptr<float>();
  data[1] = std::bit_cast<float>(0x7fc01234U);
  data[2] = -0.0F;
  data[3] = std::numeric_limits<float>::infinity();
  data[4] = -std::numeric_limits<float>::infinity();
  data[5] = std::numeric_limits<float>::denorm_min();
  return tensor;
}

struct CutCase {
  std::string name;
  std::vector<int64_t> shape;
  at::ScalarType dtype;
};

/// Uneven, fewer rows than ranks, no rows, rows without bytes, many dtypes, one large
/// enough for several blocks of 64 KiB.
inline std::vector<CutCase> cut_cases() {
  return {{"large.weight", {301, 257}, at::kFloat},
          {"small", {3, 5}, at::kFloat},
          {"one", {1}, at::kDouble},
          {"none", {0, 4}, at::kFloat},
          {"flat", {5, 0}, at::kFloat},
          {"half", {33, 7}, at::kBFloat16},
          {"count", {17}, at::kLong},
          {"flag", {19}, at::kBool},
          {"byte", {1001}, at::kByte},
          {"deep", {9, 2, 3, 4}, at::kDouble}};
}

inline StateTensor cut_tensor(const at::Tensor& whole, const std::string& name,
                              int ranks, int rank, int seed) {
  const Shard shard(cut_of(whole.size(0), ranks, seed, name), rank);
  return {.tensor = whole.narrow(0, shard.local_begin(), shard.local_rows()).clone(),
          .spread = Spread::kCut,
          .shard = shard};
}

/// The state of shard rank `rank` of `ranks`; `world_rank` is in per-rank tensors.
inline StateTree make_state(int ranks, int rank, int seed, int world_rank) {
  StateTree model{.kind = "model"};
  for (const CutCase& c : cut_cases()) {
    model.tensors.emplace(c.name, cut_tensor(any_bytes(c.shape, c.dtype, c.name),
                                             c.name, ranks, rank, seed));
  }
  model.tensors.emplace("awkward",
                        cut_tensor(awkward_numbers(), "awkward", ranks, rank, seed));
  model.tensors.at("large.weight").aliases = {"head.weight"};
  StateTree inner{.kind = "adamw", .version = 2};
  inner.values = {{"step", int64_t{-3}},
                  {"seed", uint64_t{0xffffffffffffffff}},
                  {"lr", -0.0},
                  {"nan", std::bit_cast<double>(uint64_t{0x7ff8000000000123})},
                  {"is_on", true},
                  {"text", std::string("a \"b\"\n\u00e4")},
                  {"numbers", std::vector<double>{0.1, 1e-320}}};
  inner.tensors.emplace("scalar",
                        StateTensor{.tensor = any_bytes({}, at::kDouble, "scalar")});
  inner.tensors.emplace(
      "table", StateTensor{.tensor = any_bytes({70, 8192}, at::kFloat, "table")});
  StateTree optimizer{.kind = "muon"};
  optimizer.children.emplace("adamw", std::move(inner));
  StateTree rng{.kind = "rng"};
  rng.tensors.emplace("dropout", StateTensor{any_bytes({100 + world_rank}, at::kByte,
                                                       std::to_string(world_rank)),
                                             Spread::kPerRank});
  StateTree root{.kind = "training"};
  root.children.emplace("model", std::move(model));
  root.children.emplace("optimizer", std::move(optimizer));
  root.children.emplace("rng", std::move(rng));
  return root;
}

/// The same with every byte and number another one: what is to be overwritten.
inline void spoil(StateTree& tree) {
  for (auto& [slot, state] : tree.tensors) {
    if (state.tensor.numel() > 0) state.tensor.view({-1}).view(at::kByte).fill_(0x5a);
  }
  for (auto& [key, value] : tree.values) {
    std::visit([](auto& held) { held = std::decay_t<decltype(held)>{}; }, value);
  }
  for (auto& [name, child] : tree.children) spoil(child);
}

inline bool is_same_value(const StateValue& a, const StateValue& b) {
  const auto* x = std::get_if<double>(&a);
  const auto* y = std::get_if<double>(&b);
  if (x == nullptr || y == nullptr) return a == b;
  return std::bit_cast<uint64_t>(*x) == std::bit_cast<uint64_t>(*y);
}

/// Where two states differ first, bit by bit; empty: nowhere.
inline std::string difference(const StateTree& a, const StateTree& b,
                              const std::string& path = "") {
  if (a.kind != b.kind || a.values.size() != b.values.size()) return path + " (kind)";
  for (const auto& [key, value] : a.values) {
    if (!is_same_value(value, b.values.at(key))) return path + key;
  }
  for (const auto& [slot, state] : a.tensors) {
    const at::Tensor other = b.tensors.at(slot).tensor;
    const bool is_same =
        state.tensor.sizes() == other.sizes() &&
        (other.numel() == 0 || at::equal(state.tensor.reshape({-1}).view(at::kByte),
                                         other.reshape({-1}).view(at::kByte)));
    if (!is_same) return path + slot;
  }
  for (const auto& [name, child] : a.children) {
    const std::string found = difference(child, b.child(name), path + name + "/");
    if (!found.empty()) return found;
  }
  return "";
}

}  // namespace shardopt::checkpoint
