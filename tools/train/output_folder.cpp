#include "train/output_folder.h"

#include <system_error>

#include "output_file.h"
#include "shardopt/core/error.h"

namespace shardopt::train {
namespace {

namespace fs = std::filesystem;

constexpr const char* kEntries[] = {kConfigFile, kMetricsFile, kWeightsFile,
                                    kSampleFile, kEventsFolder};

bool holds_run(const fs::path& folder) {
  for (const char* entry : kEntries) {
    if (fs::exists(folder / entry)) return true;
  }
  return false;
}

}  // namespace

void prepare_output_folder(const config::OutputOptions& options, bool is_restarted,
                           bool is_resumed) {
  const fs::path folder = options.path;
  std::error_code error;
  fs::create_directories(folder, error);
  if (!fs::is_directory(folder)) {
    SHARDOPT_THROW(ConfigError, "output.path '", options.path,
                   "' is not a folder and cannot be made one",
                   error ? ": " + error.message() : "");
  }
  if (holds_run(folder) && !options.overwrite && !is_restarted && !is_resumed) {
    SHARDOPT_THROW(ConfigError, "output.path '", options.path,
                   "' holds a run already; give another, or output.overwrite=true");
  }
  const fs::path probe = folder / ".shardopt-probe";
  try {
    write_text_file(probe, "");
  } catch (const ConfigError&) {
    SHARDOPT_THROW(ConfigError, "output.path '", options.path,
                   "' is not writable for this user");
  }
  fs::remove(probe, error);
  if (is_resumed) return;
  for (const char* entry : kEntries) fs::remove_all(folder / entry, error);
}

void write_text_file(const fs::path& path, const std::string& text) {
  OutputFile(path).append(text);
}

}  // namespace shardopt::train
