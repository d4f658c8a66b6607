#include "train/command_line.h"

#include <CLI/CLI.hpp>

#include "shardopt/config/print_config.h"

namespace shardopt::train {
namespace {

constexpr char kDescription[] =
    "Trains a GPT on text with an optimizer chosen by name, its parameters sharded "
    "over\n"
    "the ranks of the job. Start it alone, or with\n"
    "  torchrun --standalone --nproc-per-node=N --no-python shardopt-train ...\n"
    "  mpirun -n N --bind-to none shardopt-train ...\n"
    "  srun -n N shardopt-train ...";

}  // namespace

CommandLine parse_command_line(int argc, const char* const* argv) {
  CommandLine result;
  CLI::App app(kDescription, "shardopt-train");
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
  app.add_flag("--print-config", result.prints_config,
               "Prints the whole effective configuration and ends");
  app.add_flag("--list-optimizers", result.lists_optimizers,
               "Lists the optimizers and ends");
  app.add_flag("--show-launch", result.shows_launch,
               "Shows what each rank understood of its launcher, and ends");
  app.add_option("--rank", result.launch.rank, "This rank; wins over RANK");
  app.add_option("--size", result.launch.size, "Number of ranks; wins over WORLD_SIZE");
  app.add_option("--master-address", result.launch.master_address,
                 "Where rank 0 listens; wins over MASTER_ADDR");
  app.add_option("--master-port", result.launch.master_port,
                 "Its port; wins over MASTER_PORT");
  app.footer("Fields of the configuration:\n" + config::config_help());
  try {
    app.parse(argc, argv);
    if (!file.empty()) result.sources.file = file;
    auto& overrides = result.sources.overrides;
    if (app.count("--resume") > 0) overrides.push_back("checkpoint.resume=" + resume);
    if (discards_later) overrides.emplace_back("checkpoint.discard_later=true");
  } catch (const CLI::ParseError& error) {
    result.is_done = true;
    result.exit_code = app.exit(error);
  }
  return result;
}

}  // namespace shardopt::train
