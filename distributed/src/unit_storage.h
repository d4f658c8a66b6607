/// The memory of one unit: master rows that stay, leaves that come and go.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "shardopt/core/shard.h"
#include "shardopt/distributed/communicator.h"
#include "shardopt/distributed/fully_sharded_unit.h"
#include "unit_memory.h"
#include "wire_plan.h"

namespace shardopt::distributed {

/// A parameter of a unit: the leaf that modules hold, and the rows that we hold.
struct UnitParameter {
  std::string name;
  at::Tensor leaf;  ///< Its storage is empty unless gathered.
  ParameterRole role;
  bool is_trainable;
  std::vector<int64_t> sizes;  ///< Of the whole.
  int64_t row_numel;           ///< Entries per row.
  Shard shard;
  at::Tensor rows;          ///< [shard.local_rows(), *], fp32, part of the master.
  int64_t gathered_offset;  ///< Of the leaf in the gathered buffer, in bytes.
};

/// Keeps this rank's rows (fp32, one flat tensor in the order of the message that a
/// gather sends) and gives the leaves their values when asked. With one rank and fp32
/// the leaves are the master itself, and gathering moves nothing.
///
/// Ownership: `memory` and the communicator outlive it. Thread safety: none.
class UnitStorage {
 public:
  /// Takes the leaves' values and frees their memory.
  UnitStorage(std::vector<ModelParameter> parameters, Communicator& communicator,
              const ShardingOptions& options, UnitMemory& memory);

  /// Sends our rows; nothing if that is under way or done.
  void start_gather();
  /// Waits for it, and gives the leaves their values.
  void finish_gather();
  /// Takes them away again. Waits for a gather under way.
  void release();

  [[nodiscard]] bool is_gathered() const noexcept { return is_gathered_; }
  [[nodiscard]] bool is_released() const noexcept {
    return !is_gathered_ && !is_gathering_;
  }

  [[nodiscard]] const std::vector<UnitParameter>& parameters() const noexcept {
    return parameters_;
  }
  [[nodiscard]] std::vector<UnitParameter>& parameters() noexcept {
    return parameters_;
  }

  /// Grows whenever a master row is written.
  [[nodiscard]] int64_t version() const { return master_._version(); }
  /// That of the rows that are gathered, or on their way.
  [[nodiscard]] int64_t gathered_version() const noexcept { return gathered_version_; }

 private:
  void adopt(ModelParameter parameter, std::vector<int64_t> offsets, int rank);
  void fill_master();
  void plan_gathered_buffer();
  void point_leaf(UnitParameter& parameter, void* data);
  void fill_gathered();
  [[nodiscard]] bool is_master_the_leaf() const;

  Communicator& communicator_;
  at::ScalarType compute_dtype_;
  UnitMemory& memory_;
  std::vector<UnitParameter> parameters_;
  std::unique_ptr<WirePlan> plan_;
  at::Tensor master_;    // [local entries], fp32
  at::Tensor message_;   // bytes, while a gather is under way
  at::Tensor gathered_;  // bytes, while gathered
  int64_t gathered_bytes_ = 0;
  std::unique_ptr<Work> work_;
  bool is_gathering_ = false;
  bool is_gathered_ = false;
  int64_t gathered_version_ = 0;
};

}  // namespace shardopt::distributed
