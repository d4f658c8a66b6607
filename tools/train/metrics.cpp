#include "metrics.h"

#include <array>
#include <charconv>
#include <fstream>
#include <string>

#include "shardopt/core/error.h"

namespace shardopt::train {
namespace {

constexpr std::string_view kHeader =
    "step,tokens,loss,val_loss,lr,grad_norm,tokens_per_second,seconds\n";

// Shortest text that reads back to the same number.
std::string cell(const std::optional<double>& value) {
  if (!value.has_value()) return "";
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), *value).ptr;
  return {text.data(), end};
}

// Whether `row`, without its line's end, is of a step up to `resumed`.
bool is_kept(const std::string& row, int64_t resumed) {
  int64_t step = 0;
  const char* end = row.data() + row.size();
  const auto [stop, error] = std::from_chars(row.data(), end, step);
  return error == std::errc() && stop != end && *stop == ',' && step <= resumed;
}

// Bytes of the header and of the rows up to step `resumed`; 0 if there is no file.
int64_t kept_bytes(const std::filesystem::path& path, int64_t resumed) {
  if (resumed == 0) return 0;
  std::ifstream file(path, std::ios::binary);
  std::string line;
  const auto next = [&] { return std::getline(file, line) && !file.eof(); };
  if (!next()) return 0;
  if (line + "\n" != kHeader) {
    SHARDOPT_THROW(ConfigError, path.string(),
                   ": cannot go on, its columns are others: ", line);
  }
  auto bytes = static_cast<int64_t>(kHeader.size());
  while (next() && is_kept(line, resumed)) {
    bytes += static_cast<int64_t>(line.size()) + 1;
  }
  return bytes;
}

}  // namespace

MetricsFile::MetricsFile(const std::filesystem::path& path, int64_t resumed)
    : MetricsFile(path, Kept{kept_bytes(path, resumed)}) {}

MetricsFile::MetricsFile(const std::filesystem::path& path, Kept kept)
    : file_(path, kept.bytes) {
  if (kept.bytes == 0) file_.append(kHeader);
}

void MetricsFile::append(const StepMetrics& metrics) {
  std::string row = std::to_string(metrics.step) + "," + std::to_string(metrics.tokens);
  for (const auto& value :
       {metrics.loss, metrics.val_loss, metrics.lr, metrics.grad_norm,
        metrics.tokens_per_second, metrics.seconds}) {
    row += "," + cell(value);
  }
  file_.append(row + "\n");
}

}  // namespace shardopt::train
