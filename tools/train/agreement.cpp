#include "train/agreement.h"

#include <exception>
#include <sstream>
#include <string_view>
#include <vector>

#include <torch/types.h>

#include "shardopt/core/error.h"
#include "shardopt/distributed/communicator.h"
#include "shardopt/distributed/small_messages.h"

namespace shardopt::train {
namespace {

bool is_true_on_any(distributed::Communicator& communicator, bool value) {
  at::Tensor flag = at::full({1}, value ? 1 : 0, at::kLong);
  communicator.all_reduce(flag, distributed::ReduceOp::kMax)->wait();
  return flag.item<int64_t>() != 0;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::string trimmed(const std::string& line) {
  const std::size_t begin = line.find_first_not_of(' ');
  return begin == std::string::npos ? "" : line.substr(begin);
}

// "  lr: 0.01" of `optimizer {` differs from rank 0's: both lines.
std::string first_difference(const std::string& ours, const std::string& theirs) {
  const std::vector<std::string> here = lines_of(ours);
  const std::vector<std::string> there = lines_of(theirs);
  for (std::size_t i = 0; i < here.size() && i < there.size(); ++i) {
    if (here[i] == there[i]) continue;
    return c10::str("'", trimmed(here[i]), "' here, '", trimmed(there[i]),
                    "' on rank 0");
  }
  return c10::str(here.size(), " lines here, ", there.size(), " on rank 0");
}

}  // namespace

void run_agreed(distributed::Communicator& communicator,
                const std::function<void()>& local) {
  std::exception_ptr error;
  try {
    local();
  } catch (...) {
    error = std::current_exception();
  }
  const bool has_failed = is_true_on_any(communicator, error != nullptr);
  if (error) std::rethrow_exception(error);
  if (has_failed)
    SHARDOPT_THROW(ConfigError, "another rank could not go on; it says why");
}

void check_same_text(distributed::Communicator& communicator,
                     const std::string& subject, const std::string& text) {
  const std::string theirs = distributed::broadcast_text(communicator, text);
  run_agreed(communicator, [&] {
    if (text == theirs) return;
    SHARDOPT_THROW(ConfigError, subject,
                   " differs between ranks: ", first_difference(text, theirs));
  });
}

}  // namespace shardopt::train
