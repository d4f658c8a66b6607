/// What the tests of optimizers share.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "shardopt/core/parameter.h"
#include "shardopt/core/state_tree.h"
#include "shardopt/optim/grouped_optimizer.h"

namespace shardopt::optim {

/// A parameter that lies whole on the one rank there is; `rows` are shared.
inline Parameter whole(std::string name, at::Tensor rows,
                       ParameterRole role = ParameterRole::kHidden) {
  const int64_t count = rows.size(0);
  return {std::move(name), std::move(rows), Shard({0, count}, 0), role};
}

/// [rows, cols] of ones, fp64.
inline Parameter ones(std::string name, int64_t rows = 2, int64_t cols = 3) {
  return whole(std::move(name), at::ones({rows, cols}, at::kDouble));
}

/// The one group "all".
template <typename Options>
std::vector<ParamGroup<Options>> group_of(std::vector<Parameter> parameters,
                                          Options options) {
  return {{"all", std::move(parameters), std::move(options)}};
}

/// A copy that shares no tensor, as a checkpoint holds it.
inline StateTree deep_copy(StateTree tree) {
  for (auto& [name, state] : tree.tensors) state.tensor = state.tensor.clone();
  for (auto& [name, child] : tree.children) child = deep_copy(std::move(child));
  return tree;
}

/// Values and tensors, with their parts, to the bit.
inline void expect_same_tensors(const StateTree& a, const StateTree& b) {
  EXPECT_EQ(a.values, b.values);
  ASSERT_EQ(a.tensors.size(), b.tensors.size());
  for (const auto& [name, state] : a.tensors) {
    EXPECT_TRUE(at::equal(state.tensor, b.tensors.at(name).tensor)) << name;
  }
  ASSERT_EQ(a.children.size(), b.children.size());
  for (const auto& [name, child] : a.children) {
    expect_same_tensors(child, b.children.at(name));
  }
}

/// What `action` throws, without backtrace; "" if it throws no such error.
template <typename Error, typename Action>
std::string message_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what_without_backtrace();
  }
  return "";
}

inline void expect_contains(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos)
      << "'" << text << "' lacks '" << part << "'";
}

inline void expect_near(const at::Tensor& actual, const at::Tensor& expected,
                        double tolerance) {
  ASSERT_EQ(actual.sizes(), expected.sizes());
  if (actual.numel() == 0) return;
  EXPECT_LE((actual - expected).abs().max().item<double>(), tolerance)
      << "got\n"
      << actual << "\nexpected\n"
      << expected;
}

}  // namespace shardopt::optim
