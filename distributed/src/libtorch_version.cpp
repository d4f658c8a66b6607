#include "libtorch_version.h"

#include <string>

#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/headeronly/version.h>

#include "shardopt/core/error.h"

namespace shardopt::distributed {
namespace {

std::string as_text(uint64_t version) {
  return c10::str((version >> 56) & 0xff, ".", (version >> 48) & 0xff, ".",
                  (version >> 40) & 0xff);
}

}  // namespace

void check_same_libtorch(uint64_t built_with, uint64_t loaded) {
  if (as_text(built_with) == as_text(loaded)) return;
  SHARDOPT_THROW(ConfigError, "this program was built with LibTorch ",
                 as_text(built_with), " but has loaded ", as_text(loaded),
                 "; allowed: the version it was built with");
}

void check_libtorch_version() {
  check_same_libtorch(TORCH_ABI_VERSION, aoti_torch_abi_version());
}

}  // namespace shardopt::distributed
