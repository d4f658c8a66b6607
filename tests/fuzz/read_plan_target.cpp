#include <algorithm>
#include <span>

#include "fuzz/fuzz_target.h"
#include "read_plan.h"

namespace shardopt::fuzz {

int64_t accepted = 0;

namespace {

using namespace checkpoint;

/// Numbers out of an input; zeros behind its end.
class Numbers {
 public:
  explicit Numbers(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  /// Below `bound`, of `count` bytes.
  int64_t below(int64_t bound, int count = 1) {
    int64_t number = 0;
    for (int i = 0; i < count; ++i) number = number << 8 | next();
    return number % bound;
  }

 private:
  uint8_t next() {
    if (bytes_.empty()) return 0;
    const uint8_t byte = bytes_.front();
    bytes_ = bytes_.subspan(1);
    return byte;
  }

  std::span<const uint8_t> bytes_;
};

/// A tensor that check_manifest would pass, and the rows that are wanted of it.
struct Case {
  StoredTensor tensor;
  int64_t block_bytes = 0;
  int64_t row_bytes = 0;
  int64_t row_begin = 0;
  int64_t row_end = 0;
};

Case make_case(Numbers numbers) {
  Case it;
  it.block_bytes = int64_t{65536} << numbers.below(11);
  it.row_bytes = numbers.below(int64_t{1} << 18, 3);
  it.tensor = {.name = "w", .dtype = "U8"};
  const int64_t shards = numbers.below(9);
  int64_t rows = 0;
  for (int64_t i = 0; i < shards; ++i) {
    const int64_t own = numbers.below(64);
    it.tensor.shards.push_back(
        {.row_begin = rows, .rows = own, .bytes = own * it.row_bytes});
    rows += own;
  }
  it.tensor.shape = {rows, it.row_bytes};
  it.row_begin = numbers.below(rows + 1, 2);
  it.row_end = it.row_begin + numbers.below(rows - it.row_begin + 1, 2);
  return it;
}

// One read: within one block that exists, and the bytes that belong there.
void check(const Case& it, const BlockRead& read) {
  require(read.shard < it.tensor.shards.size(), "the shard exists");
  const StoredShard& shard = it.tensor.shards[read.shard];
  const int64_t block_begin = read.block * it.block_bytes;
  require(read.block >= 0 && block_begin < shard.bytes, "the block exists");
  require(read.block_bytes == std::min(it.block_bytes, shard.bytes - block_begin),
          "the block has its whole length");
  require(0 <= read.begin && read.begin < read.end && read.end <= read.block_bytes,
          "bytes of the block, and not none");
  require(shard.row_begin * it.row_bytes + block_begin + read.begin ==
              it.row_begin * it.row_bytes + read.destination,
          "the bytes go where they belong");
}

void run(const Case& it) {
  const auto reads = plan_reads(it.tensor, it.block_bytes, it.row_begin, it.row_end);
  int64_t destination = 0;
  for (const BlockRead& read : reads) {
    require(read.destination == destination, "each byte once, by rising destination");
    check(it, read);
    destination += read.end - read.begin;
  }
  require(destination == (it.row_end - it.row_begin) * it.row_bytes, "every byte");
  ++accepted;
}

}  // namespace
}  // namespace shardopt::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t bytes) {
  shardopt::fuzz::run(
      shardopt::fuzz::make_case(shardopt::fuzz::Numbers({data, bytes})));
  return 0;
}
