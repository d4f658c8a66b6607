/// What this rank has read of its peers.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "peer_report.h"
#include "shardopt/distributed/peer_watch.h"

namespace shardopt::distributed {

/// Thread safety: none.
class PeerView {
 public:
  using Clock = std::chrono::steady_clock;

  PeerView(int rank, int size, std::chrono::milliseconds beat)
      : rank_(rank), silent_after_(beat * 5 / 2), peers_(size) {}

  /// `rank` said this by `now`.
  void read(int rank, PeerReport report, Clock::time_point now);

  /// "rank 2 has left": of a rank that will never make `call`; "" if none is known.
  [[nodiscard]] std::string verdict(const PeerCall& call) const;

  struct Findings {
    std::string text;          ///< "rank 2 (has left), rank 3 (...)"
    bool is_definite = false;  ///< Somebody in it will not come.
  };
  /// Who `call` is missing: who is gone or makes another call; else who has failed,
  /// which may be since the former are gone; else who is alive but late.
  [[nodiscard]] Findings missing(const PeerCall& call, Clock::time_point now) const;

  /// Whether every peer has failed, left or fallen silent.
  [[nodiscard]] bool is_everybody_gone(Clock::time_point now) const;

 private:
  struct Peer {
    PeerReport report{};
    bool is_known = false;
    Clock::time_point first_seen{};   // with this beat
    Clock::time_point last_looked{};  // at it
  };

  [[nodiscard]] std::vector<int> ranks_of(const PeerCall& call) const;
  [[nodiscard]] bool is_silent(const Peer& peer, Clock::time_point now) const;
  [[nodiscard]] std::string why_gone(const Peer& peer, const PeerCall& call,
                                     Clock::time_point now) const;

  int rank_;
  std::chrono::milliseconds silent_after_;
  std::vector<Peer> peers_;  // by rank
};

}  // namespace shardopt::distributed
