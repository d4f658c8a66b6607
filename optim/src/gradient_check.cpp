#include "gradient_check.h"

#include <c10/util/Exception.h>

namespace shardopt::optim {

void check_gradient(const Parameter& parameter) {
  const at::Tensor& rows = parameter.rows;
  const at::Tensor& grad = rows.grad();
  if (!grad.defined()) return;
  TORCH_CHECK(grad.layout() == at::kStrided, "the gradient of '", parameter.name,
              "' is ", grad.layout(), "; only dense ones are taken");
  TORCH_CHECK(grad.sizes() == rows.sizes() &&
                  grad.scalar_type() == rows.scalar_type() &&
                  grad.device() == rows.device(),
              "the gradient of '", parameter.name, "' is ", grad.scalar_type(),
              grad.sizes(), " on ", grad.device(), ", its rows ", rows.scalar_type(),
              rows.sizes(), " on ", rows.device());
}

}  // namespace shardopt::optim
