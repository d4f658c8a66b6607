/// Functions of libraries that are opened by name, so that programs load them only when
/// they ask for them.
#pragma once

namespace shardopt::distributed {

/// Whether what the library opens itself can use its symbols.
enum class SymbolScope : unsigned char { kLocal, kGlobal };

/// Function `name` of the shared library `library`, which stays open: its code lives as
/// long as whatever uses it. Null if there is none; dlerror() then says why.
[[nodiscard]] void* find_library_function(const char* library, const char* name,
                                          SymbolScope scope = SymbolScope::kLocal);

}  // namespace shardopt::distributed
