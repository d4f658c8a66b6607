#include "train/command_line.h"

#include <cstdio>

#include <CLI/CLI.hpp>

#include "shardopt/config/print_config.h"
#include "shardopt/config/topic_help.h"
#include "shardopt/core/error.h"

namespace shardopt::train {
namespace {

constexpr char kDescription[] =
    "Trains a GPT on text with an optimizer chosen by name, its parameters sharded "
    "over\n"
    "the ranks of the job. Start it alone, or with\n"
    "  torchrun --standalone --nproc-per-node=N --no-python shardopt-train ...\n"
    "  mpirun -n N --bind-to none shardopt-train ...\n"
    "  srun -n N shardopt-train ...";

/// Exit code of `--help TOPIC`; with an empty topic, of `--help`.
int answer_help(const CLI::App& app, const std::string& topic) {
  if (topic.empty()) {
    std::fputs(app.help().c_str(), stdout);
    return 0;
  }
  try {
    std::fputs(config::topic_help(topic).c_str(), stdout);
    return 0;
  } catch (const ConfigError& error) {
    std::fprintf(stderr, "shardopt-train: %s\n", error.what_without_backtrace());
    return 1;
  }
}

/// In the place of CLI11's flag an option, which takes a topic.
const CLI::Option* add_help(CLI::App& app) {
  app.set_help_flag();
  return app
      .add_option("-h,--help",
                  "This, or all about a part of the configuration, as optimizer.muon, "
                  "transform.orthograd")
      ->option_text("[TOPIC]")
      ->expected(0, 1)
      ->take_first();
}

void add_questions(CLI::App& app, CommandLine& result) {
  app.add_flag("--print-config", result.prints_config,
               "Prints the whole effective configuration and ends");
  app.add_flag("--list-optimizers", result.lists_optimizers,
               "Lists the optimizers with their sources and ends");
  app.add_flag("--show-launch", result.shows_launch,
               "Shows what each rank understood of its launcher, and ends");
}

void add_launch(CLI::App& app, distributed::LaunchFlags& launch) {
  app.add_option("--rank", launch.rank, "This rank; wins over RANK");
  app.add_option("--size", launch.size, "Number of ranks; wins over WORLD_SIZE");
  app.add_option("--master-address", launch.master_address,
                 "Where rank 0 listens; wins over MASTER_ADDR");
  app.add_option("--master-port", launch.master_port,
                 "Its port; wins over MASTER_PORT");
}

}  // namespace

CommandLine parse_command_line(int argc, const char* const* argv) {
  CommandLine result;
  CLI::App app(kDescription, "shardopt-train");
  const CLI::Option* const help = add_help(app);
  std::string file;
  app.add_option("--config", file, "Configuration: Protobuf text format, or JSON")
      ->option_text("FILE");
  app.add_option("--set", result.sources.overrides,
                 "Sets one field after the file is read; repeat it, a later one wins")
      ->option_text("PATH=VALUE")
      ->expected(1)
      ->take_all();
  std::string resume;
  bool discards_later = false;
  app.add_option("--resume", resume, "Short for --set checkpoint.resume=...; wins")
      ->option_text("auto|none|step=N|PATH");
  app.add_flag("--discard-later", discards_later,
               "Short for --set checkpoint.discard_later=true");
  add_questions(app, result);
  add_launch(app, result.launch);
  app.footer("Fields of the configuration:\n" + config::config_help());
  try {
    app.parse(argc, argv);
    if (help->count() > 0) {
      result.is_done = true;
      result.exit_code = answer_help(app, help->results().front());
      return result;
    }
    if (!file.empty()) result.sources.file = file;
    auto& overrides = result.sources.overrides;
    if (app.count("--resume") > 0) overrides.push_back("checkpoint.resume=" + resume);
    if (discards_later) overrides.emplace_back("checkpoint.discard_later=true");
  } catch (const CLI::ParseError& error) {
    result.is_done = true;
    result.exit_code = app.exit(error) == 0 ? 0 : 1;
  }
  return result;
}

}  // namespace shardopt::train
