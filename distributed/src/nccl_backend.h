/// The seam to NCCL: the one function of a library that is opened by name, so that
/// programs on CPUs do not load CUDA.
#pragma once

#include <c10/util/intrusive_ptr.h>

namespace c10d {
class Backend;
class Store;
}  // namespace c10d

namespace shardopt::distributed {

struct C10dOptions;

inline constexpr char kNcclLibrary[] = "libshardopt_nccl.so";
inline constexpr char kMakeNcclBackend[] = "shardopt_make_nccl_backend";

/// Type of the function of that name. The caller owns the reference returned; null if
/// this machine has no GPU.
using MakeNcclBackend = ::c10d::Backend*(const c10::intrusive_ptr<::c10d::Store>& store,
                                         const C10dOptions& options);

}  // namespace shardopt::distributed
