#include "quiet_log.h"

#include <mutex>

#include <c10/util/Logging.h>

namespace shardopt::distributed {
namespace {

// What it guards is global too.
struct Level {
  std::mutex mutex;
  int users = 0;
  int saved = 0;  // while there are users
};

Level& level() {
  static Level level;
  return level;
}

}  // namespace

QuietLog::QuietLog() {
  const std::lock_guard lock(level().mutex);
  if (level().users++ > 0) return;
  level().saved = FLAGS_caffe2_log_level;
  FLAGS_caffe2_log_level = c10::GLOG_FATAL;
}

QuietLog::~QuietLog() {
  const std::lock_guard lock(level().mutex);
  if (--level().users == 0) FLAGS_caffe2_log_level = level().saved;
}

}  // namespace shardopt::distributed
