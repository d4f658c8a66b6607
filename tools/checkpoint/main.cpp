// shardopt-checkpoint: looks into checkpoints, checks them, turns them into files of
// weights and back.
#include <cstdio>
#include <exception>
#include <functional>
#include <string>

#include <c10/util/Exception.h>
#include <CLI/CLI.hpp>

#include "checkpoint/commands.h"

namespace shardopt::checkpoint_tool {
namespace {

using Action = std::function<int()>;

// What the commands' options are parsed into.
struct Arguments {
  std::string path{};
  std::string other{};
  std::string output{};
  std::string dtype{};
  std::string point = "train";
  int64_t step = 0;
  int64_t keep = 3;
  int threads = 4;
  bool lists_tensors = false;
  bool shows_config = false;
};

constexpr char kStepOrRoot[] = "A step folder, or a root: its newest sound step";

void add_looking(CLI::App& app, Arguments& given, Action& action) {
  auto* ls = app.add_subcommand("ls", "Lists the steps of a root");
  ls->add_option("ROOT", given.path, "The folder that holds the steps")->required();
  ls->callback([&] { action = [&] { return list(given.path); }; });

  auto* show_it = app.add_subcommand("show", "Shows what a step holds");
  show_it->add_option("PATH", given.path, kStepOrRoot)->required();
  show_it->add_flag("--tensors", given.lists_tensors, "Every tensor and its pieces");
  show_it->add_flag("--config", given.shows_config, "The job's configuration");
  show_it->callback([&] {
    action = [&] { return show(given.path, given.lists_tensors, given.shows_config); };
  });

  auto* check = app.add_subcommand(
      "verify", "Reads every byte; exit code 1 if anything is damaged");
  check->add_option("PATH", given.path, "A step folder, or a root: all its steps")
      ->required();
  check->add_option("--threads", given.threads, "That read at a time")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  check->callback([&] { action = [&] { return verify(given.path, given.threads); }; });

  auto* diff = app.add_subcommand("diff", "Compares two; exit code 1 if they differ");
  diff->add_option("A", given.path, kStepOrRoot)->required();
  diff->add_option("B", given.other, kStepOrRoot)->required();
  diff->callback([&] { action = [&] { return compare(given.path, given.other); }; });
}

void add_changing(CLI::App& app, Arguments& given, Action& action) {
  auto* exporting = app.add_subcommand(
      "export", "Writes the model's weights as one safetensors file");
  exporting->add_option("PATH", given.path, kStepOrRoot)->required();
  exporting->add_option("OUTPUT", given.output, "The file, replaced at once")
      ->required();
  exporting
      ->add_option("--point", given.point,
                   "Weights that training goes on from, or those to evaluate (their "
                   "average, where there is one, or Schedule-Free's)")
      ->check(CLI::IsMember({"train", "eval"}))
      ->capture_default_str();
  exporting->add_option("--dtype", given.dtype, "Of floating-point tensors")
      ->check(CLI::IsMember({"f32", "bf16", "f16"}));
  exporting->callback([&] {
    action = [&] {
      const Point point = given.point == "eval" ? Point::kEval : Point::kTrain;
      return export_weights({given.path, given.output, point, given.dtype});
    };
  });

  auto* importing = app.add_subcommand(
      "import", "Makes a step that holds the weights of a safetensors file");
  importing->add_option("FILE", given.path, "The safetensors file")->required();
  importing->add_option("ROOT", given.other, "Made if need be")->required();
  importing->add_option("--step", given.step, "Its number")
      ->check(CLI::Range(int64_t{0}, int64_t{999'999'999'999}))
      ->capture_default_str();
  importing->callback([&] {
    action = [&] { return import_weights(given.path, given.other, given.step); };
  });

  auto* pruning = app.add_subcommand(
      "prune", "Removes all but the newest sound steps; pinned ones (file PIN) stay");
  pruning->add_option("ROOT", given.path, "The folder that holds the steps")
      ->required();
  pruning->add_option("--keep", given.keep, "Sound steps that stay")
      ->check(CLI::Range(int64_t{1}, int64_t{1'000'000}))
      ->required();
  pruning->callback([&] { action = [&] { return prune(given.path, given.keep); }; });
}

int run(const Action& action) {
  std::string message;
  try {
    return action();
  } catch (const c10::Error& error) {
    message = error.what_without_backtrace();
  } catch (const std::exception& error) {
    message = error.what();
  }
  std::fprintf(stderr, "shardopt-checkpoint: %s\n", message.c_str());
  return kFailure;
}

}  // namespace
}  // namespace shardopt::checkpoint_tool

int main(int argc, char** argv) {
  using namespace shardopt::checkpoint_tool;
  CLI::App app("Checkpoints of shardopt: look, check, convert", "shardopt-checkpoint");
  app.require_subcommand(1);
  Arguments given;
  Action action;
  add_looking(app, given, action);
  add_changing(app, given, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kFine : kFailure;
  }
  return run(action);
}
