/// What the ranks of a job know of each other beside their collectives.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <c10/util/intrusive_ptr.h>

namespace c10d {
class Store;
}

namespace shardopt::distributed {

struct PeerWatchOptions {
  std::chrono::milliseconds beat{250};  ///< Between two signs of life.
  /// A wait that lasts this long looks at what the peers do; 0: only when it fails.
  std::chrono::milliseconds look_after{std::chrono::seconds(5)};
  /// Told once about each wait that has lasted `look_after`, with the ranks that it is
  /// for. Called on the watch's thread.
  std::function<void(const std::string&)> on_late{};
  std::string store_host = "rank 0";  ///< Whose store it is, for messages.
  /// Makes calls of the store that hang return, with an error. Called once at most, by
  /// the destructor.
  std::function<void()> interrupt_store{};
};

/// A collective that a rank makes.
struct PeerCall {
  std::string group;       ///< Its name in the job, the same on all of its ranks.
  std::vector<int> ranks;  ///< Of the job, that make the call.
  int64_t sequence = 0;    ///< Of the call in its group.
  std::string kind;        ///< "all_gather"; one word.
  std::string what;        ///< "all_gather #12 of 'shard' on rank 1 of 3"
};

/// Over a store of its own connection each rank gives a sign of life, says how far it
/// has come in each group and why it failed, and reads the same of the others: only
/// while a wait lasts long, so that a healthy job costs one write per beat.
///
/// A store that does not answer is a finding, never an error.
///
/// Thread safety: full.
class PeerWatch {
 public:
  /// `store` is used on the watch's own thread alone; nobody else shares its
  /// connection.
  PeerWatch(c10::intrusive_ptr<::c10d::Store> store, int rank, int size,
            PeerWatchOptions options = {});
  /// Tells the peers that this rank has left. Returns within about a second.
  ~PeerWatch();
  PeerWatch(const PeerWatch&) = delete;
  PeerWatch& operator=(const PeerWatch&) = delete;

  /// This rank makes `call`. Costs no communication.
  void entered(const PeerCall& call);

  /// Why `call`, waited for since `start`, will never complete: a peer failed, or left
  /// without making it. "" as long as that is not known. Does not wait.
  [[nodiscard]] std::string verdict(const PeerCall& call,
                                    std::chrono::steady_clock::time_point start);

  /// Which ranks `call` is missing, and what is known of each, for a message: "rank 2
  /// (no sign of life for 1.3 s)". "" if nothing is. Waits for `limit` at most, for
  /// something to be known.
  [[nodiscard]] std::string missing(const PeerCall& call,
                                    std::chrono::milliseconds limit);

  /// Tells the peers why this rank cannot go on; the first reason counts. Returns once
  /// told, after `limit` at the latest.
  void report_failure(const std::string& why, std::chrono::milliseconds limit);

  /// Waits until every peer has failed, left, or given no sign of life, `limit` at
  /// most: whoever launched them may kill them when the first one ends.
  void wait_for_peers(std::chrono::milliseconds limit);

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace shardopt::distributed
