/// Text cut into samples, each a function of its number alone.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

namespace shardopt::train {

enum class SampleOrder : uint8_t {
  kShuffled,   ///< Sample i begins at byte floor(mix(seed, i) / 2^64 * starts).
  kSequential  ///< Sample i begins where sample i - 1 had its last target.
};

/// The samples of a stretch of text, `context` + 1 bytes each: inputs are all but the
/// last, targets all but the first. There is no last sample: order kSequential begins
/// again once no whole sample is left, kShuffled draws from all starts for ever.
///
/// Thread safety: const functions may run concurrently.
class TextSamples {
 public:
  /// `text`, which outlives this, must have more than `context` >= 1 bytes.
  TextSamples(std::span<const uint8_t> text, int64_t context, SampleOrder order,
              uint64_t seed);

  /// Where sample `sample` >= 0 begins in the text.
  [[nodiscard]] int64_t start(int64_t sample) const;

  /// Samples `first_sample` and the `count` - 1 after it: [count, context + 1], int64.
  [[nodiscard]] at::Tensor batch(int64_t first_sample, int64_t count) const;

  [[nodiscard]] int64_t size_bytes() const noexcept {
    return static_cast<int64_t>(text_.size());
  }

  /// Samples that kSequential has before it begins again.
  [[nodiscard]] int64_t whole_samples() const noexcept;

 private:
  std::span<const uint8_t> text_;
  int64_t context_;
  SampleOrder order_;
  uint64_t seed_;
};

struct TextOptions {
  std::filesystem::path path{};      ///< A file or a folder.
  int64_t context = 128;             ///< Inputs per sample, >= 1.
  double validation_fraction = 0.1;  ///< Of the text, its last part. [0, 1)
  SampleOrder order = SampleOrder::kShuffled;
  uint64_t seed = 1;
};

/// A text in memory and its two parts. Every rank reads the same text.
class TextData {
 public:
  /// Throws ConfigError as read_text does, and if a part is shorter than a sample.
  explicit TextData(const TextOptions& options);
  TextData(const TextData&) = delete;
  TextData& operator=(const TextData&) = delete;

  [[nodiscard]] const TextSamples& training() const noexcept { return *training_; }

  /// In order, whatever the training part's order; nullopt if validation_fraction is 0.
  [[nodiscard]] const std::optional<TextSamples>& validation() const noexcept {
    return validation_;
  }

  [[nodiscard]] int64_t size_bytes() const noexcept;

  /// CRC32C of the text: ranks that read different texts differ in it.
  [[nodiscard]] uint32_t checksum() const noexcept;

 private:
  std::vector<uint8_t> text_;
  std::optional<TextSamples> training_;
  std::optional<TextSamples> validation_;
};

}  // namespace shardopt::train
