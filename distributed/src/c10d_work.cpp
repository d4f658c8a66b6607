#include "c10d_work.h"

#include <algorithm>
#include <chrono>

#include "one_line.h"
#include "shardopt/core/error.h"

namespace shardopt::distributed {

bool LaunchedCall::is_over() const {
  const bool is_launched =
      !launched.valid() ||  // waited for
      launched.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  return is_launched && std::ranges::all_of(call->parts, [](const auto& part) {
           return part == nullptr || part->isCompleted();
         });
}

void AbandonedCalls::drop_finished() {
  std::erase_if(calls_, [](const LaunchedCall& call) { return call.is_over(); });
}

C10dWork::~C10dWork() {
  if (started_.call != nullptr) abandoned_->add(std::move(started_));
}

void C10dWork::do_wait() {
  if (started_.call == nullptr) return;
  if (failure_.empty()) {
    try {
      complete();
    } catch (const std::future_error&) {
      failure_ = "its communicator was destroyed";
    } catch (const std::exception& error) {
      failure_ = one_line(error);
    }
  }
  if (!failure_.empty()) {
    SHARDOPT_THROW(CommError, started_.call->name, " failed: ", failure_);
  }
  started_.call = nullptr;
}

// A null part is one that the backend has done, or has put on the current stream.
void C10dWork::complete() {
  started_.launched.get();
  for (const auto& part : started_.call->parts) {
    TORCH_CHECK(part == nullptr || part->wait(), "it was aborted");
  }
  if (started_.call->finish) started_.call->finish();
}

}  // namespace shardopt::distributed
