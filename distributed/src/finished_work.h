/// A collective that was over when it began.
#pragma once

#include <memory>

#include "shardopt/distributed/communicator.h"

namespace shardopt::distributed {

class FinishedWork final : public Work {
 private:
  void do_wait() override {}
};

}  // namespace shardopt::distributed
