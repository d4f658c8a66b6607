/// A small manifest with everything that one can hold, and a step folder for it.
#pragma once

#include <filesystem>
#include <fstream>
#include <limits>
#include <string>

#include <gtest/gtest.h>

#include "checkpoint/safetensors_bytes.h"
#include "checkpoint/src/frame.h"
#include "checkpoint/src/manifest_codec.h"
#include "checkpoint/src/paths.h"
#include "shardopt/checkpoint/checkpoint_failure.h"
#include "shardopt/checkpoint/manifest.h"
#include "shardopt/core/crc32c.h"

namespace shardopt::checkpoint::test {

inline constexpr char kAttempt[] = "0123456789abcdef0123456789abcdef";

/// Ranks 0 and 1 of two wrote `w` ([5, 2], rows 0-3 and 3-5); rank 0 the rest but for
/// rank 1's own random state.
inline Manifest sample_manifest() {
  Manifest manifest{.optional_features = {"notes"},
                    .attempt = kAttempt,
                    .step = 7,
                    .created_unix_ns = 1'700'000'000'000'000'000,
                    .writer = "shardopt 0.1.0",
                    .mesh = {.world_size = 2, .copies = 1},
                    .block_bytes = 65536,
                    .total_data_bytes = 100'076,
                    .config_text = "train.steps = 10\n"};
  manifest.config_crc =
      crc32c(manifest.config_text.data(), manifest.config_text.size());
  manifest.files = {{"rank-00000.safetensors", 4096 + 100'044, 4096, 0xfeed, 0},
                    {"rank-00001.safetensors", 4096 + 32, 4096, 0xbeef, 1}};
  const auto shard = [](int64_t begin, int64_t rows, uint32_t file, int64_t offset,
                        int64_t bytes, std::vector<uint32_t> crcs) {
    return StoredShard{begin, rows, file, 4096 + offset, bytes, std::move(crcs)};
  };
  manifest.tensors = {
      {"big", "U8", {100'000}, {shard(0, 100'000, 0, 0, 100'000, {1, 2})}},
      {"empty", "F32", {0, 3}},
      {"rng/dropout@00000", "U8", {16}, {shard(0, 16, 0, 100'000, 16, {3})}},
      {"rng/dropout@00001", "U8", {16}, {shard(0, 16, 1, 0, 16, {4})}},
      {"scale", "F32", {}, {shard(0, 1, 0, 100'016, 4, {5})}},
      {"w",
       "F32",
       {5, 2},
       {shard(0, 3, 0, 100'020, 24, {6}), shard(3, 2, 1, 16, 16, {7})},
       {"head.w"}}};
  StoredState model{.kind = "model",
                    .tensors = {{"empty", {"empty", Spread::kCut}},
                                {"scale", {"scale", Spread::kReplicated}},
                                {"w", {"w", Spread::kCut}}}};
  StoredState random{.kind = "rng",
                     .version = 3,
                     .tensors = {{"big", {"big", Spread::kFirstRank}},
                                 {"dropout", {"rng/dropout", Spread::kPerRank}}}};
  StoredState counters{
      .kind = "counters",
      .values = {{"bits", std::numeric_limits<uint64_t>::max()},
                 {"count", std::numeric_limits<int64_t>::min()},
                 {"flag", true},
                 {"list", std::vector<double>{0.1, -0.0}},
                 {"lr", 1e-3},
                 {"name", std::string("\xc3\xa4")}}};
  manifest.state = {.kind = "job",
                    .children = {{"counters", std::move(counters)},
                                 {"model", std::move(model)},
                                 {"rng", std::move(random)}}};
  // 100,000 + 16 + 4 + 24 in the first file, 16 + 16 in the second.
  return manifest;
}

/// MANIFEST's bytes.
inline std::string manifest_bytes(const Manifest& manifest) {
  return add_frame(encode_manifest(manifest));
}

/// A step folder as `manifest` says; the data files' bytes are zeros.
inline void write_step(const std::filesystem::path& folder, const Manifest& manifest) {
  const auto attempt = folder / attempt_folder_name(manifest.attempt);
  std::filesystem::create_directories(attempt);
  for (const DataFile& file : manifest.files) {
    shardopt::test::write_bytes(attempt / file.name, "");
    std::filesystem::resize_file(attempt / file.name,
                                 static_cast<std::uintmax_t>(file.bytes));
  }
  shardopt::test::write_bytes(folder / kManifestName, manifest_bytes(manifest));
}

/// What `call` throws, as "corrupt: MESSAGE"; "no failure" if nothing.
template <typename Call>
std::string failure_of(Call&& call) {
  try {
    call();
  } catch (const CheckpointFailure& error) {
    return std::string(fault_name(error.fault())) + ": " +
           error.what_without_backtrace();
  }
  return "no failure";
}

}  // namespace shardopt::checkpoint::test
