#include "shardopt/optim/gradient_norm.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>

#include "shardopt/distributed/communicator.h"
#include "tensor_sums.h"

namespace shardopt::optim {
namespace {

constexpr double kTorchEps = 1e-6;  // torch.nn.utils.clip_grad_norm_'s

std::vector<at::Tensor> gradients(std::span<const Parameter> parameters) {
  std::vector<at::Tensor> result;
  for (const Parameter& parameter : parameters) {
    const at::Tensor& grad = parameter.rows.grad();
    if (grad.defined()) result.push_back(grad);
  }
  return result;
}

// On the device of the parameters, so that a reduction finds it there.  // []
at::Tensor squared_norm(std::span<const Parameter> parameters) {
  const std::vector<at::Tensor> grads = gradients(parameters);
  if (!grads.empty()) return squared_norms(grads).sum();
  const at::Device device =
      parameters.empty() ? at::Device(at::kCPU) : parameters.front().rows.device();
  return at::zeros({}, at::TensorOptions(at::kDouble).device(device));
}

}  // namespace

double local_squared_norm(std::span<const Parameter> parameters) {
  const at::NoGradGuard no_grad;
  return squared_norm(parameters).item<double>();
}

void scale_gradients(std::span<const Parameter> parameters, double factor) {
  const at::NoGradGuard no_grad;
  const std::vector<at::Tensor> grads = gradients(parameters);
  if (!grads.empty()) at::_foreach_mul_(grads, factor);
}

double clip_factor(double norm, double max_norm) {
  TORCH_CHECK(max_norm > 0.0, "max_norm must be > 0, got ", max_norm);
  if (!std::isfinite(norm)) return 1.0;
  return std::min(1.0, max_norm / (norm + kTorchEps));
}

double clip_global_norm(std::span<const Parameter> parameters, double max_norm,
                        distributed::Communicator& communicator) {
  const at::NoGradGuard no_grad;
  at::Tensor square = squared_norm(parameters);
  communicator.all_reduce(square, distributed::ReduceOp::kSum)->wait();
  const double norm = std::sqrt(square.item<double>());
  const double factor = clip_factor(norm, max_norm);
  if (factor < 1.0) scale_gradients(parameters, factor);
  return norm;
}

}  // namespace shardopt::optim
