/// A step of two ranks that is easy to damage, and what is found of the damage.
#pragma once

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "checkpoint/failure_of.h"
#include "paths.h"
#include "shardopt/checkpoint/checkpointer.h"
#include "shardopt/checkpoint/inspect.h"
#include "shardopt/checkpoint/load.h"
#include "shardopt/checkpoint/root.h"
#include "shardopt/core/state_tree.h"
#include "shardopt/distributed/layout.h"
#include "support/thread_ranks.h"

namespace shardopt::test {

inline void flip_bit(const std::filesystem::path& path, int64_t byte, int bit) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(byte);
  const char turned = static_cast<char>(file.get() ^ (1 << bit));
  file.seekp(byte);
  file.put(turned);
}

}  // namespace shardopt::test

namespace shardopt::checkpoint {

inline constexpr int64_t kEvenBlock = 1 << 16;

inline constexpr int64_t kEvenRows = 1024;
inline constexpr int64_t kEvenColumns = 4 * kEvenBlock / kEvenRows;

/// "w" alone, of 2 blocks on each of 2 ranks: their files have the same length. Zeros.
inline StateTree empty_state(int ranks, int rank) {
  const Shard shard(distributed::chunk_offsets(kEvenRows, ranks), rank);
  const at::Tensor rows = at::empty({shard.local_rows(), kEvenColumns}, at::kByte);
  std::memset(rows.mutable_data_ptr(), 0, rows.nbytes());  // No threads are started.
  StateTree model{.kind = "model"};
  model.tensors.emplace("w", StateTensor{rows, Spread::kCut, shard});
  StateTree state{.kind = "job"};
  state.children.emplace("model", std::move(model));
  return state;
}

/// The same, with byte i of the whole i + `value` modulo 251: no two blocks are alike.
inline StateTree even_state(int64_t value, int ranks, int rank) {
  StateTree state = empty_state(ranks, rank);
  StateTensor& w = state.children.at("model").tensors.at("w");
  const int64_t begin = value + w.shard->local_begin() * kEvenColumns;
  auto* data = w.tensor.mutable_data_ptr<uint8_t>();
  for (int64_t i = 0; i < w.tensor.numel(); ++i) {
    data[i] = static_cast<uint8_t>((begin + i) % 251);
  }
  return state;
}

/// Whether `state` is even_state(value, ...) of whichever cut.
inline bool is_even_state(const StateTree& state, int64_t value) {
  const StateTensor& w = state.child("model").tensors.at("w");
  const StateTree right = even_state(value, w.shard->ranks(), w.shard->rank());
  return at::equal(w.tensor, right.child("model").tensors.at("w").tensor);
}

inline void save_even_step(const std::filesystem::path& root, int64_t step,
                           int64_t value) {
  test::run_thread_ranks(2, [&](distributed::Communicator& ranks) {
    save(root, step, even_state(value, 2, ranks.rank()), ranks,
         {.keep = 0, .block_bytes = kEvenBlock});
  });
}
inline void save_even_step(const std::filesystem::path& root, int64_t step) {
  save_even_step(root, step, step);
}

/// The data file of one rank.
inline std::filesystem::path data_path(const std::filesystem::path& step, int rank) {
  const Manifest manifest = open_step(step, posix_file_system()).manifest;
  return step / attempt_folder_name(manifest.attempt) / data_file_name(rank);
}

/// What loading by one rank throws.
inline std::string load_failure(const std::filesystem::path& path,
                                const LoadOptions& options = {.threads = 1}) {
  const auto alone = distributed::make_single_communicator();
  StateTree state = empty_state(1, 0);
  return test::failure_of([&] { (void)load(path, state, *alone, options); });
}

/// What verifying throws.
inline std::string verify_failure(const std::filesystem::path& folder) {
  return test::failure_of([&] { verify_step(folder, posix_file_system(), 1); });
}

}  // namespace shardopt::checkpoint
