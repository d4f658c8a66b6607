#include "write_plan.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

#include "shardopt/checkpoint/checkpoint_failure.h"

namespace shardopt::checkpoint {
namespace {

constexpr int64_t kSmallBytes = int64_t{1} << 20;  // Not worth a cut.

// The rows of one tensor that a group of ranks holds, each all of them.
struct Box {
  std::size_t tensor = 0;
  int64_t row_begin = 0;
  int64_t rows = 0;
  int64_t bytes = 0;
};

// Deals boxes to `holders` ranks and calls `take` for the part of `holder`. Every
// holder goes through the same steps.
void deal(const FlatState& flat, std::vector<Box> boxes, int holders, int holder,
          const std::function<void(const Box&, int64_t, int64_t)>& take) {
  std::ranges::sort(boxes, [&](const Box& a, const Box& b) {
    if (a.bytes != b.bytes) return a.bytes > b.bytes;
    return flat.tensors[a.tensor].name < flat.tensors[b.tensor].name;
  });
  std::vector<int64_t> loads(static_cast<std::size_t>(holders), 0);
  for (const Box& box : boxes) {
    if (box.bytes >= kSmallBytes && box.rows >= holders) {
      for (int64_t i = 0; i < holders; ++i) {
        const int64_t begin = box.rows * i / holders;
        const int64_t rows = box.rows * (i + 1) / holders - begin;
        if (i == holder) take(box, box.row_begin + begin, rows);
        loads[static_cast<std::size_t>(i)] += box.bytes / box.rows * rows;
      }
      continue;
    }
    const auto least = std::ranges::min_element(loads);
    *least += box.bytes;
    if (least - loads.begin() == holder) take(box, box.row_begin, box.rows);
  }
}

class Planning {
 public:
  Planning(const FlatState& flat, int rank, int shards, int copies)
      : flat_(flat), rank_(rank), shards_(shards), copies_(copies) {}

  std::vector<Piece> run() {
    for (std::size_t i = 0; i < flat_.tensors.size(); ++i) sort_out(i);
    deal(flat_, std::move(cut_), copies_, rank_ / shards_, taker());
    deal(flat_, std::move(replicated_), shards_ * copies_, rank_, taker());
    return std::move(pieces_);
  }

 private:
  void sort_out(std::size_t index) {
    const FlatTensor& tensor = flat_.tensors[index];
    const int64_t rows = row_count(tensor.shape);
    if (tensor.spread == Spread::kPerRank) {
      pieces_.push_back({per_rank_name(tensor.name, rank_), index, 0, rows, 0});
    } else if (tensor.spread == Spread::kFirstRank || rows * row_bytes(tensor) == 0) {
      if (rank_ == 0) pieces_.push_back({tensor.name, index, 0, rows, 0});
    } else if (tensor.spread == Spread::kReplicated) {
      replicated_.push_back({index, 0, rows, rows * row_bytes(tensor)});
    } else {
      const auto shard = static_cast<std::size_t>(rank_ % shards_);
      if (tensor.offsets.size() != static_cast<std::size_t>(shards_) + 1 ||
          tensor.offsets[shard + 1] - tensor.offsets[shard] != tensor.local.size(0)) {
        SHARDOPT_CHECKPOINT_FAIL(Fault::kMismatch, "tensor '", tensor.name,
                                 "' is not cut over these ", shards_,
                                 " ranks, or not in their order");
      }
      const int64_t begin = tensor.offsets.at(shard);
      const int64_t held = tensor.offsets.at(shard + 1) - begin;
      if (held > 0) cut_.push_back({index, begin, held, held * row_bytes(tensor)});
    }
  }

  std::function<void(const Box&, int64_t, int64_t)> taker() {
    return [this](const Box& box, int64_t row_begin, int64_t rows) {
      const FlatTensor& tensor = flat_.tensors[box.tensor];
      const int64_t local = row_begin - box.row_begin;
      pieces_.push_back({tensor.name, box.tensor, row_begin, rows, local});
    };
  }

  const FlatState& flat_;
  const int rank_;
  const int shards_;
  const int copies_;
  std::vector<Box> cut_;
  std::vector<Box> replicated_;
  std::vector<Piece> pieces_;
};

}  // namespace

int64_t row_bytes(const FlatTensor& tensor) {
  const auto rest =
      tensor.shape.empty() ? tensor.shape.begin() : tensor.shape.begin() + 1;
  return std::accumulate(rest, tensor.shape.end(),
                         static_cast<int64_t>(tensor.local.element_size()),
                         std::multiplies<>());
}

std::vector<Piece> plan_pieces(const FlatState& flat, int rank, int shards,
                               int copies) {
  return Planning(flat, rank, shards, copies).run();
}

}  // namespace shardopt::checkpoint
