/// What the tests of gradient transforms share.
#pragma once

#include <utility>
#include <vector>

#include "optim/optim_testing.h"
#include "shardopt/distributed/mesh.h"
#include "shardopt/optim/gradient_pipeline.h"

namespace shardopt::optim {

/// Transforms over parameters that lie whole on one rank.
struct Line {
  Line(std::vector<TransformRule> rules, std::vector<Parameter> whole_parameters,
       const LossScale* scale = nullptr, std::set<std::string> overwritten = {})
      : parameters(std::move(whole_parameters)),
        pipeline({parameters, std::move(overwritten), scale}, rules, mesh) {}

  /// Sets the gradients, in the order of the parameters; undefined: none.
  void set(std::vector<at::Tensor> grads) const {
    for (std::size_t i = 0; i < grads.size(); ++i) {
      parameters[i].rows.mutable_grad() =
          grads[i].defined() ? grads[i].clone() : grads[i];
    }
  }

  /// What becomes of the only parameter's gradient in one step.
  at::Tensor pass(const at::Tensor& grad) {
    set({grad});
    EXPECT_TRUE(pipeline.collect());
    pipeline.transform();
    return parameters.front().rows.grad();
  }

  [[nodiscard]] const at::Tensor& grad(std::size_t parameter = 0) const {
    return parameters[parameter].rows.grad();
  }

  distributed::Mesh mesh = distributed::make_single_mesh();
  std::vector<Parameter> parameters;
  GradientPipeline pipeline;
};

inline at::Tensor numbers(const std::vector<double>& values) {
  return at::tensor(values, at::kDouble);
}

/// A vector of as many zeros.
inline Parameter zeros(std::string name, int64_t size) {
  return whole(std::move(name), at::zeros({size}, at::kDouble));
}

inline void expect_equal(const at::Tensor& actual, const at::Tensor& expected) {
  EXPECT_TRUE(at::equal(actual, expected)) << "got\n"
                                           << actual << "\nexpected\n"
                                           << expected;
}

/// The same values, texts, parts and bits.
inline void expect_same_state(const StateTree& a, const StateTree& b) {
  EXPECT_EQ(a.kind, b.kind);
  EXPECT_EQ(a.values, b.values);
  ASSERT_EQ(a.tensors.size(), b.tensors.size());
  for (const auto& [name, state] : a.tensors) {
    expect_equal(state.tensor, b.tensors.at(name).tensor);
  }
  ASSERT_EQ(a.children.size(), b.children.size());
  for (const auto& [name, child] : a.children) {
    expect_same_state(child, b.children.at(name));
  }
}

}  // namespace shardopt::optim
