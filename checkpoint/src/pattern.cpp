#include "pattern.h"

#include <utility>

namespace shardopt::checkpoint {

// Goes back to the last `*`, which then takes one character more.
bool matches(std::string_view pattern, std::string_view name) {
  std::size_t at = 0;
  std::size_t star = std::string_view::npos;
  std::size_t after_star = 0;
  for (std::size_t i = 0; i < name.size();) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = at++;
      after_star = i;
    } else if (at < pattern.size() && (pattern[at] == '?' || pattern[at] == name[i])) {
      ++at;
      ++i;
    } else if (star != std::string_view::npos) {
      at = star + 1;
      i = ++after_star;
    } else {
      return false;
    }
  }
  while (at < pattern.size() && pattern[at] == '*') ++at;
  return at == pattern.size();
}

Patterns::Patterns(std::vector<std::string> patterns)
    : patterns_(std::move(patterns)), is_used_(patterns_.size(), false) {}

bool Patterns::match(std::string_view name) {
  bool is_match = false;
  for (std::size_t i = 0; i < patterns_.size(); ++i) {
    if (!matches(patterns_[i], name)) continue;
    is_used_[i] = true;
    is_match = true;
  }
  return is_match;
}

std::vector<std::string> Patterns::unused() const {
  std::vector<std::string> result;
  for (std::size_t i = 0; i < patterns_.size(); ++i) {
    if (!is_used_[i]) result.push_back(patterns_[i]);
  }
  return result;
}

}  // namespace shardopt::checkpoint
