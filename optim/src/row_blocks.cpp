#include "row_blocks.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <regex>
#include <sstream>

#include <c10/util/StringUtil.h>

#include "matrix_view.h"
#include "name_rules.h"
#include "orthogonalize.h"
#include "shardopt/core/error.h"

namespace shardopt::optim {
namespace {

constexpr int64_t kMaxRows = int64_t{1} << 40;  // Sums do not overflow.

// First row of each matrix, and the end of the last.
std::vector<int64_t> block_bounds(const Parameter& parameter,
                                  const MuonOptions& options) {
  if (!has_row_blocks(parameter, options)) return {0, parameter.shard.global_rows()};
  std::vector<int64_t> bounds = {0};
  for (const int64_t rows : parse_row_blocks(options.row_blocks)) {
    bounds.push_back(bounds.back() + rows);
  }
  return bounds;
}

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

bool has_row_blocks(const Parameter& parameter, const MuonOptions& options) {
  if (options.row_blocks.empty()) return false;
  static constexpr char kField[] = "optimizer.muon.row_blocks_pattern";
  const std::regex pattern = compile_pattern(kField, options.row_blocks_pattern);
  return std::regex_search(parameter.name, pattern);
}

void check_row_blocks(const Parameter& parameter, const MuonOptions& options) {
  if (is_batched(parameter.rows.dim(), options.flatten)) {
    SHARDOPT_THROW(ConfigError, "optimizer.muon.row_blocks hold for '", parameter.name,
                   "', which flatten makes a batch of matrices; allowed: parameters "
                   "that are one matrix");
  }
  const int64_t rows = parameter.shard.global_rows();
  const int64_t end = block_bounds(parameter, options).back();
  if (end == rows) return;
  SHARDOPT_THROW(ConfigError, "optimizer.muon.row_blocks '", options.row_blocks,
                 "' sum up to ", end, " rows, but '", parameter.name, "' has ", rows);
}

std::vector<int64_t> block_rows(const Parameter& parameter,
                                const MuonOptions& options) {
  if (!has_row_blocks(parameter, options)) {
    return {as_matrices(parameter.rows, options.flatten).size(1)};
  }
  const std::vector<int64_t> bounds = block_bounds(parameter, options);
  const int64_t begin = parameter.shard.local_begin();
  const int64_t end = begin + parameter.shard.local_rows();
  std::vector<int64_t> rows;
  for (std::size_t i = 0; i + 1 < bounds.size(); ++i) {
    const int64_t count = std::min(end, bounds[i + 1]) - std::max(begin, bounds[i]);
    if (count > 0) rows.push_back(count);
  }
  if (rows.empty()) rows.push_back(0);
  return rows;
}

bool is_matrix_cut(const Parameter& parameter, const MuonOptions& options) {
  if (is_batched(parameter.rows.dim(), options.flatten)) return false;
  const std::vector<int64_t> bounds = block_bounds(parameter, options);
  const std::vector<int64_t>& offsets = parameter.shard.offsets();
  return !std::ranges::all_of(offsets, [&](int64_t offset) {
    return std::ranges::find(bounds, offset) != bounds.end();
  });
}

}  // namespace shardopt::optim
