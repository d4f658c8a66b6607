/// A manifest that is sound and has one of everything.
#pragma once

#include <string>

#include "shardopt/checkpoint/manifest.h"
#include "shardopt/core/crc32c.h"

namespace shardopt::test {

/// Of two ranks with a file of 64 and 32 bytes of data each: "w" [5, 3] cut into three
/// and two rows, "b" replicated, "n" of no rows, "rng@" of each rank.
inline checkpoint::Manifest small_manifest() {
  using namespace checkpoint;
  const auto whole = [](std::string name, std::string dtype, uint32_t file,
                        int64_t offset, int64_t bytes) {
    return StoredTensor{.name = std::move(name),
                        .dtype = std::move(dtype),
                        .shape = {bytes},
                        .shards = {{.rows = bytes,
                                    .file = file,
                                    .offset = offset,
                                    .bytes = bytes,
                                    .block_crcs = {7}}}};
  };
  StoredTensor b = whole("b", "F64", 0, 4096, 8);
  b.shape = {};
  b.shards[0].rows = 1;
  b.aliases = {"tied"};
  const StoredTensor n{
      .name = "n", .dtype = "BF16", .shape = {0, 4}, .shards = {{.offset = 4096}}};
  const StoredTensor w{
      .name = "w",
      .dtype = "F32",
      .shape = {5, 3},
      .shards = {{.rows = 3, .offset = 4104, .bytes = 36, .block_crcs = {1}},
                 {.row_begin = 3,
                  .rows = 2,
                  .file = 1,
                  .offset = 4096,
                  .bytes = 24,
                  .block_crcs = {2}}}};
  const StoredState adamw{
      .kind = "adamw",
      .values = {{"count", uint64_t{3}}, {"lr", 0.5}, {"text", std::string("é")}}};
  return {.attempt = "00112233445566778899aabbccddeeff",
          .step = 1000,
          .created_unix_ns = 1,
          .writer = "test 1",
          .mesh = {.world_size = 2, .copies = 1},
          .block_bytes = 65536,
          .files = {{.name = "rank-00000.safetensors",
                     .bytes = 4160,
                     .data_begin = 4096,
                     .header_crc = 1},
                    {.name = "rank-00001.safetensors",
                     .bytes = 4128,
                     .data_begin = 4096,
                     .header_crc = 2,
                     .writer_rank = 1}},
          .tensors = {b, n, whole("rng@00000", "U8", 0, 4140, 20),
                      whole("rng@00001", "U8", 1, 4120, 8), w},
          .state = {.kind = "job",
                    .values = {{"back", int64_t{-1}},
                               {"flag", true},
                               {"numbers", std::vector<double>{1.0, -0.0}}},
                    .tensors = {{"rng", {"rng", Spread::kPerRank}}},
                    .children = {{"model",
                                  {.kind = "model",
                                   .tensors = {{"b", {"b", Spread::kReplicated}},
                                               {"n", {"n", Spread::kFirstRank}},
                                               {"w", {"w", Spread::kCut}}}}},
                                 {"optimizer",
                                  {.kind = "muon", .children = {{"adamw", adamw}}}}}},
          .total_data_bytes = 96,
          .config_crc = crc32c("a: 1", 4),
          .config_text = "a: 1"};
}

}  // namespace shardopt::test
