#include "shardopt/optim/adamw.h"

#include <map>
#include <utility>

#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/scalar_tensor.h>

namespace shardopt::optim {
namespace {

constexpr char kFirstMoment[] = "exp_avg";      // m
constexpr char kSecondMoment[] = "exp_avg_sq";  // v

// The kernel's form of step counts: an fp32 scalar for each; equal ones are shared.
std::vector<at::Tensor> as_tensors(const std::vector<int64_t>& steps,
                                   const at::Device& device) {
  std::map<int64_t, at::Tensor> by_count;
  std::vector<at::Tensor> result;
  for (const int64_t count : steps) {
    at::Tensor& shared = by_count[count];
    if (!shared.defined()) {
      shared = at::scalar_tensor(count, at::TensorOptions(at::kFloat).device(device));
    }
    result.push_back(shared);
  }
  return result;
}

}  // namespace

AdamW::AdamW(std::vector<ParamGroup<AdamWOptions>> groups)
    : GroupedOptimizer("adamw", std::move(groups), {kFirstMoment, kSecondMoment}) {}

void AdamW::update(GroupTensors& tensors, const AdamWOptions& options) const {
  const at::Device device = tensors.rows.front().device();
  at::_fused_adamw_(tensors.rows, tensors.grads, tensors.slots.at(kFirstMoment),
                    tensors.slots.at(kSecondMoment), /*max_exp_avg_sqs=*/{},
                    as_tensors(tensors.steps, device), options.lr, options.beta1,
                    options.beta2, options.weight_decay, options.eps,
                    /*amsgrad=*/false, /*maximize=*/false);
}

}  // namespace shardopt::optim
