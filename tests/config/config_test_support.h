/// What tests of the configuration share.
#pragma once

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "shardopt/config/load_config.h"
#include "shardopt/core/error.h"
#include "support/scratch_dir.h"

namespace shardopt::test {

/// The message of the ConfigError that `action` throws, which has one line; a note
/// that none came if it throws none.
inline std::string config_error(const std::function<void()>& action) {
  try {
    action();
  } catch (const ConfigError& error) {
    const std::string message = error.what_without_backtrace();
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    EXPECT_LE(message.size(), 1200u);
    return message;
  }
  return "(no error)";
}

/// A folder of configuration files.
class ConfigFolder {
 public:
  std::filesystem::path write(const std::string& name, const std::string& text) const {
    const std::filesystem::path path = scratch_.path() / name;
    std::filesystem::remove(path);  // To truncate it makes some file systems sync.
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

  config::TrainConfig load(const std::string& text,
                           std::vector<std::string> overrides = {},
                           const std::string& name = "my.txtpb") const {
    return config::load_config({write(name, text), std::move(overrides)});
  }

  /// The error of loading `text`, without the folder's name.
  std::string error(const std::string& text,
                    const std::string& name = "my.txtpb") const {
    return without_folder(config_error([&] { (void)load(text, {}, name); }));
  }

  std::string without_folder(std::string message) const {
    const std::string folder = scratch_.path().string() + "/";
    const std::size_t begin = message.find(folder);
    return begin == std::string::npos ? message : message.erase(begin, folder.size());
  }

  [[nodiscard]] const std::filesystem::path& path() const { return scratch_.path(); }

 private:
  ScratchDir scratch_;
};

}  // namespace shardopt::test
