/// Reading a storage as an error, on every supported LibTorch.
#pragma once

#include <string>
#include <utility>

#include <c10/core/StorageImpl.h>

namespace shardopt::distributed {
namespace storage_access {

// LibTorch 2.11 can make reading an error, but has no function to undo that: this names
// its private flag, as an explicit instantiation may.
struct ImmutableFlag {
  friend bool& flag_of(c10::StorageImpl& storage, ImmutableFlag);
};
template <bool c10::StorageImpl::*Member>
struct Access {
  friend bool& flag_of(c10::StorageImpl& storage, ImmutableFlag) {
    return storage.*Member;
  }
};
template struct Access<&c10::StorageImpl::throw_on_immutable_data_ptr_>;
bool& flag_of(c10::StorageImpl& storage, ImmutableFlag);

}  // namespace storage_access

/// From now on reading `storage` throws c10::Error with this message.
inline void forbid_reading(c10::StorageImpl& storage, std::string message) {
  storage.release_data_and_set_meta_custom_data_ptr_error_msg_(std::move(message));
}

/// Undoes that. Set the data pointer afterwards.
inline void allow_reading(c10::StorageImpl& storage) {
  flag_of(storage, storage_access::ImmutableFlag{}) = false;
}

}  // namespace shardopt::distributed
