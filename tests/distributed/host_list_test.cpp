#include "host_list.h"

#include <gtest/gtest.h>

#include <utility>

#include "shardopt/core/error.h"

namespace shardopt::distributed {
namespace {

TEST(HostListTest, FirstHostIsWrittenOut) {
  for (const auto& [list, host] :
       {std::pair("gpu5", "gpu5"), std::pair("gpu5,node[01-03]", "gpu5"),
        std::pair("node[01-03,07],gpu5", "node01"), std::pair("node[8]", "node8"),
        std::pair("node[009,010-100]", "node009"), std::pair("n[1-2]-ib", "n1-ib"),
        std::pair("n[1-2]-ib,a", "n1-ib"), std::pair("r[2-3]n[8,9]", "r2n8"),
        std::pair("r[2-3]n[8,9]s.example.org", "r2n8s.example.org"),
        std::pair("[10-12]", "10"), std::pair("10.0.0.[4-7]", "10.0.0.4")}) {
    EXPECT_EQ(first_host("HOSTS", list), host) << list;
  }
}

TEST(HostListTest, ListThatIsNoneIsNamedError) {
  for (const char* list : {"", ",a", "node[", "node[1-3", "node]", "node[]", "node[a]",
                           "node[1;2]", "node[-3]", "r[1]n[,2]", "node[1[2]]"}) {
    try {
      (void)first_host("HOSTS", list);
      ADD_FAILURE() << list << " was taken";
    } catch (const ConfigError& error) {
      EXPECT_EQ(error.what_without_backtrace(),
                c10::str("HOSTS is '", list,
                         "'; allowed: hosts, such as node[01-03,07],gpu5"));
    }
  }
}

TEST(HostListTest, CountsTasksOfEachNode) {
  const std::vector<int> expected{2, 2, 2, 1, 16, 16};
  for (std::size_t node = 0; node < expected.size(); ++node) {
    EXPECT_EQ(tasks_on_node("TASKS", "2(x3),1,16(x2)", static_cast<int>(node)),
              expected[node])
        << node;
  }
  EXPECT_EQ(tasks_on_node("TASKS", "4", 0), 4);
  EXPECT_EQ(tasks_on_node("TASKS", "1(x2147483647)", 2147483646), 1);
}

TEST(HostListTest, CountsThatAreNoneAreNamedErrors) {
  // Asked for the third node.
  for (const char* counts :
       {"", "2", "2(x2)", "x", "2,", "2,,2", "2(x3", "2(x)", "(x3)", "2(3)", "0(x3)",
        "2(x-3)", "2 (x3)", "2(x3)1", "99999999999(x3)", "2(x99999999999)"}) {
    try {
      (void)tasks_on_node("TASKS", counts, 2);
      ADD_FAILURE() << counts << " was taken";
    } catch (const ConfigError& error) {
      EXPECT_EQ(error.what_without_backtrace(),
                c10::str("TASKS is '", counts,
                         "'; allowed: tasks of each node, such as 2(x3),1, for at "
                         "least 3 node(s)"));
    }
  }
}

}  // namespace
}  // namespace shardopt::distributed
