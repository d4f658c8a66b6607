// shardopt-replay: an optimizer's steps on given weights and gradients, as numbers.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <CLI/CLI.hpp>

#include "shardopt/core/error.h"

#include "replay/case.h"
#include "replay/run.h"

namespace shardopt::replay {
namespace {

constexpr int kFailure = 1;
constexpr std::uintmax_t kMaxFileBytes = 256 << 20;

constexpr char kDescription[] =
    "Plays gradients to an optimizer without a model, over threads as ranks, and "
    "prints\n"
    "the weights after each call, for a comparison with another implementation.";

constexpr char kFormat[] = R"(CASE.json is one object:
  "dtype"       "float64" or "float32", of everything
  "parameters"  [{"name", "shape", "values", "role"}]; values flat, row-major; role may
                be left out, else "embedding" or "head"
  "gradients"   [call][parameter][value], as backward gave them; null is no gradient;
                "inf", "-inf" and "nan" are values
  "ranks"       that parameters are cut over, 1 if left out; "replicas": copies
  "cuts"        {name: [0, ..., rows]}, one more than ranks; else equal runs of rows
and configuration: "optimizer", "schedule", "transform", "loss_scale", "average", and of
"train" steps (the schedule's end), accumulation and clip_norm, as shardopt-train --help
lists them. What is not named is not done. A call is a micro-step under accumulation.

The answer: "parameters" and, where it differs, "evaluation" [call][parameter][value];
"lr" [call][group], null without an update; "updates" and "loss_scale" [call]; "groups".)";

std::string read_file(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    SHARDOPT_THROW(ConfigError, "cannot be opened, or is no file");
  }
  if (std::filesystem::file_size(path, error) > kMaxFileBytes) {
    SHARDOPT_THROW(ConfigError, "is too large; allowed: up to ", kMaxFileBytes,
                   " bytes");
  }
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) SHARDOPT_THROW(ConfigError, "cannot be read");
  return std::move(text).str();
}

std::string one_line(const std::exception& error) {
  const auto* own = dynamic_cast<const c10::Error*>(&error);
  std::string text = own != nullptr ? own->what_without_backtrace() : error.what();
  std::ranges::replace(text, '\n', ' ');
  return text;
}

int run(const std::string& path) {
  try {
    std::fputs(to_json(run_case(read_case(read_file(path)))).c_str(), stdout);
    if (std::fflush(stdout) == 0) return 0;
    std::fprintf(stderr, "shardopt-replay: standard output cannot be written\n");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "shardopt-replay: %s: %s\n", path.c_str(),
                 one_line(error).c_str());
  }
  return kFailure;
}

}  // namespace
}  // namespace shardopt::replay

int main(int argc, char** argv) {
  using namespace shardopt::replay;
  CLI::App app(kDescription, "shardopt-replay");
  std::string path;
  app.add_option("CASE.json", path, "What to play; see below")->required();
  app.footer(kFormat);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kFailure;
  }
  return run(path);
}
