#include "text_data.h"

#include <algorithm>
#include <cmath>

#include <ATen/ops/empty.h>

#include "shardopt/core/crc32c.h"
#include "shardopt/core/error.h"
#include "shardopt/core/random.h"
#include "text_files.h"

namespace shardopt::train {
namespace {

// floor(hash / 2^64 * count). Its bias, below count / 2^64, is nothing for a text.
int64_t scale_to(uint64_t hash, int64_t count) {
  __extension__ using Product = unsigned __int128;
  return static_cast<int64_t>(Product{hash} * static_cast<uint64_t>(count) >> 64);
}

void check_part(const TextOptions& options, const char* part, std::size_t size_bytes) {
  if (static_cast<int64_t>(size_bytes) > options.context) return;
  SHARDOPT_THROW(ConfigError, "data.path: ", options.path.string(), ": its ", part,
                 " part (data.validation_fraction ", options.validation_fraction,
                 ") has ", size_bytes, " bytes; model.context ", options.context,
                 " needs ", options.context + 1, " at least");
}

}  // namespace

TextSamples::TextSamples(std::span<const uint8_t> text, int64_t context,
                         SampleOrder order, uint64_t seed)
    : text_(text), context_(context), order_(order), seed_(seed) {
  TORCH_CHECK(context >= 1, "context is ", context, "; allowed: >= 1");
  TORCH_CHECK(static_cast<int64_t>(text.size()) > context, "a text of ", text.size(),
              " bytes has no sample of ", context + 1);
}

int64_t TextSamples::whole_samples() const noexcept {
  return (static_cast<int64_t>(text_.size()) - 1) / context_;
}

int64_t TextSamples::start(int64_t sample) const {
  TORCH_CHECK(sample >= 0, "sample is ", sample, "; allowed: >= 0");
  if (order_ == SampleOrder::kSequential) return sample % whole_samples() * context_;
  return scale_to(mix(seed_, static_cast<uint64_t>(sample)),
                  static_cast<int64_t>(text_.size()) - context_);
}

at::Tensor TextSamples::batch(int64_t first_sample, int64_t count) const {
  TORCH_CHECK(count >= 0, "count is ", count, "; allowed: >= 0");
  at::Tensor samples = at::empty({count, context_ + 1}, at::kLong);
  auto* out = samples.mutable_data_ptr<int64_t>();
  for (int64_t i = 0; i < count; ++i) {
    const auto* bytes = text_.data() + start(first_sample + i);
    out = std::copy(bytes, bytes + context_ + 1, out);
  }
  return samples;
}

TextData::TextData(const TextOptions& options) : text_(read_text(options.path)) {
  TORCH_CHECK(options.validation_fraction >= 0.0 && options.validation_fraction < 1.0,
              "validation_fraction is ", options.validation_fraction,
              "; allowed: [0, 1)");
  const auto size = static_cast<double>(text_.size());
  const auto validation_bytes =
      static_cast<std::size_t>(std::floor(size * options.validation_fraction));
  const std::size_t training_bytes = text_.size() - validation_bytes;
  const std::span<const uint8_t> text(text_);
  check_part(options, "training", training_bytes);
  training_.emplace(text.first(training_bytes), options.context, options.order,
                    options.seed);
  if (options.validation_fraction == 0.0) return;
  check_part(options, "validation", validation_bytes);
  validation_.emplace(text.last(validation_bytes), options.context,
                      SampleOrder::kSequential, options.seed);
}

int64_t TextData::size_bytes() const noexcept {
  return static_cast<int64_t>(text_.size());
}

uint32_t TextData::checksum() const noexcept {
  return crc32c(text_.data(), text_.size());
}

}  // namespace shardopt::train
