#include "tensor_sums.h"

#include <cstddef>

#include <ATen/ops/dot.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>

#include "shardopt/distributed/communicator.h"

namespace shardopt::optim {

at::Tensor squared_norms(const std::vector<at::Tensor>& tensors) {
  std::vector<at::Tensor> squares;
  for (const at::Tensor& tensor : tensors) {
    const at::Tensor norm = at::linalg_vector_norm(tensor, 2, at::OptionalIntArrayRef(),
                                                   false, at::kDouble);
    squares.push_back(norm.square());
  }
  return at::stack(squares);
}

at::Tensor inner_products(const std::vector<at::Tensor>& a,
                          const std::vector<at::Tensor>& b) {
  const auto flat = [](const at::Tensor& tensor) {
    return tensor.reshape({-1}).to(at::kDouble);
  };
  std::vector<at::Tensor> products;
  for (std::size_t i = 0; i < a.size(); ++i) {
    products.push_back(at::dot(flat(a[i]), flat(b[i])));
  }
  return at::stack(products);
}

std::vector<double> sum_over_ranks(at::Tensor partial,
                                   distributed::Communicator* ranks) {
  if (ranks != nullptr && ranks->size() > 1) {
    ranks->all_reduce(partial, distributed::ReduceOp::kSum)->wait();
  }
  const at::Tensor host = partial.to(at::kCPU).contiguous();
  const double* values = host.const_data_ptr<double>();
  return {values, values + host.numel()};
}

}  // namespace shardopt::optim
