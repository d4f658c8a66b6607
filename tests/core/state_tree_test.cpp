#include "shardopt/core/state_tree.h"

#include <gtest/gtest.h>

#include "shardopt/core/error.h"

namespace shardopt {
namespace {

StateTree sample() {
  StateTree tree{.kind = "adamw", .values = {}, .tensors = {}, .children = {}};
  tree.values["flag"] = true;
  tree.values["count"] = int64_t{-3};
  tree.values["bits"] = uint64_t{1} << 63;
  tree.values["lr"] = 0.1;
  tree.values["name"] = std::string("all");
  tree.values["betas"] = std::vector<double>{0.9, 0.95};
  tree.children["inner"].kind = "lion";
  return tree;
}

template <typename Action>
std::string checkpoint_error(const Action& action) {
  try {
    action();
  } catch (const CheckpointError& error) {
    return error.what_without_backtrace();
  }
  return "no CheckpointError";
}

TEST(StateTreeTest, GivesValuesOfEachType) {
  const StateTree tree = sample();
  EXPECT_EQ(tree.version, 1U);
  EXPECT_TRUE(tree.value<bool>("flag"));
  EXPECT_EQ(tree.value<int64_t>("count"), -3);
  EXPECT_EQ(tree.value<uint64_t>("bits"), uint64_t{1} << 63);
  EXPECT_EQ(tree.value<double>("lr"), 0.1);
  EXPECT_EQ(tree.value<std::string>("name"), "all");
  EXPECT_EQ(tree.value<std::vector<double>>("betas"), (std::vector<double>{0.9, 0.95}));
}

TEST(StateTreeTest, GivesChildren) { EXPECT_EQ(sample().child("inner").kind, "lion"); }

TEST(StateTreeTest, AbsentValueIsErrorThatNamesKindAndKey) {
  EXPECT_EQ(checkpoint_error([] { (void)sample().value<double>("eps"); }),
            "state of 'adamw' has no value 'eps'");
}

TEST(StateTreeTest, ValueOfAnotherTypeIsError) {
  const std::string message = "value 'count' of 'adamw' has another type than expected";
  EXPECT_EQ(checkpoint_error([] { (void)sample().value<double>("count"); }), message);
  EXPECT_EQ(checkpoint_error([] { (void)sample().value<uint64_t>("count"); }), message);
  EXPECT_EQ(checkpoint_error([] { (void)sample().value<bool>("count"); }), message);
}

TEST(StateTreeTest, AbsentChildIsErrorThatNamesKindAndName) {
  EXPECT_EQ(checkpoint_error([] { (void)sample().child("outer"); }),
            "state of 'adamw' has no part 'outer'");
}

}  // namespace
}  // namespace shardopt
