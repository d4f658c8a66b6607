#include "shardopt/core/coefficients.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <span>
#include <system_error>

#include <c10/util/StringUtil.h>

#include "coefficient_rows.h"
#include "shardopt/core/error.h"
#include "shardopt/core/names.h"

namespace shardopt {
namespace {

using Steps = std::vector<NewtonSchulzStep>;

constexpr int64_t kStepsOfRepeating = 5;

// p(1) = 1 and p'(1) = p''(1) = 0: the limit of every minimax schedule.
constexpr NewtonSchulzStep kConvergentQuintic{15.0 / 8, -10.0 / 8, 3.0 / 8};

Steps rows(std::span<const NewtonSchulzStep> table) {
  return {table.begin(), table.end()};
}

// p(x / safety): takes singular values up to `safety`.
NewtonSchulzStep with_safety(const NewtonSchulzStep& step, double safety) {
  return {step.a / safety, step.b / std::pow(safety, 3), step.c / std::pow(safety, 5)};
}

Steps with_safety(std::span<const NewtonSchulzStep> table, double safety) {
  Steps result;
  for (const NewtonSchulzStep& step : table) {
    result.push_back(with_safety(step, safety));
  }
  return result;
}

// Algorithm 1 of the paper: every row of the table is divided, the limit is not.
Steps polar_express() {
  Steps result = with_safety(kPolarExpress, 1.01);
  result.push_back(kConvergentQuintic);
  return result;
}

Steps deepseek() {
  Steps result(8, kJordanQuintic);
  result.insert(result.end(), 2, {2.0, -1.5, 0.5});
  return result;
}

std::vector<CoefficientTable> make_tables() {
  const auto first = [](std::size_t count) {
    return with_safety(std::span(kPolarExpress).first(count), 1.01);
  };
  return {
      {"jordan",
       "KellerJordan/Muon; [0.01, 1] to [0.68, 1.14] in 5 steps",
       {kJordanQuintic},
       true},
      {"cubic", "Newton-Schulz; converges from (0, sqrt 3)", {{1.5, -0.5, 0.0}}, true},
      {"quintic",
       "(15/8, -10/8, 3/8); converges, to third order",
       {kConvergentQuintic},
       true},
      {"leloykun5", "leloykun/adaptive-muon, its optimised five", rows(kLeloykun5)},
      {"you", "YouJiacheng; dion in optax; [0.01, 1] to [0.978, 1.032]", rows(kYou)},
      {"cesista8", "Cesista; [1e-4, 1] to [0.9990, 1.0004]", rows(kCesista8)},
      {"cubic5", "arXiv 2606.00371; [0.01, 1] to [0.77, 1.30] in 10 products",
       rows(kCubic5)},
      {"deepseek10", "DeepSeek-V4; eight of jordan, two of (2, -1.5, 0.5)", deepseek()},
      {"polar_express",
       "arXiv 2505.16932, algorithm 1, 8 steps, safety 1.01 on all but the last",
       polar_express()},
      {"polar_express_first5", "polar_express cut off; [1e-3, 1] to [0.846, 1.124]",
       first(5)},
      {"polar_express_first6", "polar_express cut off; [1e-3, 1] to [0.994, 1.001]",
       first(6)},
      {"polar_express5", "modded-nanogpt; safety 1.02, cushion 0.02, last step without",
       rows(kPolarExpress5)},
      {"gram5", "Dao-AILab/gram-newton-schulz; polar_express with safety 1.05",
       with_safety(std::span(kPolarExpress).first(5), 1.05)},
      {"cans5", "arXiv 2506.10935; no safety: not for half precision", rows(kCans5)},
      {"aol4", "Emerging-Optimizers, for aol; turns round singular values above 0.88",
       rows(kAol4)},
      {"turbo4",
       "arXiv 2512.04632, flash-newton-schulz, for aol; [0.01, 1] to [0.94, 1.05]",
       rows(kTurbo4)},
      {"fast4", "ours; [1e-2, 1] to 1 -+ 0.0174, safety 1.02", rows(kFast4)},
      {"std5", "ours; [3e-3, 1] to 1 -+ 0.0087, safety 1.02", rows(kStd5)},
      {"acc6", "ours; [1e-3, 1] to 1 -+ 0.0024, safety 1.02", rows(kAcc6)},
      {"acc8", "ours; [1e-4, 1] to 1 -+ 7e-5, safety 1.01", rows(kAcc8)},
      {"exact13", "ours; [1e-6, 1] to 1 in fp64, safety 1.005", rows(kExact13)},
  };
}

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\n");
  if (begin == std::string_view::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t\n") - begin + 1);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.push_back(trimmed(text.substr(0, end)));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

double parse_number(std::string_view text, std::size_t row) {
  double value = 0.0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || !std::isfinite(value)) {
    SHARDOPT_THROW(ConfigError, "coefficients: row ", row, " has '", text,
                   "'; allowed: finite numbers");
  }
  return value;
}

}  // namespace

const std::vector<CoefficientTable>& coefficient_tables() {
  static const std::vector<CoefficientTable> tables = make_tables();
  return tables;
}

std::vector<std::string> coefficient_names() {
  std::vector<std::string> names;
  for (const CoefficientTable& table : coefficient_tables()) {
    names.push_back(table.name);
  }
  return names;
}

Steps coefficient_steps(std::string_view name, std::optional<int64_t> steps) {
  const auto& tables = coefficient_tables();
  const auto table = std::ranges::find(tables, name, &CoefficientTable::name);
  if (table == tables.end()) {
    const std::vector<std::string> names = coefficient_names();
    SHARDOPT_THROW(ConfigError, "unknown coefficients '", name,
                   "'; known: ", c10::Join(", ", names), did_you_mean(name, names));
  }
  const auto own = static_cast<int64_t>(table->rows.size());
  const int64_t count = steps.value_or(table->repeats ? kStepsOfRepeating : own);
  if (table->repeats ? count < 1 : count != own) {
    SHARDOPT_THROW(ConfigError, "coefficients '", name, "': steps is ", count,
                   "; allowed: ", table->repeats ? ">= 1" : std::to_string(own));
  }
  if (!table->repeats) return table->rows;
  return Steps(static_cast<std::size_t>(count), table->rows.front());
}

Steps parse_coefficients(std::string_view text) {
  Steps result;
  for (const std::string_view row : split(text, ';')) {
    const std::size_t number = result.size() + 1;
    const std::vector<std::string_view> parts = split(row, ',');
    if (parts.size() != 3) {
      SHARDOPT_THROW(ConfigError, "coefficients: row ", number, " is '", row,
                     "'; allowed: three numbers, a,b,c");
    }
    result.push_back({parse_number(parts[0], number), parse_number(parts[1], number),
                      parse_number(parts[2], number)});
  }
  return result;
}

}  // namespace shardopt
