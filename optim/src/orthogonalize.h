/// From Muon's directions to its updates.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "row_blocks.h"
#include "shardopt/optim/group.h"
#include "shardopt/optim/muon_options.h"
#include "take_step.h"

namespace shardopt::optim {

inline constexpr char kRowMoment[] = "row_second_moment";

/// One number for each row of the matrices that `rows` is.
[[nodiscard]] std::vector<int64_t> row_shape(const at::Tensor& rows, Flatten flatten);

/// Each direction ([*rows]) as its matrices, orthogonalized, row by row normalised with
/// normuon, adapted and scaled; matrices of one shape in one batch. `blocks` are this
/// rank's rows of each. Changes the slot of normuon.
[[nodiscard]] Tensors orthogonalized(GroupTensors& tensors, const Tensors& directions,
                                     const MuonOptions& options,
                                     const RowBlocks& blocks);

}  // namespace shardopt::optim
