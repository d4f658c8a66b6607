#include "console.h"

#include <fcntl.h>
#include <unistd.h>

#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "tools/terminal.h"

namespace shardopt::train {
namespace {

const std::string kClear = "\r\x1b[K";

TEST(ConsoleTest, WritesLinesOnlyIntoALog) {
  const test::Log log;
  Console console(log.descriptor());
  console.live("live");
  console.line("one");
  console.live("live");
  console.line("two");
  EXPECT_FALSE(console.is_terminal());
  EXPECT_EQ(log.written(), "one\ntwo\n");
}

TEST(ConsoleTest, WritesTheLiveLineOverOnATerminal) {
  const test::Terminal terminal(80);
  Console console(terminal.descriptor());
  console.live("first");
  console.live("2nd");
  EXPECT_TRUE(console.is_terminal());
  EXPECT_EQ(terminal.written(), kClear + "first" + kClear + "2nd");
}

TEST(ConsoleTest, ClearsTheLiveLineBeforeALineThatStays) {
  const test::Terminal terminal(80);
  Console console(terminal.descriptor());
  console.live("live");
  console.line("stays");
  console.line("too");
  EXPECT_EQ(terminal.written(), kClear + "live" + kClear + "stays\r\ntoo\r\n");
}

TEST(ConsoleTest, TakesTheLiveLineAwayForWhatOthersWrite) {
  const test::Terminal terminal(80);
  Console console(terminal.descriptor());
  console.clear();
  console.live("live");
  console.clear();
  console.line("stays");
  EXPECT_EQ(terminal.written(), kClear + "live" + kClear + "stays\r\n");
}

TEST(ConsoleTest, CutsTheLiveLineToTheWidthOfTheMoment) {
  const test::Terminal terminal(10);
  Console console(terminal.descriptor());
  console.live("0123456789abcdef");
  EXPECT_EQ(terminal.written(), kClear + "012345678");
  terminal.resize(5);
  console.live("0123456789abcdef");
  EXPECT_EQ(terminal.written(), kClear + "0123");
  terminal.resize(200);
  console.live("0123456789abcdef");
  EXPECT_EQ(terminal.written(), kClear + "0123456789abcdef");
}

TEST(ConsoleTest, TakesEightyColumnsForATerminalThatDoesNotSay) {
  const test::Terminal terminal(0);
  Console console(terminal.descriptor());
  console.live(std::string(100, 'x'));
  EXPECT_EQ(terminal.written(), kClear + std::string(79, 'x'));
}

TEST(ConsoleTest, EndsWithTheCursorOnAFreshLine) {
  const test::Terminal terminal(80);
  std::optional<Console> console(std::in_place, terminal.descriptor());
  console->live("live");
  console.reset();
  EXPECT_EQ(terminal.written(), kClear + "live\r\n");
}

TEST(ConsoleTest, TreatsADumbTerminalAsALog) {
  const test::Terminal terminal(80, "dumb");
  Console console(terminal.descriptor());
  console.live("live");
  console.line("line");
  EXPECT_EQ(terminal.written(), "line\r\n");
}

TEST(ConsoleTest, GoesOnWhenNothingCanBeWritten) {
  const int full = open("/dev/full", O_WRONLY);
  ASSERT_GE(full, 0);
  Console console(full);
  EXPECT_NO_THROW(console.line("lost"));
  close(full);
}

}  // namespace
}  // namespace shardopt::train
