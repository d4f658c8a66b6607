/// What the names of parameters say.
#pragma once

#include <optional>
#include <regex>
#include <string>
#include <string_view>

#include "shardopt/core/parameter.h"

namespace shardopt::optim {

/// "bias" is in the name, in any case.
[[nodiscard]] bool has_bias_name(const Parameter& parameter);

/// By role, or "embedding" is in the name, in any case.
[[nodiscard]] bool is_embedding(const Parameter& parameter);

/// Throws ConfigError, as "`field` '(' is not a regular expression: ...", if `pattern`
/// does not compile.
[[nodiscard]] std::regex compile_pattern(std::string_view field,
                                         const std::string& pattern);

/// A regular expression over full names that is to find something; empty: none.
class NamePattern {
 public:
  /// Throws ConfigError as compile_pattern does.
  NamePattern(std::string field, std::string pattern);

  /// Counts what it finds.
  [[nodiscard]] bool finds(const Parameter& parameter);

  [[nodiscard]] bool has_found() const noexcept { return has_found_; }
  /// It is not empty, was asked at least once, and has found nothing.
  [[nodiscard]] bool is_idle() const noexcept;

  /// Throws ConfigError: it matches no parameter.
  [[noreturn]] void fail_as_idle() const;

 private:
  std::string field_;
  std::string pattern_;
  std::optional<std::regex> regex_;
  bool was_asked_ = false;
  bool has_found_ = false;
};

}  // namespace shardopt::optim
