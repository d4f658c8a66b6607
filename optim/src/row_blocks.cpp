#include "row_blocks.h"

#include <algorithm>
#include <charconv>
#include <sstream>

#include <c10/util/StringUtil.h>

#include "matrix_view.h"
#include "shardopt/core/error.h"

namespace shardopt::optim {
namespace {

constexpr int64_t kMaxRows = int64_t{1} << 40;  // Sums do not overflow.

}  // namespace

std::vector<int64_t> parse_row_blocks(const std::string& text) {
  std::vector<int64_t> blocks;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    std::erase(part, ' ');
    int64_t rows = 0;
    const char* end = part.data() + part.size();
    const auto [stop, error] = std::from_chars(part.data(), end, rows);
    if (error != std::errc() || stop != end || rows < 1 || rows > kMaxRows) {
      SHARDOPT_THROW(ConfigError, "optimizer.muon.row_blocks is '", text,
                     "'; allowed: numbers of rows from 1 to ", kMaxRows,
                     ", as 64,64,64");
    }
    blocks.push_back(rows);
  }
  return blocks;
}

std::vector<int64_t> block_bounds(const Parameter& parameter,
                                  const MuonOptions& options) {
  if (is_batched(parameter.rows.dim(), options.flatten)) {
    SHARDOPT_THROW(ConfigError, "optimizer.muon.row_blocks hold for '", parameter.name,
                   "', which flatten makes a batch of matrices; allowed: parameters "
                   "that are one matrix");
  }
  std::vector<int64_t> bounds = {0};
  for (const int64_t rows : parse_row_blocks(options.row_blocks)) {
    bounds.push_back(bounds.back() + rows);
  }
  const int64_t rows = parameter.shard.global_rows();
  if (bounds.back() == rows) return bounds;
  SHARDOPT_THROW(ConfigError, "optimizer.muon.row_blocks '", options.row_blocks,
                 "' sum up to ", bounds.back(), " rows, but '", parameter.name,
                 "' has ", rows);
}

std::vector<int64_t> local_block_rows(const std::vector<int64_t>& bounds,
                                      const Shard& shard) {
  const int64_t begin = shard.local_begin();
  const int64_t end = begin + shard.local_rows();
  std::vector<int64_t> rows;
  for (std::size_t i = 0; i + 1 < bounds.size(); ++i) {
    const int64_t count = std::min(end, bounds[i + 1]) - std::max(begin, bounds[i]);
    if (count > 0) rows.push_back(count);
  }
  if (rows.empty()) rows.push_back(0);
  return rows;
}

bool is_block_cut(const std::vector<int64_t>& bounds, const Shard& shard) {
  return !std::ranges::all_of(shard.offsets(), [&](int64_t offset) {
    return std::ranges::find(bounds, offset) != bounds.end();
  });
}

}  // namespace shardopt::optim
