/// From Muon's directions to its updates.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "shardopt/core/parameter.h"
#include "shardopt/optim/group.h"
#include "shardopt/optim/muon_options.h"
#include "take_step.h"

namespace shardopt::optim {

inline constexpr char kRowMoment[] = "row_second_moment";

/// One number for each row of the matrices that `rows` is.
[[nodiscard]] std::vector<int64_t> row_shape(const at::Tensor& rows, Flatten flatten);

/// Rows of each matrix within this rank's rows of `parameter`: one entry, or those of
/// the row blocks that it has some of.
[[nodiscard]] std::vector<int64_t> block_rows(const Parameter& parameter,
                                              const MuonOptions& options);

/// Each direction ([*rows]) as its matrices, orthogonalized, row by row normalised with
/// normuon, adapted and scaled; matrices of one shape in one batch. Changes the slot of
/// normuon.
[[nodiscard]] Tensors orthogonalized(GroupTensors& tensors, const Tensors& directions,
                                     const MuonOptions& options);

}  // namespace shardopt::optim
