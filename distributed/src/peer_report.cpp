#include "peer_report.h"

#include <sstream>

namespace shardopt::distributed {

Progress PeerReport::progress_in(const std::string& group) const {
  const auto found = progress.find(group);
  return found == progress.end() ? Progress() : found->second;
}

// One line of beat and status, one of the reason, one for each group.
std::string to_text(const PeerReport& report) {
  std::ostringstream out;
  out << report.beat << ' ' << static_cast<int>(report.status) << '\n'
      << report.why << '\n';
  for (const auto& [group, progress] : report.progress) {
    out << progress.calls << ' ' << progress.last << ' ' << group << '\n';
  }
  return out.str();
}

std::optional<PeerReport> parse_report(std::string_view text) {
  std::istringstream in{std::string(text)};
  PeerReport report;
  int status = -1;
  in >> report.beat >> status;
  in.ignore(1);
  if (!in || status < 0 || status > static_cast<int>(PeerStatus::kLeft)) return {};
  report.status = static_cast<PeerStatus>(status);
  if (!std::getline(in, report.why)) return {};
  Progress progress;
  while (in >> progress.calls >> progress.last) {
    in.ignore(1);
    std::string group;
    if (!std::getline(in, group)) return {};
    report.progress[group] = progress;
  }
  return report;
}

}  // namespace shardopt::distributed
