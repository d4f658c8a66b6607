#include "allowances.h"

#include <cctype>
#include <optional>

#include "safetensors_dtypes.h"

namespace shardopt::checkpoint {
namespace {

using Cast = std::pair<at::ScalarType, at::ScalarType>;

std::optional<Cast> parse_cast(const std::string& text) {
  std::string upper = text;
  for (char& c : upper) c = static_cast<char>(std::toupper(c));
  const std::size_t colon = upper.find(':');
  if (colon == std::string::npos) return std::nullopt;
  const auto from = dtype_named(upper.substr(0, colon));
  const auto to = dtype_named(upper.substr(colon + 1));
  if (!from.has_value() || !to.has_value()) return std::nullopt;
  return Cast(*from, *to);
}

// Both spellings are tried, so that both kinds of pattern count as used.
bool match(Patterns& patterns, const std::string& name) {
  const bool is_match = patterns.match(name);
  if (!name.ends_with('/')) return is_match;
  return patterns.match(name.substr(0, name.size() - 1)) || is_match;
}

}  // namespace

Allowances::Allowances(const LoadOptions& options)
    : may_miss_(options.allow_missing), ignored_(options.ignore) {
  for (const std::string& text : options.cast) {
    if (const auto cast = parse_cast(text)) {
      casts_.insert(*cast);
    } else {
      problems_.push_back("cast '" + text + "': allowed: FROM:TO, each one of " +
                          dtype_names());
    }
  }
}

bool Allowances::may_miss(const std::string& name) { return match(may_miss_, name); }

bool Allowances::is_ignored(const std::string& name) { return match(ignored_, name); }

bool Allowances::may_cast(at::ScalarType from, at::ScalarType to) const {
  return casts_.contains({from, to});
}

std::vector<std::string> Allowances::problems() const {
  std::vector<std::string> result = problems_;
  for (const Patterns* patterns : {&may_miss_, &ignored_}) {
    for (const std::string& pattern : patterns->unused()) {
      result.push_back("pattern '" + pattern + "': matches nothing");
    }
  }
  return result;
}

}  // namespace shardopt::checkpoint
