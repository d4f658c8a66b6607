#include "library_function.h"

#include <dlfcn.h>

namespace shardopt::distributed {

void* find_library_function(const char* library, const char* name, SymbolScope scope) {
  const int reach = scope == SymbolScope::kGlobal ? RTLD_GLOBAL : RTLD_LOCAL;
  void* const opened = dlopen(library, RTLD_NOW | reach);
  return opened == nullptr ? nullptr : dlsym(opened, name);
}

}  // namespace shardopt::distributed
