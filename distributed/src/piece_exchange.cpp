#include "piece_exchange.h"

#include <algorithm>

#include "tensor_view.h"

namespace shardopt::distributed {
namespace {

constexpr int64_t kSmallestBudgetBytes = int64_t{32} << 20;

}  // namespace

PieceExchange::PieceExchange(const at::Tensor& whole, const Shard& cut)
    : whole_(flat(whole)) {
  const int64_t width = row_elements(whole);
  int64_t largest = 0;  // elements
  for (const int64_t row : cut.offsets()) offsets_.push_back(row * width);
  for (int rank = 0; rank < cut.ranks(); ++rank) {
    largest = std::max(largest, cut.rows(rank) * width);
  }
  const auto element_bytes = static_cast<int64_t>(whole_.element_size());
  const int64_t budget_bytes =
      std::max(static_cast<int64_t>(whole_.nbytes()), kSmallestBudgetBytes);
  const int64_t bytes_at_once = cut.ranks() * largest * element_bytes;
  const bool fits = bytes_at_once <= budget_bytes + budget_bytes / 4;
  const int64_t buffers = 2 * cut.ranks();  // what is sent, and what is received
  round_elements_ =
      fits ? largest : std::max(budget_bytes / (buffers * element_bytes), int64_t{1});
  rounds_ = fits ? 1 : (largest + round_elements_ - 1) / round_elements_;
}

int64_t PieceExchange::begin(int64_t round, int rank) const {
  return std::min(round * round_elements_, offsets_[rank + 1] - offsets_[rank]);
}

int64_t PieceExchange::elements(int64_t round, int rank) const {
  return begin(round + 1, rank) - begin(round, rank);
}

at::Tensor PieceExchange::copy_sent(int64_t round, const at::Tensor& buffer) const {
  int64_t end = 0;
  for (int rank = 0; rank + 1 < static_cast<int>(offsets_.size()); ++rank) {
    const int64_t count = elements(round, rank);
    buffer.narrow(0, end, count)
        .copy_(whole_.narrow(0, offsets_[rank] + begin(round, rank), count));
    end += count;
  }
  return buffer.narrow(0, 0, end);
}

// A piece gives less from round to round, once it has less than a round's share.
int64_t PieceExchange::most_sent_elements() const {
  int64_t sum = 0;
  for (int rank = 0; rank + 1 < static_cast<int>(offsets_.size()); ++rank) {
    sum += elements(0, rank);
  }
  return sum;
}

}  // namespace shardopt::distributed
