/// A file that grows while training runs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

namespace shardopt::train {

/// Creates `path`, or empties it but for its first `kept_bytes`. What `append` has
/// returned from, a reader sees.
///
/// Both throw ConfigError, naming the path and the cause, if the disk refuses.
class OutputFile {
 public:
  explicit OutputFile(std::filesystem::path path, int64_t kept_bytes = 0);
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile();

  void append(std::string_view bytes);

 private:
  const std::filesystem::path path_;
  const int descriptor_;
};

}  // namespace shardopt::train
