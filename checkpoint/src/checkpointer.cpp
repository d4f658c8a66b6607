#include "shardopt/checkpoint/checkpointer.h"

#include <algorithm>
#include <set>
#include <thread>
#include <utility>

#include "lock.h"
#include "save_under_way.h"
#include "shardopt/checkpoint/checkpoint_failure.h"
#include "shardopt/checkpoint/root.h"

namespace shardopt::checkpoint {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPollEvery{2};
constexpr int64_t kCheckAllEvery = 10;  // saves
// A save that is waited for gains nothing from running far ahead of the disk.
constexpr int64_t kSyncBudgetBytes = int64_t{48} << 20;

void check_options(const SaveOptions& options) {
  const int64_t block = options.block_bytes;
  TORCH_CHECK(block >= (1 << 16) && block <= (1 << 26) && (block & (block - 1)) == 0,
              "SaveOptions::block_bytes is ", block,
              "; allowed: powers of two from 65536 to 67108864");
  TORCH_CHECK(options.writer_threads >= 1 && options.writer_threads <= 64,
              "SaveOptions::writer_threads is ", options.writer_threads,
              "; allowed: 1 to 64");
  TORCH_CHECK(options.keep >= 0 && options.keep_every >= 0 &&
                  options.host_budget_bytes >= 0 && options.lock_wait.count() >= 0,
              "SaveOptions: keep, keep_every, host_budget_bytes and lock_wait must be "
              ">= 0");
}

}  // namespace

struct Checkpointer::Impl {
  Impl(std::filesystem::path path, RankGroup group, SaveOptions given)
      : root(std::move(path)), ranks(group), options(given) {
    check_options(options);
    FileSystem& files = options.files != nullptr ? *options.files : posix_file_system();
    agree_slowly(ranks.world(), [&] {
      if (ranks.rank() == 0) lock.emplace(files, root.string(), options.lock_wait);
    });
    agree(ranks.world(), [&] { handle.emplace(open_root(files, root.string())); });
  }

  std::filesystem::path root;
  RankGroup ranks;
  SaveOptions options;
  std::optional<RootLock> lock;  // On rank 0.
  std::optional<Handle> handle;
  bool has_branch = false;
  int64_t from = 0;
  std::vector<LeftStep> left_steps{};  // To become stale before the next commit.
  int64_t saves = 0;
  std::optional<SaveUnderWay> under_way;
  double stall_seconds = 0.0;  // Of the save under way.

  [[nodiscard]] std::set<int64_t> origin() const {
    return from > 0 ? std::set<int64_t>{from} : std::set<int64_t>{};
  }
  void start(int64_t step, const StateTree& state, const std::string& config_text,
             int64_t budget_bytes);
  std::optional<SaveReport> poll();
  void begin_branch(int64_t new_from, bool discard_later);

  // Adds the time that `call` takes to the stall.
  template <typename Call>
  auto timed(Call call) {
    struct Timer {
      double& total;
      Clock::time_point start = Clock::now();
      ~Timer() { total += std::chrono::duration<double>(Clock::now() - start).count(); }
    } timer{stall_seconds};
    return call();
  }
};

void Checkpointer::Impl::start(int64_t step, const StateTree& state,
                               const std::string& config_text, int64_t budget_bytes) {
  TORCH_CHECK(!under_way.has_value(), "a save is under way");
  TORCH_CHECK(step >= 0, "step ", step, " cannot be saved; allowed: >= 0");
  stall_seconds = 0.0;
  if (!has_branch) {
    begin_branch(step, false);
    from = 0;  // Nothing that training came from.
  }
  const SaveRequest request{.step = step,
                            .state = state,
                            .config_text = config_text,
                            .budget_bytes = budget_bytes,
                            .checks_all_replicas = saves % kCheckAllEvery == 0,
                            .left_steps = left_steps,
                            .retention = {.keep = options.keep,
                                          .keep_every = options.keep_every,
                                          .protected_steps = origin()}};
  timed([&] { under_way.emplace(*handle, ranks, options, request); });
  ++saves;
}

// Damaged steps may be left unasked; what cannot be read today may be sound.
void Checkpointer::Impl::begin_branch(int64_t new_from, bool discard_later) {
  std::vector<LeftStep> later;
  std::string valuable;
  agree_slowly(ranks.world(), [&] {
    if (ranks.rank() != 0) return;
    for (const StepFolder& step : list_steps(root, handle->files())) {
      if (step.step <= new_from || !step.is_committed) continue;
      later.push_back({step.step, step.attempt});
      if (!step.problem.empty() && !step.is_unreadable) continue;
      valuable += c10::str(valuable.empty() ? "" : ", ", step.step);
    }
    if (valuable.empty() || discard_later) return;
    SHARDOPT_CHECKPOINT_FAIL(
        Fault::kMismatch, root.string(), ": training goes on from step ", new_from,
        ", but later steps are there: ", valuable,
        "; resume from the newest, give another folder, or discard them "
        "(checkpoint.discard_later)");
  });
  left_steps = std::move(later);
  from = new_from;
  has_branch = true;
}

std::optional<SaveReport> Checkpointer::Impl::poll() {
  if (!under_way.has_value()) return std::nullopt;
  std::optional<SaveReport> report;
  try {
    report = timed([&] { return under_way->poll(); });
  } catch (const CheckpointFailure&) {
    under_way.reset();
    throw;
  }
  if (!report.has_value()) return std::nullopt;
  under_way.reset();
  left_steps.clear();
  report->stall_seconds = stall_seconds;
  return report;
}

Checkpointer::Checkpointer(std::filesystem::path root, RankGroup ranks,
                           SaveOptions options)
    : impl_(std::make_unique<Impl>(std::move(root), ranks, options)) {}

Checkpointer::~Checkpointer() = default;

void Checkpointer::begin_branch(int64_t from, bool discard_later) {
  TORCH_CHECK(from >= 0, "a branch from step ", from, "; allowed: >= 0");
  TORCH_CHECK(!is_saving(), "a branch cannot begin while a save is under way");
  impl_->begin_branch(from, discard_later);
}

void Checkpointer::start(int64_t step, const StateTree& state,
                         const std::string& config_text) {
  impl_->start(step, state, config_text, impl_->options.host_budget_bytes);
}

void Checkpointer::wait_copied() {
  if (!impl_->under_way.has_value()) return;
  impl_->timed([&] { impl_->under_way->wait_copied(); });
}

bool Checkpointer::is_saving() const noexcept { return impl_->under_way.has_value(); }

std::optional<SaveReport> Checkpointer::poll() { return impl_->poll(); }

std::optional<SaveReport> Checkpointer::finish() {
  while (is_saving()) {
    if (auto report = poll()) return report;
    impl_->timed([] { std::this_thread::sleep_for(kPollEvery); });
  }
  return std::nullopt;
}

SaveReport Checkpointer::save(int64_t step, const StateTree& state,
                              const std::string& config_text) {
  const int64_t budget = std::min(impl_->options.host_budget_bytes, kSyncBudgetBytes);
  impl_->start(step, state, config_text, budget);
  return finish().value();
}

const std::filesystem::path& Checkpointer::root() const noexcept { return impl_->root; }

SaveReport save(const std::filesystem::path& root, int64_t step, const StateTree& state,
                RankGroup ranks, const SaveOptions& options) {
  return Checkpointer(root, ranks, options).save(step, state);
}

}  // namespace shardopt::checkpoint
