#include "text_data.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "shardopt/core/error.h"
#include "support/scratch_dir.h"
#include "tools/python.h"

namespace shardopt::train {
namespace {

namespace fs = std::filesystem;

// Byte i of the text is i.
std::vector<uint8_t> counting_text(std::size_t size) {
  std::vector<uint8_t> text(size);
  std::iota(text.begin(), text.end(), uint8_t{0});
  return text;
}

class TextDataTest : public testing::Test {
 protected:
  fs::path path() const { return scratch_.path() / "text"; }
  void write(const std::vector<uint8_t>& text) const {
    std::ofstream(path(), std::ios::binary)
        .write(reinterpret_cast<const char*>(text.data()),
               static_cast<std::streamsize>(text.size()));
  }
  static std::string failure(const TextOptions& options) {
    try {
      const TextData data(options);
    } catch (const c10::Error& error) {
      return error.what_without_backtrace();
    }
    return "no failure";
  }

 private:
  const test::ScratchDir scratch_;
};

// splitmix64's first output from state 0, e220a8397b1dcdaf, is 0.883310 of 2^64: of
// 1000 starts, number 883.
TEST(TextSamplesTest, ShuffledStartsAreSplitmix64ScaledToTheStarts) {
  const auto text = counting_text(1004);
  const TextSamples samples(text, 4, SampleOrder::kShuffled, 0);
  EXPECT_EQ(samples.start(0), 883);
}

// 11 bytes, context 3: floor(10 / 3) = 3 samples, at 0, 3 and 6 (bytes 6..9), then
// again.
TEST(TextSamplesTest, SequentialSamplesShareOneByteAndBeginAgain) {
  const auto text = counting_text(11);
  const TextSamples samples(text, 3, SampleOrder::kSequential, 1);

  const at::Tensor batch = samples.batch(1, 4);

  EXPECT_EQ(samples.whole_samples(), 3);
  EXPECT_TRUE(at::equal(
      batch, at::tensor({3, 4, 5, 6, 6, 7, 8, 9, 0, 1, 2, 3, 3, 4, 5, 6}, at::kLong)
                 .view({4, 4})));
}

TEST(TextSamplesTest, SequentialCoversTheTextToItsLastWholeSample) {
  const auto text = counting_text(10);
  const TextSamples samples(text, 3, SampleOrder::kSequential, 1);
  EXPECT_EQ(samples.start(2), 6);  // Its last target is byte 9, the text's last.
  EXPECT_EQ(samples.start(3), 0);
}

TEST(TextSamplesTest, ASampleDoesNotDependOnItsBatch) {
  const auto text = counting_text(200);
  const TextSamples samples(text, 8, SampleOrder::kShuffled, 5);
  const at::Tensor whole = samples.batch(0, 12);
  for (const int64_t ranks : {2, 3, 4}) {
    std::vector<at::Tensor> pieces;
    for (int64_t rank = 0; rank < ranks; ++rank) {
      pieces.push_back(samples.batch(rank * 12 / ranks, 12 / ranks));
    }
    EXPECT_TRUE(at::equal(at::cat(pieces), whole)) << ranks;
  }
}

// 40 starts, 40,000 samples: 1,000 each, standard deviation 31; 200 is more than six.
TEST(TextSamplesTest, ShuffledStartsAreUniformOverAllThatFit) {
  const auto text = counting_text(48);
  const TextSamples samples(text, 8, SampleOrder::kShuffled, 3);
  std::vector<int64_t> hits(40);
  for (int64_t i = 0; i < 40'000; ++i)
    ++hits.at(static_cast<std::size_t>(samples.start(i)));
  for (const int64_t count : hits)
    EXPECT_NEAR(static_cast<double>(count), 1000.0, 200.0);
}

// Neighbours are independent: of 10,000 pairs, sum of products of centred starts.
TEST(TextSamplesTest, NeighbouringStartsAndSeedsAreUncorrelated) {
  const auto text = counting_text(1009);
  const TextSamples samples(text, 8, SampleOrder::kShuffled, 3);
  const TextSamples next_seed(text, 8, SampleOrder::kShuffled, 4);
  double same_seed = 0.0;
  double two_seeds = 0.0;
  for (int64_t i = 0; i < 10'000; ++i) {
    const double centred = static_cast<double>(samples.start(i)) - 500.0;
    same_seed += centred * (static_cast<double>(samples.start(i + 1)) - 500.0);
    two_seeds += centred * (static_cast<double>(next_seed.start(i)) - 500.0);
  }
  const double variance = 1001.0 * 1001.0 / 12.0;
  EXPECT_LT(std::abs(same_seed) / variance / 10'000.0, 0.05);  // Five deviations.
  EXPECT_LT(std::abs(two_seeds) / variance / 10'000.0, 0.05);
}

TEST(TextSamplesTest, AnotherSeedGivesAnotherOrder) {
  const auto text = counting_text(250);
  const TextSamples one(text, 8, SampleOrder::kShuffled, 1);
  const TextSamples two(text, 8, SampleOrder::kShuffled, 2);
  EXPECT_FALSE(at::equal(one.batch(0, 8), two.batch(0, 8)));
}

TEST(TextSamplesTest, OneStartIsEnough) {
  const auto text = counting_text(5);
  for (const auto order : {SampleOrder::kShuffled, SampleOrder::kSequential}) {
    const TextSamples samples(text, 4, order, 1);
    EXPECT_EQ(samples.start(0), 0);
    EXPECT_EQ(samples.start(99), 0);
  }
}

TEST(TextSamplesTest, GivesAnEmptyBatch) {
  const auto text = counting_text(9);
  const TextSamples samples(text, 4, SampleOrder::kShuffled, 1);
  EXPECT_EQ(samples.batch(3, 0).sizes(), at::IntArrayRef({0, 5}));
}

TEST(TextSamplesTest, RefusesBrokenPreconditions) {
  const auto text = counting_text(4);
  EXPECT_THROW(TextSamples(text, 4, SampleOrder::kShuffled, 1), c10::Error);
  EXPECT_THROW(TextSamples(text, 0, SampleOrder::kShuffled, 1), c10::Error);
  const TextSamples samples(text, 3, SampleOrder::kShuffled, 1);
  EXPECT_THROW(static_cast<void>(samples.start(-1)), c10::Error);
  EXPECT_THROW(static_cast<void>(samples.batch(0, -1)), c10::Error);
}

// 100 bytes, a quarter for validation: bytes 75 to 99, in order, at 75, 79, ...
TEST_F(TextDataTest, KeepsTheLastPartForValidationInOrder) {
  write(counting_text(100));
  const TextData data({.path = path(), .context = 4, .validation_fraction = 0.25});

  ASSERT_TRUE(data.validation().has_value());
  EXPECT_EQ(data.validation()->batch(0, 2)[1][0].item<int64_t>(), 79);
  EXPECT_LT(data.training().batch(0, 1000).max().item<int64_t>(), 75);
  EXPECT_EQ(data.size_bytes(), 100);
}

TEST_F(TextDataTest, HasNoValidationPartIfTheFractionIsZero) {
  write(counting_text(100));
  const TextData data({.path = path(), .context = 4, .validation_fraction = 0.0});
  EXPECT_FALSE(data.validation().has_value());
  EXPECT_EQ(data.training().batch(0, 2000).max().item<int64_t>(), 99);
}

TEST_F(TextDataTest, RefusesAPartShorterThanASample) {
  write(counting_text(100));
  TextOptions options{.path = path(), .context = 10, .validation_fraction = 0.1};
  EXPECT_EQ(failure(options),
            "data.path: " + path().string() +
                ": its validation part (data.validation_fraction 0.1) has 10 bytes; "
                "model.context 10 needs 11 at least");
  options.context = 95;
  EXPECT_EQ(failure(options),
            "data.path: " + path().string() +
                ": its training part (data.validation_fraction 0.1) has 90 bytes; "
                "model.context 95 needs 96 at least");
  options.context = 9;
  EXPECT_EQ(failure(options), "no failure");
}

TEST_F(TextDataTest, RefusesAFractionOutOfRange) {
  write(counting_text(100));
  for (const double fraction : {-0.1, 1.0, std::nan("")}) {
    EXPECT_TRUE(failure({.path = path(), .context = 4, .validation_fraction = fraction})
                    .starts_with("validation_fraction is "));
  }
}

// CRC32C of "123456789", by RFC 3720 and others.
TEST_F(TextDataTest, ChecksumIsCrc32cOfTheWholeText) {
  std::ofstream(path()) << "123456789";
  const TextData data({.path = path(), .context = 1, .validation_fraction = 0.3});
  EXPECT_EQ(data.checksum(), 0xe3069283U);
}

// Another program follows our batches: the reference in Python gives the same starts.
TEST_F(TextDataTest, AgreesWithThePythonReference) {
  write(counting_text(1000));
  for (const auto order : {SampleOrder::kShuffled, SampleOrder::kSequential}) {
    const TextData data({.path = path(), .context = 16, .order = order, .seed = 12345});
    std::ostringstream expected;
    for (const int64_t sample : {0, 1, 2, 3, 1'000'000'007}) {
      expected << data.training().start(sample) << "\n";
    }
    const std::string name =
        order == SampleOrder::kShuffled ? "shuffled" : "sequential";
    EXPECT_EQ(
        test::output_of(c10::str("'", SHARDOPT_PYTHON, "' '", SHARDOPT_REFERENCE_DIR,
                                 "/gpt_data.py' '", path().string(), "' ", name,
                                 " --context 16 --validation-fraction 0.1 --seed 12345"
                                 " 0 1 2 3 1000000007")),
        expected.str());
  }
}

}  // namespace
}  // namespace shardopt::train
