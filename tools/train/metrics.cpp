#include "metrics.h"

#include <array>
#include <charconv>
#include <string>

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

}  // namespace

MetricsFile::MetricsFile(const std::filesystem::path& path) : file_(path) {
  file_.append(kHeader);
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
