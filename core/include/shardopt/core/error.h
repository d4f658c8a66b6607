/// The errors that cross module boundaries.
///
/// Everything the library throws derives from c10::Error, so one handler catches
/// LibTorch's own failures too. TORCH_CHECK states a broken precondition;
/// SHARDOPT_THROW a failure that a caller may want to tell from others.
#pragma once

#include <c10/util/Exception.h>

namespace shardopt {

/// What the user asked for is wrong: unknown name, value out of range, missing file.
class ConfigError : public c10::Error {
  using c10::Error::Error;
};

/// Peers disagree, are gone, or did not answer in time. The group is unusable.
class CommError : public c10::Error {
  using c10::Error::Error;
};

/// A file of weights or state is absent, truncated, corrupt or cannot be written.
class CheckpointError : public c10::Error {
  using c10::Error::Error;
};

/// A parameter was used where it is not gathered, or changed while it was.
class ShardingError : public c10::Error {
  using c10::Error::Error;
};

}  // namespace shardopt

/// Throws `ErrorType` with the remaining arguments streamed into its message.
#define SHARDOPT_THROW(ErrorType, ...)                                   \
  throw ErrorType({__func__, __FILE__, static_cast<uint32_t>(__LINE__)}, \
                  c10::str(__VA_ARGS__))
