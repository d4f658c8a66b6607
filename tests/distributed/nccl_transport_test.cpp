#include <dlfcn.h>

#include <array>
#include <utility>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/distributed/c10d/HashStore.hpp>

#include "c10d_backend.h"
#include "c10d_transport.h"
#include "nccl_backend.h"

namespace shardopt::distributed {
namespace {

const c10::Device kFirstGpu(c10::kCUDA, 0);

// NCCL takes one rank per GPU, so that one GPU makes a group of one: a communicator
// would not send anything there, but a transport does. What more ranks mean is proven
// over Gloo and MPI through the same interface.
class NcclTransportTest : public testing::Test {
 protected:
  void SetUp() override {
    if (dlopen(kNcclLibrary, RTLD_NOW | RTLD_LOCAL) == nullptr) {
      GTEST_SKIP() << "this build has no NCCL: " << dlerror();
    }
    if (!at::hasCUDA()) GTEST_SKIP() << "this machine has no GPU";
    const C10dOptions options{.rank = 0, .size = 1, .device = kFirstGpu};
    const auto store = c10::make_intrusive<::c10d::HashStore>();
    transport_ =
        make_c10d_transport(make_backend(store, "gpu", options, {}), options.device);
  }

  std::unique_ptr<Transport> transport_;
  at::TensorOptions on_gpu_ = at::TensorOptions().device(kFirstGpu);
};

TEST_F(NcclTransportTest, WaitsAreStreamOrdered) {
  EXPECT_TRUE(transport_->is_stream_ordered());
}

// The sum is read by a kernel behind it on the current stream, without a wait of ours.
TEST_F(NcclTransportTest, WhatFollowsAWaitSeesTheResult) {
  at::Tensor tensor = at::full({1 << 24}, 3.0, on_gpu_);
  for (int call = 0; call < 20; ++call) {
    tensor.add_(1.0);
    EXPECT_TRUE(transport_->all_reduce(tensor, ReduceOp::kSum)->wait_for({}));
  }
  EXPECT_TRUE(tensor.eq(23.0).all().item<bool>());
}

TEST_F(NcclTransportTest, MovesBytesOfEveryKind) {
  at::Tensor bytes = at::arange(100, on_gpu_.dtype(at::kByte));
  EXPECT_TRUE(transport_->broadcast(bytes, 0)->wait_for({}));
  at::Tensor received = at::zeros_like(bytes);
  const std::array<int64_t, 1> counts{100};
  EXPECT_TRUE(transport_->all_to_all(bytes, counts, received, counts)->wait_for({}));
  EXPECT_TRUE(transport_->barrier()->wait_for({}));
  EXPECT_TRUE(at::equal(received, bytes));
}

// Beside a control group on Gloo in the same process.
TEST_F(NcclTransportTest, LivesBesideGloo) {
  const auto store = c10::make_intrusive<::c10d::HashStore>();
  const auto gloo = make_c10d_transport(
      make_backend(store, "control", {.rank = 0, .size = 1}, {}), c10::kCPU);
  at::Tensor on_cpu = at::ones({4});
  at::Tensor on_gpu = at::ones({4}, on_gpu_);
  EXPECT_TRUE(
      gloo->all_reduce(on_cpu, ReduceOp::kMax)->wait_for(std::chrono::seconds(10)));
  EXPECT_TRUE(transport_->all_reduce(on_gpu, ReduceOp::kMax)->wait_for({}));
  EXPECT_TRUE(at::equal(on_cpu, on_gpu.cpu()));
}

}  // namespace
}  // namespace shardopt::distributed
