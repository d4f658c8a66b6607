/// What a rank says of itself in the store.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace shardopt::distributed {

enum class PeerStatus : uint8_t { kAlive, kFailed, kLeft };

/// How far a rank has come in a group.
struct Progress {
  int64_t calls = 0;
  std::string last{};  ///< Collective that the last of them was: "all_gather".
  bool operator==(const Progress&) const = default;
};

struct PeerReport {
  int64_t beat = 0;  ///< Grows with each report.
  PeerStatus status = PeerStatus::kAlive;
  std::string why{};                           ///< If failed; one line.
  std::map<std::string, Progress> progress{};  ///< By group.

  [[nodiscard]] Progress progress_in(const std::string& group) const;
};

[[nodiscard]] std::string to_text(const PeerReport& report);

/// Nullopt if `text` is no report.
[[nodiscard]] std::optional<PeerReport> parse_report(std::string_view text);

}  // namespace shardopt::distributed
