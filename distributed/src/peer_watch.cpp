#include "shardopt/distributed/peer_watch.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <torch/csrc/distributed/c10d/Store.hpp>

#include "peer_report.h"
#include "peer_view.h"
#include "quiet_log.h"

namespace shardopt::distributed {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;
using StorePtr = c10::intrusive_ptr<::c10d::Store>;

constexpr char kFailedKey[] = "watch/failed";
constexpr milliseconds kFarewellLimit{1000};
// Of peers in a large job: everybody reading everything must not drown the store.
constexpr milliseconds kLookPerRank{10};
// A wait that has not asked for a verdict for so long is over.
constexpr milliseconds kAskedLately{500};

std::string key_of(int rank) { return "watch/" + std::to_string(rank); }

std::vector<uint8_t> as_bytes(const std::string& text) {
  return {text.begin(), text.end()};
}

std::string as_text(const std::vector<uint8_t>& bytes) {
  return {bytes.begin(), bytes.end()};
}

}  // namespace

// The mutex guards all but the store, which is the thread's alone.
class PeerWatch::State {
 public:
  State(StorePtr store, int rank, int size, PeerWatchOptions options)
      : store_(std::move(store)),
        rank_(rank),
        size_(size),
        options_(std::move(options)),
        view_(rank, size, options_.beat),
        thread_([this] { run(); }) {}

  ~State() {
    std::unique_lock lock(mutex_);
    is_closing_ = true;
    if (own_.status == PeerStatus::kAlive) own_.status = PeerStatus::kLeft;
    changed_.notify_all();
    changed_.wait_for(lock, kFarewellLimit, [this] { return is_over_; });
    const bool hangs = !is_over_;
    lock.unlock();
    if (hangs && options_.interrupt_store) options_.interrupt_store();
    thread_.join();
  }

  void entered(const PeerCall& call) {
    const std::lock_guard lock(mutex_);
    own_.progress[call.group] = {call.sequence, call.kind};
  }

  std::string verdict(const PeerCall& call, Clock::time_point start) {
    const std::lock_guard lock(mutex_);
    waiting_ = {call, start};
    asked_at_ = Clock::now();
    if (!failure_.empty()) return failure_;
    return view_.verdict(call);
  }

  std::string missing(const PeerCall& call, milliseconds limit) {
    std::unique_lock lock(mutex_);
    const Clock::time_point end = Clock::now() + limit;
    PeerView::Findings findings;
    while (true) {
      const Clock::time_point now = Clock::now();
      findings = view_.missing(call, now);
      if (findings.is_definite && !findings.text.empty()) break;
      if (is_store_silent_locked(now)) return silent_store();
      if (now >= end) break;
      look_until_ = end;
      changed_.notify_all();
      read_.wait_until(lock, std::min(end, now + options_.beat));
    }
    return findings.text;
  }

  void report_failure(const std::string& why, milliseconds limit) {
    std::unique_lock lock(mutex_);
    if (own_.status != PeerStatus::kAlive) return;
    own_.status = PeerStatus::kFailed;
    own_.why = why;
    std::ranges::replace(own_.why, '\n', ' ');
    is_told_ = false;
    changed_.notify_all();
    read_.wait_for(lock, limit, [this] { return is_told_ || is_over_; });
  }

  void wait_for_peers(milliseconds limit) {
    std::unique_lock lock(mutex_);
    const Clock::time_point end = Clock::now() + limit;
    while (Clock::now() < end && !view_.is_everybody_gone(Clock::now()) && !is_over_) {
      look_until_ = end;
      changed_.notify_all();
      read_.wait_until(lock, std::min(end, Clock::now() + options_.beat));
    }
  }

 private:
  void run() {
    try {
      while (beat()) {
      }
    } catch (const std::exception&) {
      // The store is gone, or was interrupted: missing() says so.
    }
    const std::lock_guard lock(mutex_);
    is_over_ = true;
    changed_.notify_all();
    read_.notify_all();
  }

  // One turn: says how we are, looks at others if anybody waits. False at the end.
  bool beat() {
    std::unique_lock lock(mutex_);
    ++own_.beat;
    const PeerReport own = own_;
    const bool is_closing = is_closing_;
    const bool listens = Clock::now() - asked_at_ < kAskedLately;
    const bool looks = wants_look_locked();
    busy_since_ = Clock::now();
    lock.unlock();
    {
      const QuietLog quiet;
      publish(own);
      if (listens || looks) read_failure();
      if (looks) read_peers();
    }
    lock.lock();
    busy_since_.reset();
    if (own.status == PeerStatus::kFailed) is_told_ = true;
    read_.notify_all();
    const std::string late = looks ? late_locked() : "";
    if (!late.empty()) {
      lock.unlock();
      options_.on_late(late);
      lock.lock();
    }
    if (is_closing) return false;
    const auto has_news = [&] {
      return is_closing_ || own_.status != own.status ||
             (look_until_ > Clock::now() && !looks);
    };
    const milliseconds pause = options_.beat / (Clock::now() < look_until_ ? 4 : 1);
    changed_.wait_for(lock, pause, has_news);
    return true;
  }

  bool wants_look_locked() {
    const Clock::time_point now = Clock::now();
    if (now < look_until_) return true;
    const bool waits_long = now - asked_at_ < kAskedLately &&
                            options_.look_after > milliseconds(0) &&
                            now - waiting_.start >= options_.look_after;
    if (!waits_long || now < next_look_) return false;
    next_look_ = now + std::max(options_.beat, kLookPerRank * size_);
    return true;
  }

  void publish(const PeerReport& own) {
    store_->set(key_of(rank_), as_bytes(to_text(own)));
    if (own.status != PeerStatus::kFailed || has_published_failure_) return;
    const std::string why = c10::str("rank ", rank_, " failed: ", own.why);
    (void)store_->compareSet(kFailedKey, {}, as_bytes(why));
    has_published_failure_ = true;
  }

  void read_failure() {
    if (!store_->check({kFailedKey})) return;
    const std::string why = as_text(store_->get(kFailedKey));
    const std::lock_guard lock(mutex_);
    const bool is_own = why.starts_with(c10::str("rank ", rank_, " "));
    if (!is_own) failure_ = why;
  }

  void read_peers() {
    for (int rank = 0; rank < size_; ++rank) {
      if (rank == rank_ || !store_->check({key_of(rank)})) continue;
      auto report = parse_report(as_text(store_->get(key_of(rank))));
      const std::lock_guard lock(mutex_);
      busy_since_ = Clock::now();  // It answers.
      if (report) view_.read(rank, std::move(*report), Clock::now());
    }
  }

  // Of a wait that has just become long; "" otherwise.
  std::string late_locked() {
    const Clock::time_point now = Clock::now();
    const std::pair call(waiting_.call.group, waiting_.call.sequence);
    const bool is_known = told_late_ == call || !options_.on_late ||
                          now - asked_at_ > kAskedLately ||
                          now - waiting_.start < options_.look_after;
    if (is_known) return "";
    const PeerView::Findings findings = view_.missing(waiting_.call, now);
    if (findings.text.empty()) return "";
    told_late_ = call;
    const auto waited =
        std::chrono::duration_cast<std::chrono::seconds>(now - waiting_.start);
    return c10::str(waiting_.call.what, " has waited ", waited.count(),
                    " s; missing: ", findings.text);
  }

  bool is_store_silent_locked(Clock::time_point now) const {
    return is_over_ || (busy_since_ && now - *busy_since_ > options_.beat * 2);
  }

  std::string silent_store() const {
    return c10::str(options_.store_host, ", whose store does not answer");
  }

  struct Waiting {
    PeerCall call{};
    Clock::time_point start{};
  };

  const StorePtr store_;
  const int rank_;
  const int size_;
  const PeerWatchOptions options_;

  std::mutex mutex_;
  std::condition_variable changed_;  // for the thread
  std::condition_variable read_;     // for those that wait for it
  PeerReport own_;
  PeerView view_;
  std::string failure_;  // the first that a peer reported
  Waiting waiting_;
  Clock::time_point asked_at_{};
  std::pair<std::string, int64_t> told_late_{};  // group and sequence
  Clock::time_point look_until_{};
  Clock::time_point next_look_{};
  std::optional<Clock::time_point> busy_since_;  // with the store
  bool has_published_failure_ = false;           // the thread's alone
  bool is_told_ = false;
  bool is_closing_ = false;
  bool is_over_ = false;
  std::thread thread_;  // last: it uses all of the above
};

PeerWatch::PeerWatch(StorePtr store, int rank, int size, PeerWatchOptions options)
    : state_(
          std::make_unique<State>(std::move(store), rank, size, std::move(options))) {}

PeerWatch::~PeerWatch() = default;

void PeerWatch::entered(const PeerCall& call) { state_->entered(call); }

std::string PeerWatch::verdict(const PeerCall& call, Clock::time_point start) {
  return state_->verdict(call, start);
}

std::string PeerWatch::missing(const PeerCall& call, milliseconds limit) {
  return state_->missing(call, limit);
}

void PeerWatch::report_failure(const std::string& why, milliseconds limit) {
  state_->report_failure(why, limit);
}

void PeerWatch::wait_for_peers(milliseconds limit) { state_->wait_for_peers(limit); }

}  // namespace shardopt::distributed
