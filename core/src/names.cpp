#include "shardopt/core/names.h"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace shardopt {

int edit_distance(std::string_view a, std::string_view b) {
  const std::size_t columns = b.size() + 1;
  std::vector<int> distance((a.size() + 1) * columns);
  const auto at = [&](std::size_t i, std::size_t j) -> int& {
    return distance[i * columns + j];
  };
  for (std::size_t i = 0; i <= a.size(); ++i) at(i, 0) = static_cast<int>(i);
  for (std::size_t j = 0; j <= b.size(); ++j) at(0, j) = static_cast<int>(j);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const int substitution = at(i - 1, j - 1) + (a[i - 1] == b[j - 1] ? 0 : 1);
      at(i, j) = std::min({at(i - 1, j) + 1, at(i, j - 1) + 1, substitution});
      const bool swapped =
          i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) at(i, j) = std::min(at(i, j), at(i - 2, j - 2) + 1);
    }
  }
  return at(a.size(), b.size());
}

std::string did_you_mean(std::string_view name, std::span<const std::string> known) {
  const auto distance_to = [&](const std::string& candidate) {
    return edit_distance(name, candidate);
  };
  const auto nearest = std::ranges::min_element(known, {}, distance_to);
  if (nearest == known.end()) return "";
  const int allowed = std::max(1, static_cast<int>(name.size()) / 3);
  if (distance_to(*nearest) > allowed) return "";
  return "; did you mean '" + *nearest + "'?";
}

}  // namespace shardopt
