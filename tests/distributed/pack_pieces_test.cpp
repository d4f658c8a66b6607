// One contract for every way of packing, on the devices that this machine has.
#include "pack_pieces.h"

#include <dlfcn.h>

#include <cmath>
#include <limits>

#include <ATen/ATen.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <gtest/gtest.h>

#include "nccl_backend.h"

namespace shardopt::distributed {
namespace {

enum class Way : uint8_t { kCpu, kCopying, kCuda, kCopyingOnCuda };

constexpr at::ScalarType kDtypes[] = {at::kFloat, at::kBFloat16, at::kHalf};
// One entry, odd, long enough for each way of copying, and over several blocks.
constexpr int64_t kLengths[] = {0, 1, 2, 3, 4, 7, 255, 4095, 4096, 4101, 40'000};

// Why no GPU can be used here, or null. LibTorch's side of CUDA comes with NCCL's.
const char* missing_gpu() {
  if (dlopen("libcuda.so.1", RTLD_NOW) == nullptr) return "this machine has no GPU";
  if (dlopen(kNcclLibrary, RTLD_NOW) == nullptr) return "this build has no CUDA";
  const c10::impl::VirtualGuardImpl cuda(c10::kCUDA);
  return cuda.deviceCount() == 0 ? "this machine has no GPU" : nullptr;
}

class PackPiecesTest : public testing::TestWithParam<Way> {
 protected:
  void SetUp() override {
    if (is_on_gpu()) {
      if (const char* missing = missing_gpu()) GTEST_SKIP() << missing;
    }
    pack_ = make();
    if (!pack_) GTEST_SKIP() << "this build has no kernel: CMake found no nvcc";
  }

  [[nodiscard]] bool is_on_gpu() const {
    return GetParam() == Way::kCuda || GetParam() == Way::kCopyingOnCuda;
  }
  [[nodiscard]] c10::Device device() const {
    return is_on_gpu() ? c10::Device(c10::kCUDA, 0) : c10::Device(c10::kCPU);
  }
  [[nodiscard]] PackPieces make() const {
    if (GetParam() == Way::kCpu) return cpu_packing();
    if (GetParam() == Way::kCuda) return cuda_packing(device());
    return copying_packing(device());
  }

  [[nodiscard]] at::Tensor on_device(const at::Tensor& tensor) const {
    return tensor.to(device());
  }

  PackPieces pack_;
};

char* address(const at::Tensor& tensor, int64_t index) {
  return static_cast<char*>(tensor.mutable_data_ptr()) +
         index * static_cast<int64_t>(tensor.element_size());
}

at::Tensor random(int64_t numel, at::ScalarType dtype) {
  return at::sin(at::arange(numel, at::kFloat) * 1.7).mul(3.0).to(dtype);
}

// Pieces lie apart in the source, shifted by `shift`, and in reverse order in the
// destination, where entries between them must stay as they were.
TEST_P(PackPiecesTest, CopiesEveryPieceWithTheCastAndNothingElse) {
  int64_t total = 8;
  for (const int64_t length : kLengths) total += length + 3;
  for (const auto from : kDtypes) {
    for (const auto to : kDtypes) {
      for (const int64_t shift : {0, 1, 2}) {
        const at::Tensor source = random(total, from);
        const at::Tensor expected = at::full({total}, 7.0, to);
        const at::Tensor source_here = on_device(source);
        const at::Tensor destination = on_device(expected.clone());
        std::vector<PackRun> runs;
        int64_t begin = shift;
        int64_t end = total;
        for (const int64_t length : kLengths) {
          end -= length + 3;
          expected.narrow(0, end, length)
              .copy_(source.narrow(0, begin, length).to(at::kFloat));
          runs.push_back(
              {address(source_here, begin), address(destination, end), length});
          begin += length + 1;
        }

        pack_(runs, from, to);

        EXPECT_TRUE(at::equal(destination.cpu(), expected)) << from << " to " << to;
      }
    }
  }
}

TEST_P(PackPiecesTest, PiecesWithoutSourceAreZeros) {
  for (const auto dtype : kDtypes) {
    for (const int64_t length : kLengths) {
      const at::Tensor destination = on_device(at::ones({length + 2}, dtype));
      const PackRun run{nullptr, address(destination, 1), length};

      pack_({&run, 1}, at::kFloat, dtype);

      at::Tensor expected = at::zeros({length + 2}, dtype);
      expected[0] = expected[length + 1] = 1;
      EXPECT_TRUE(at::equal(destination.cpu(), expected)) << dtype << " " << length;
    }
  }
}

// 1 + 2^-8 lies between two bf16, and so does 1 + 3 * 2^-8: to the even one.
TEST_P(PackPiecesTest, RoundsToNearestEvenAndKeepsWhatIsNotFinite) {
  const float infinity = std::numeric_limits<float>::infinity();
  const at::Tensor source =
      on_device(at::tensor({1.0F + 0x1p-8F, 1.0F + 0x3p-8F, -0.0F, infinity, -infinity,
                            std::numeric_limits<float>::quiet_NaN(), 3.4e38F}));
  const at::Tensor destination = on_device(at::zeros({7}, at::kBFloat16));
  const PackRun run{address(source, 0), address(destination, 0), 7};

  pack_({&run, 1}, at::kFloat, at::kBFloat16);

  const at::Tensor result = destination.cpu().to(at::kFloat);
  const auto* value = result.const_data_ptr<float>();
  EXPECT_EQ(value[0], 1.0F);
  EXPECT_EQ(value[1], 1.0F + 0x4p-8F);
  EXPECT_TRUE(std::signbit(value[2]));
  EXPECT_EQ(value[3], infinity);
  EXPECT_EQ(value[4], -infinity);
  EXPECT_TRUE(std::isnan(value[5]));
  EXPECT_EQ(value[6], infinity);  // beyond the largest bf16
}

TEST_P(PackPiecesTest, TakesManyPiecesAtOnceAndNone) {
  constexpr int64_t kPieces = 3000;
  const at::Tensor source = random(2 * kPieces, at::kFloat);
  const at::Tensor source_here = on_device(source);
  const at::Tensor destination = on_device(at::zeros({2 * kPieces}, at::kBFloat16));
  std::vector<PackRun> runs;
  for (int64_t i = 0; i < kPieces; ++i) {
    runs.push_back(
        {address(source_here, 2 * i), address(destination, 2 * (kPieces - 1 - i)), 2});
  }

  pack_(runs, at::kFloat, at::kBFloat16);
  pack_({}, at::kFloat, at::kBFloat16);

  const at::Tensor expected = source.view({kPieces, 2}).flip(0).to(at::kBFloat16);
  EXPECT_TRUE(at::equal(destination.cpu(), expected.reshape({-1})));
}

TEST_P(PackPiecesTest, RejectsOtherDtypes) {
  EXPECT_THROW(pack_({}, at::kDouble, at::kFloat), c10::Error);
  EXPECT_THROW(pack_({}, at::kFloat, at::kLong), c10::Error);
}

std::string name_of(const testing::TestParamInfo<Way>& info) {
  constexpr const char* kNames[] = {"Cpu", "Copying", "Cuda", "CopyingOnCuda"};
  return kNames[static_cast<int>(info.param)];
}

INSTANTIATE_TEST_SUITE_P(EveryWay, PackPiecesTest,
                         testing::Values(Way::kCpu, Way::kCopying, Way::kCuda,
                                         Way::kCopyingOnCuda),
                         name_of);

TEST(PackingForTest, CpusNeedNoLibraryAndHaveNoKernel) {
  EXPECT_TRUE(packing_for(c10::kCPU));
  EXPECT_FALSE(cuda_packing(c10::kCPU));
}

}  // namespace
}  // namespace shardopt::distributed
