/// What the units of a model share to hold and to move their memory.
#pragma once

#include "buffer_pool.h"
#include "pack_pieces.h"

namespace shardopt::distributed {

struct UnitMemory {
  explicit UnitMemory(c10::Device device) : pool(device), pack(packing_for(device)) {}

  BufferPool pool;
  PackPieces pack;
};

}  // namespace shardopt::distributed
