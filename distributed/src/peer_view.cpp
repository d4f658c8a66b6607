#include "peer_view.h"

#include <cstdio>
#include <utility>

#include <c10/util/StringUtil.h>

namespace shardopt::distributed {
namespace {

std::string seconds(PeerView::Clock::duration duration) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s",
                std::chrono::duration<double>(duration).count());
  return text;
}

void append(std::string& list, int rank, const std::string& what) {
  list += c10::str(list.empty() ? "" : ", ", "rank ", rank, " (", what, ")");
}

}  // namespace

void PeerView::read(int rank, PeerReport report, Clock::time_point now) {
  Peer& peer = peers_.at(rank);
  const bool is_news = !peer.is_known || report.beat != peer.report.beat;
  if (is_news) peer.first_seen = now;
  peer.last_looked = now;
  peer.is_known = true;
  peer.report = std::move(report);
}

std::vector<int> PeerView::ranks_of(const PeerCall& call) const {
  std::vector<int> ranks = call.ranks;
  if (ranks.empty()) {
    for (int rank = 0; rank < static_cast<int>(peers_.size()); ++rank) {
      ranks.push_back(rank);
    }
  }
  std::erase(ranks, rank_);
  return ranks;
}

// Silence counts only up to the last look: between looks nobody listened.
bool PeerView::is_silent(const Peer& peer, Clock::time_point now) const {
  return peer.is_known && peer.last_looked - peer.first_seen >= silent_after_ &&
         now - peer.last_looked < 2 * silent_after_;
}

std::string PeerView::why_gone(const Peer& peer, const PeerCall& call,
                               Clock::time_point now) const {
  const PeerReport& report = peer.report;
  const Progress progress = report.progress_in(call.group);
  const bool is_there = progress.calls == call.sequence;
  if (is_there && progress.last != call.kind) return "calls " + progress.last;
  if (report.status == PeerStatus::kFailed) return "";
  if (report.status == PeerStatus::kLeft) {
    return progress.calls >= call.sequence ? "" : "has left";
  }
  if (!is_silent(peer, now)) return "";
  return "no sign of life for " + seconds(peer.last_looked - peer.first_seen);
}

std::string PeerView::verdict(const PeerCall& call) const {
  for (const int rank : ranks_of(call)) {
    const PeerReport& report = peers_.at(rank).report;
    const bool never_comes = report.status == PeerStatus::kLeft &&
                             report.progress_in(call.group).calls < call.sequence;
    if (never_comes) return c10::str("rank ", rank, " has left");
    if (report.status == PeerStatus::kFailed) {
      return c10::str("rank ", rank, " failed: ", report.why);
    }
  }
  return "";
}

PeerView::Findings PeerView::missing(const PeerCall& call,
                                     Clock::time_point now) const {
  std::string gone;
  std::string failed;
  std::string late;
  for (const int rank : ranks_of(call)) {
    const Peer& peer = peers_.at(rank);
    if (!peer.is_known) continue;
    const std::string why = why_gone(peer, call, now);
    const int64_t calls = peer.report.progress_in(call.group).calls;
    if (!why.empty()) {
      append(gone, rank, why);
    } else if (peer.report.status == PeerStatus::kFailed) {
      append(failed, rank, "failed: " + peer.report.why);
    } else if (peer.report.status == PeerStatus::kAlive && calls < call.sequence) {
      append(late, rank, c10::str("alive, its last call there is #", calls));
    }
  }
  if (!gone.empty()) return {gone, true};
  return failed.empty() ? Findings{late, false} : Findings{failed, true};
}

bool PeerView::is_everybody_gone(Clock::time_point now) const {
  for (int rank = 0; rank < static_cast<int>(peers_.size()); ++rank) {
    const Peer& peer = peers_[rank];
    const bool is_gone =
        peer.report.status != PeerStatus::kAlive || is_silent(peer, now);
    if (rank != rank_ && !is_gone) return false;
  }
  return true;
}

}  // namespace shardopt::distributed
