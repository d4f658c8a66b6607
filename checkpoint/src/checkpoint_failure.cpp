#include "shardopt/checkpoint/checkpoint_failure.h"

namespace shardopt::checkpoint {

std::string_view fault_name(Fault fault) {
  switch (fault) {
    case Fault::kCorrupt:
      return "corrupt";
    case Fault::kIncomplete:
      return "incomplete";
    case Fault::kMismatch:
      return "mismatch";
    case Fault::kUnsupported:
      return "unsupported";
    case Fault::kUnsafePath:
      return "unsafe path";
    case Fault::kBusy:
      return "busy";
    case Fault::kStorage:
      return "storage";
  }
  return "unknown";
}

}  // namespace shardopt::checkpoint
