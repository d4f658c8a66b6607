/// What a user allows to differ between a checkpoint and the objects.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include <c10/core/ScalarType.h>

#include "pattern.h"
#include "shardopt/checkpoint/load.h"

namespace shardopt::checkpoint {

/// The patterns and casts of LoadOptions, and which patterns have matched anything.
///
/// Names are as reports show them; that of a part is given with a "/" at its end, and
/// is matched by "optimizer/*" as by "optimizer".
class Allowances {
 public:
  explicit Allowances(const LoadOptions& options);

  [[nodiscard]] bool may_miss(const std::string& name);
  [[nodiscard]] bool is_ignored(const std::string& name);
  [[nodiscard]] bool may_cast(at::ScalarType from, at::ScalarType to) const;

  /// Casts that are none, and patterns that have matched nothing so far.
  [[nodiscard]] std::vector<std::string> problems() const;

 private:
  Patterns may_miss_;
  Patterns ignored_;
  std::set<std::pair<at::ScalarType, at::ScalarType>> casts_;  // from, to
  std::vector<std::string> problems_;
};

}  // namespace shardopt::checkpoint
