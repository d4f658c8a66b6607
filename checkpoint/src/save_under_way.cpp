#include "save_under_way.h"

#include <algorithm>
#include <exception>
#include <sstream>
#include <utility>

#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>
#include <c10/core/ScalarType.h>

#include "outline.h"
#include "paths.h"
#include "replica_check.h"
#include "shardopt/checkpoint/checkpoint_failure.h"
#include "shardopt/checkpoint/root.h"
#include "shardopt/core/crc32c.h"
#include "shardopt/core/state_tree.h"
#include "shardopt/distributed/small_messages.h"
#include "space.h"

namespace shardopt::checkpoint {
namespace {

using Seconds = std::chrono::duration<double>;

constexpr int64_t kLargeBytes = int64_t{64} << 20;  // Whole, of a tensor.
constexpr char kWriter[] = "shardopt 0.1.0";

enum Progress : int64_t { kFailed = -1, kRunning = 0, kDone = 1 };

// A copy of what is not cut: it may change as soon as the save has begun.
void copy_small_tensors(FlatState& flat) {
  for (FlatTensor& tensor : flat.tensors) {
    if (tensor.spread != Spread::kCut) tensor.local = tensor.local.clone();
  }
}

int64_t sum_over_ranks(distributed::Communicator& world, int64_t value) {
  at::Tensor total = at::full({1}, value, at::kLong);
  world.all_reduce(total, distributed::ReduceOp::kSum)->wait();
  return *total.const_data_ptr<int64_t>();
}

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

Manifest head_of(const SaveRequest& request, const SaveOptions& options,
                 const RankGroup& ranks, StoredState state) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return {.step = request.step,
          .created_unix_ns =
              std::chrono::duration_cast<std::chrono::nanoseconds>(now).count(),
          .writer = kWriter,
          .mesh = {.world_size = ranks.size(), .copies = ranks.copies()},
          .block_bytes = options.block_bytes,
          .state = std::move(state),
          .config_crc = crc32c(request.config_text.data(), request.config_text.size()),
          .config_text = request.config_text};
}

}  // namespace

SaveUnderWay::SaveUnderWay(const Handle& root, const RankGroup& ranks,
                           const SaveOptions& options, const SaveRequest& request)
    : root_(root), ranks_(ranks) {
  FlatState flat;
  std::vector<Piece> pieces;
  agree(ranks_.world(), [&] {
    flat = flatten(request.state);
    pieces = plan_pieces(flat, ranks_.rank(), ranks_.shards(), ranks_.copies());
    if (!is_utf8(request.config_text)) {
      SHARDOPT_CHECKPOINT_FAIL(Fault::kMismatch, "the configuration is no UTF-8");
    }
  });
  check(options, request, flat);
  commit_ = {.manifest = head_of(request, options, ranks_, flat.state),
             .left_steps = request.left_steps,
             .retention = request.retention};
  attempt_ = distributed::broadcast_text(ranks_.world(), make_attempt());
  commit_.manifest.attempt = attempt_;
  DataLayout layout;
  agree(ranks_.world(), [&] {
    if (pieces.empty()) return;
    layout = lay_out(flat, std::move(pieces), {attempt_, request.step, ranks_.rank()});
  });
  report_.step = request.step;
  report_.folder = std::filesystem::path(root.path()) / step_folder_name(request.step);
  report_.bytes = sum_over_ranks(ranks_.world(), layout.bytes);
  agree_slowly(ranks_.world(), [&] {  // It syncs folders.
    if (ranks_.rank() != 0) return;
    if (options.check_space) check_space(root_, report_.bytes);
    make_attempt_folder();
  });
  start_job(options, request, std::move(flat), std::move(layout));
}

void SaveUnderWay::check(const SaveOptions& options, const SaveRequest& request,
                         const FlatState& flat) {
  std::ostringstream text;
  text << "step " << request.step << ", blocks of " << options.block_bytes << "\n"
       << outline(flat) << "configuration:\n"
       << request.config_text;
  check_same_outline(ranks_.world(), text.str());
  const auto buffers = check_replicas(ranks_, request.state,
                                      request.checks_all_replicas ? 0 : kLargeBytes);
  for (const std::string& name : buffers) {
    report_.warnings.push_back("'" + name +
                               "' differs between ranks: that of rank 0 is saved");
  }
}

void SaveUnderWay::make_attempt_folder() {
  const std::string name = step_folder_name(report_.step);
  try {
    make_folder(root_, name);
    make_folder(open_folder(root_, name), attempt_folder_name(attempt_));
  } catch (const CheckpointFailure&) {
    remove_remains();
    throw;
  }
}

void SaveUnderWay::start_job(const SaveOptions& options, const SaveRequest& request,
                             FlatState flat, DataLayout layout) {
  Failure own;
  try {
    copy_small_tensors(flat);
    Handle attempt = open_folder(open_folder(root_, step_folder_name(report_.step)),
                                 attempt_folder_name(attempt_));
    job_.emplace(std::move(flat), std::move(layout), ranks_.rank(), std::move(attempt),
                 SaveJobOptions{.block_bytes = options.block_bytes,
                                .budget_bytes = request.budget_bytes,
                                .writer_threads = options.writer_threads,
                                .is_direct = options.direct_io});
  } catch (...) {
    own = current_failure();
  }
  if (lowest_rank(ranks_.world(), own.fault >= 0) < ranks_.size()) stop_and_fail(own);
}

void SaveUnderWay::wait_copied() {
  if (job_) job_->wait_copied();
}

std::optional<SaveReport> SaveUnderWay::poll() {
  if (!is_committing_) {
    if (!poll_writing()) return std::nullopt;
    start_commit();
    return std::nullopt;
  }
  if (!poll_commit()) return std::nullopt;
  return finished();
}

// After a failure anywhere every rank stops, and is polled until all have: one of them
// may be in a long sync.
bool SaveUnderWay::poll_writing() {
  int64_t progress = kRunning;
  if (job_->is_done()) {
    progress = !is_failing_ && job_->failure().fault >= 0 ? kFailed : kDone;
  }
  const int64_t least = distributed::min_over_ranks(ranks_.world(), progress);
  if (least == kFailed) {
    is_failing_ = true;
    job_->cancel();
  } else if (least == kDone && is_failing_) {
    stop_and_fail(job_->failure());
  }
  return least == kDone;
}

void SaveUnderWay::start_commit() {
  report_.used_direct_io =
      distributed::min_over_ranks(ranks_.world(), job_->was_direct()) == 1;
  commit_.parts = gather_texts(ranks_.world(), encode_part(job_->part()));
  job_.reset();
  is_committing_ = true;
  if (ranks_.rank() != 0) return;
  try {
    committing_ =
        std::async(std::launch::async, [this, work = std::move(commit_)]() mutable {
          return commit(root_, std::move(work));
        });
  } catch (const std::exception&) {  // No thread to be had: told as commit's own.
    std::promise<std::vector<std::string>> failed;
    failed.set_exception(std::current_exception());
    committing_ = failed.get_future();
  }
}

bool SaveUnderWay::poll_commit() {
  bool is_running = false;
  if (ranks_.rank() == 0) {
    const auto state = committing_.wait_for(std::chrono::seconds(0));
    is_running = state != std::future_status::ready;
  }
  return distributed::min_over_ranks(ranks_.world(), is_running ? kRunning : kDone) ==
         kDone;
}

SaveReport SaveUnderWay::finished() {
  Failure own;
  std::vector<std::string> warnings;
  if (ranks_.rank() == 0) {
    try {
      warnings = committing_.get();
    } catch (...) {
      own = current_failure();
    }
  }
  if (lowest_rank(ranks_.world(), own.fault >= 0) < ranks_.size()) fail(own);
  for (std::string& line : warnings) std::ranges::replace(line, '\n', ' ');
  const std::string text =
      distributed::broadcast_text(ranks_.world(), c10::Join("\n", warnings));
  for (std::string& line : lines_of(text)) report_.warnings.push_back(std::move(line));
  report_.seconds = Seconds(std::chrono::steady_clock::now() - start_).count();
  return std::move(report_);
}

// Does not return.
void SaveUnderWay::stop_and_fail(const Failure& own) {
  if (job_) {
    job_->cancel();
    job_->join();
  }
  fail(own);
}

// Every rank's threads have ended: what they wrote can go. Does not return.
void SaveUnderWay::fail(const Failure& own) {
  try {
    throw_together(ranks_.world(), own);
  } catch (const CheckpointFailure&) {
    agree_slowly(ranks_.world(), [this] {
      if (ranks_.rank() == 0) remove_remains();
    });
    throw;
  }
}

// Best effort. A MANIFEST that names this attempt may be on the disk already, where the
// sync after its rename failed: then everything stays.
void SaveUnderWay::remove_remains() noexcept {
  try {
    const std::string name = step_folder_name(report_.step);
    const Handle step = open_folder(root_, name);
    const bool is_committed = exists(step, kManifestName);
    if (is_committed && committed_attempt(step) == attempt_) return;
    remove_attempt(step, attempt_folder_name(attempt_));
    if (!is_committed) (void)root_.files().rmdir(root_.descriptor(), name);
  } catch (const std::exception&) {
    // The next commit removes it.
  }
}

}  // namespace shardopt::checkpoint
