#include "transport_work.h"

#include <algorithm>
#include <chrono>

#include "one_line.h"
#include "shardopt/core/error.h"

namespace shardopt::distributed {

using std::chrono::milliseconds;

bool LaunchedCall::is_over() const {
  const bool is_launched =
      !launched.valid() ||  // waited for
      launched.wait_for(milliseconds(0)) == std::future_status::ready;
  return is_launched && std::ranges::all_of(call->parts, [](const auto& part) {
           return part->is_over();
         });
}

void TransportGroup::drop_finished() {
  std::erase_if(unconfirmed, [this](const LaunchedCall& started) {
    if (!started.is_over()) return false;
    try {
      for (const auto& part : started.call->parts)
        (void)part->wait_for(milliseconds(1));
    } catch (const std::exception& error) {
      if (failure.empty())
        failure = started.call->id.what + " failed: " + one_line(error);
    }
    return true;
  });
  std::erase_if(abandoned, [this](const LaunchedCall& started) {
    if (!started.is_over()) return false;
    for (at::Tensor& buffer : started.call->buffers) pool->give_back(std::move(buffer));
    return true;
  });
}

void wait_for_part(Part& part, const TransportGroup& group, const PeerCall& call,
                   std::chrono::steady_clock::time_point start) {
  wait_patiently(
      group.context, call, [&](milliseconds limit) { return part.wait_for(limit); },
      start);
}

TransportWork::~TransportWork() {
  if (started_.call != nullptr) group_->abandoned.push_back(std::move(started_));
}

void TransportWork::do_wait() {
  if (started_.call == nullptr) return;
  if (group_->is_stream_ordered) group_->drop_finished();
  if (failure_.empty() && !group_->failure.empty()) {
    failure_ = "the group is out of use: " + group_->failure;
  }
  if (failure_.empty()) {
    try {
      complete();
    } catch (const std::future_error&) {
      failure_ = "its communicator was destroyed";
    } catch (const CommError& verdict) {  // which names the peer
      failure_ = one_line(verdict);
    } catch (const std::exception& error) {
      failure_ = explain(one_line(error));
    }
  }
  if (!failure_.empty()) {
    if (group_->failure.empty()) {
      group_->failure = started_.call->id.what + " failed: " + failure_;
    }
    SHARDOPT_THROW(CommError, started_.call->id.what, " failed: ", failure_);
  }
  if (group_->is_stream_ordered) group_->unconfirmed.push_back(std::move(started_));
  started_.call = nullptr;
}

std::string TransportWork::explain(std::string cause) const {
  return with_missing_ranks(group_->context, started_.call->id, std::move(cause));
}

void TransportWork::complete() {
  TransportCall& call = *started_.call;
  const auto start = std::chrono::steady_clock::now();
  if (started_.launched.valid()) {
    wait_patiently(
        group_->context, call.id,
        [this](milliseconds limit) {
          return started_.launched.wait_for(limit) == std::future_status::ready;
        },
        start);
    started_.launched.get();
  }
  for (const auto& part : call.parts) wait_for_part(*part, *group_, call.id, start);
  if (call.finish) call.finish();
  for (at::Tensor& buffer : call.buffers) group_->pool->give_back(std::move(buffer));
  call.buffers.clear();
}

}  // namespace shardopt::distributed
