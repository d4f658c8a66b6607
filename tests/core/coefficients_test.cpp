#include "shardopt/core/coefficients.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "shardopt/core/error.h"

namespace shardopt {
namespace {

std::string message_of(const auto& call) {
  try {
    call();
  } catch (const ConfigError& error) {
    return error.what_without_backtrace();
  }
  return "no error";
}

std::string parse_message(std::string_view text) {
  return message_of([&] { (void)parse_coefficients(text); });
}

std::string steps_message(std::string_view name, std::optional<int64_t> steps) {
  return message_of([&] { (void)coefficient_steps(name, steps); });
}

double image_of(const std::vector<NewtonSchulzStep>& steps, double s) {
  for (const auto& [a, b, c] : steps) {
    s = a * s + b * std::pow(s, 3) + c * std::pow(s, 5);
  }
  return s;
}

// The least and the greatest image of [least, 1], on points that are dense at both
// ends.
std::pair<double, double> band(const std::vector<NewtonSchulzStep>& steps,
                               double least) {
  constexpr int kPoints = 20000;
  double low = 1e300;
  double high = -1e300;
  for (int i = 0; i <= kPoints; ++i) {
    const double share = static_cast<double>(i) / kPoints;
    for (const double s : {least + share * (1.0 - least), std::pow(least, share)}) {
      const double image = image_of(steps, s);
      low = std::min(low, image);
      high = std::max(high, image);
    }
  }
  return {low, high};
}

TEST(CoefficientsTest, NamesAreUniqueAndRowsAndSourcesThere) {
  std::set<std::string> names;
  for (const CoefficientTable& table : coefficient_tables()) {
    EXPECT_TRUE(names.insert(table.name).second) << table.name;
    EXPECT_FALSE(table.source.empty()) << table.name;
    EXPECT_FALSE(table.rows.empty()) << table.name;
    EXPECT_TRUE(!table.repeats || table.rows.size() == 1) << table.name;
  }
  EXPECT_EQ(coefficient_names().size(), names.size());
}

// Published figures where there are any, else of an independent program.
TEST(CoefficientsTest, EachTableMapsItsIntervalToItsBand) {
  struct Fact {
    const char* name;
    double least;
    double low;
    double high;
    double tolerance = 1e-4;
  };
  for (const Fact& fact : {Fact{"jordan", 1e-2, 0.6818, 1.1344},
                           Fact{"jordan", 1e-3, 0.4705, 1.2024},
                           Fact{"leloykun5", 1e-2, 0.9939, 1.1007},
                           Fact{"you", 1e-2, 0.9778, 1.0318},
                           Fact{"you", 1e-3, 0.4750, 1.1450},
                           Fact{"cesista8", 1e-4, 0.9990, 1.0004},
                           Fact{"cubic5", 1e-2, 0.7741, 1.3000},
                           Fact{"deepseek10", 1e-3, 1.0000, 1.0005},
                           Fact{"polar_express", 1e-3, 1.0, 1.0, 1e-9},
                           Fact{"polar_express_first5", 1e-3, 0.8462, 1.1236},
                           Fact{"polar_express_first6", 1e-3, 0.9944, 1.0012},
                           Fact{"polar_express5", 1e-3, 0.8589, 1.1411},
                           Fact{"gram5", 1e-3, 0.7290, 1.1236},
                           Fact{"cans5", 1e-3, 0.8844, 1.1198},
                           Fact{"turbo4", 1e-2, 0.9409, 1.0500},
                           Fact{"fast4", 1e-2, 0.9826, 1.0174},
                           Fact{"std5", 3e-3, 0.9913, 1.0087},
                           Fact{"acc6", 1e-3, 0.9976, 1.0024},
                           Fact{"acc8", 1e-4, 1.0 - 6.94e-5, 1.0 + 6.94e-5, 1e-7},
                           Fact{"exact13", 1e-6, 1.0, 1.0, 2e-15}}) {
    const auto [low, high] =
        band(coefficient_steps(fact.name, std::nullopt), fact.least);
    EXPECT_NEAR(low, fact.low, fact.tolerance) << fact.name << ", " << fact.least;
    EXPECT_NEAR(high, fact.high, fact.tolerance) << fact.name << ", " << fact.least;
  }
}

// Rounding may raise singular values above 1, by up to the safety.
TEST(CoefficientsTest, SafetyCoversValuesAboveOne) {
  for (const auto& [name, safety, deviation] :
       {std::tuple("fast4", 1.02, 0.0175), std::tuple("std5", 1.02, 0.0088),
        std::tuple("acc6", 1.02, 0.0025), std::tuple("acc8", 1.01, 7e-5),
        std::tuple("exact13", 1.005, 1e-14)}) {
    EXPECT_NEAR(image_of(coefficient_steps(name, std::nullopt), safety), 1.0, deviation)
        << name;
  }
}

TEST(CoefficientsTest, RepeatingTablesConvergeToOneButJordans) {
  EXPECT_NEAR(image_of(coefficient_steps("cubic", 30), 0.01), 1.0, 1e-14);
  EXPECT_NEAR(image_of(coefficient_steps("quintic", 20), 0.01), 1.0, 1e-14);
  EXPECT_NEAR(image_of(coefficient_steps("jordan", 1), 1.0), 0.701, 1e-12);
}

// 0.885^2 is past the zero 0.781 of 4.0098 - 7.0585 x + 2.4635 x^2.
TEST(CoefficientsTest, Aol4TurnsLargeSingularValuesRound) {
  const auto steps = coefficient_steps("aol4", std::nullopt);
  EXPECT_GT(image_of(steps, 0.86), 0.9);
  EXPECT_LT(image_of(steps, 0.91), -0.9);
  EXPECT_LT(image_of(steps, 1.0), -0.9);
}

// 1.875 = 15 / 8 and so on; the seven rows before it are the published ones, each
// coefficient over 1.01 to its power.
TEST(CoefficientsTest, PolarExpressDividesAllRowsButTheLast) {
  const auto steps = coefficient_steps("polar_express", std::nullopt);
  ASSERT_EQ(steps.size(), 8U);
  EXPECT_NEAR(steps.front().a, 8.2051604, 1e-7);
  EXPECT_NEAR(steps.front().b, -22.9019349, 1e-7);
  EXPECT_NEAR(steps.front().c, 16.4607249, 1e-7);
  EXPECT_NEAR(steps[6].a, 1.8564371, 1e-7);
  EXPECT_EQ(steps.back().a, 1.875);
  EXPECT_EQ(steps.back().b, -1.25);
  EXPECT_EQ(steps.back().c, 0.375);
}

TEST(CoefficientsTest, StepsRepeatTheOneRowOfATableThatRepeats) {
  EXPECT_EQ(coefficient_steps("jordan", std::nullopt).size(), 5U);
  EXPECT_EQ(coefficient_steps("jordan", 1).size(), 1U);
  const auto steps = coefficient_steps("jordan", 7);
  ASSERT_EQ(steps.size(), 7U);
  for (const NewtonSchulzStep& step : steps) EXPECT_EQ(step.a, kJordanQuintic.a);
}

TEST(CoefficientsTest, OwnNumberOfStepsIsAccepted) {
  EXPECT_EQ(coefficient_steps("acc6", 6).size(), 6U);
  EXPECT_EQ(coefficient_steps("exact13", std::nullopt).size(), 13U);
}

TEST(CoefficientsTest, OtherNumberOfStepsIsRejected) {
  EXPECT_EQ(steps_message("cesista8", 5),
            "coefficients 'cesista8': steps is 5; allowed: 8");
  EXPECT_EQ(steps_message("jordan", 0),
            "coefficients 'jordan': steps is 0; allowed: >= 1");
}

TEST(CoefficientsTest, UnknownNameListsTheKnown) {
  const std::string message = steps_message("acc9", std::nullopt);
  EXPECT_NE(message.find("unknown coefficients 'acc9'; known: jordan, cubic, "),
            std::string::npos)
      << message;
  EXPECT_NE(message.find("did you mean 'acc6'?"), std::string::npos) << message;
}

TEST(CoefficientsTest, TextIsReadRowByRow) {
  const auto steps = parse_coefficients(" 3.4445, -4.775 ,2.0315;1.5,-5e-1,0 ");
  ASSERT_EQ(steps.size(), 2U);
  EXPECT_EQ(steps[0].a, 3.4445);
  EXPECT_EQ(steps[0].b, -4.775);
  EXPECT_EQ(steps[0].c, 2.0315);
  EXPECT_EQ(steps[1].a, 1.5);
  EXPECT_EQ(steps[1].b, -0.5);
  EXPECT_EQ(steps[1].c, 0.0);
}

TEST(CoefficientsTest, TextThatIsNoTableIsRejectedByRow) {
  EXPECT_EQ(parse_message(""),
            "coefficients: row 1 is ''; allowed: three numbers, a,b,c");
  EXPECT_EQ(parse_message("1,2,3;"),
            "coefficients: row 2 is ''; allowed: three numbers, a,b,c");
  EXPECT_EQ(parse_message("1,2,3; 4,5"),
            "coefficients: row 2 is '4,5'; allowed: three numbers, a,b,c");
  EXPECT_EQ(parse_message("1,2,3,4"),
            "coefficients: row 1 is '1,2,3,4'; allowed: three numbers, a,b,c");
  for (const char* bad : {"x", "1.5f", "", "nan", "inf", "1e999", "1 2"}) {
    EXPECT_EQ(
        parse_message("1,2,3;1," + std::string(bad) + ",3"),
        "coefficients: row 2 has '" + std::string(bad) + "'; allowed: finite numbers");
  }
}

}  // namespace
}  // namespace shardopt
