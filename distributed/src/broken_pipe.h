/// Writing to a peer that is gone.
#pragma once

namespace shardopt::distributed {

/// From now on a write to a closed connection is an error, where nothing in this
/// process handles SIGPIPE; the signal would end it without a word. Gloo and the store
/// write with no flag that prevents it.
void ignore_broken_pipes();

}  // namespace shardopt::distributed
