/// Names that users mean by a pattern.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace shardopt::checkpoint {

/// Whether `name` is `pattern`, in which `*` stands for any characters (also none, also
/// "/") and `?` for one.
[[nodiscard]] bool matches(std::string_view pattern, std::string_view name);

/// Patterns, and which of them have matched anything.
class Patterns {
 public:
  explicit Patterns(std::vector<std::string> patterns);

  [[nodiscard]] bool match(std::string_view name);
  /// Those that have matched nothing so far.
  [[nodiscard]] std::vector<std::string> unused() const;

 private:
  std::vector<std::string> patterns_;
  std::vector<bool> is_used_;
};

}  // namespace shardopt::checkpoint
