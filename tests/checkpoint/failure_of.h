/// What a call throws, as text.
#pragma once

#include <string>

#include "shardopt/checkpoint/checkpoint_failure.h"

namespace shardopt::test {

/// "corrupt: MESSAGE", or "no failure".
template <typename Call>
std::string failure_of(Call&& call) {
  try {
    call();
  } catch (const checkpoint::CheckpointFailure& error) {
    return std::string(fault_name(error.fault())) + ": " +
           error.what_without_backtrace();
  }
  return "no failure";
}

}  // namespace shardopt::test
