#include "reduction_pipeline.h"

#include <utility>

namespace shardopt::distributed {

void ReductionPipeline::start(UnitGradients& unit) {
  advance();
  unit.start_reduction();
  first_ = &unit;
  if (!is_overlapped_) finish();
}

void ReductionPipeline::finish() {
  advance();
  advance();
}

void ReductionPipeline::advance() {
  if (first_ != nullptr) first_->start_second_sum();
  if (second_ != nullptr) second_->finish_reduction();
  second_ = std::exchange(first_, nullptr);
}

}  // namespace shardopt::distributed
