/// Choices that Muon's options have.
#pragma once

#include <cstdint>

namespace shardopt::optim {

/// m and the direction u that is orthogonalized, of gradient g and momentum b; the
/// second is with nesterov. heavy_ball and ema give the same direction.
enum class MomentumForm : uint8_t {
  kHeavyBall,  ///< m = b m + g; u = m or g + b m
  kEma,        ///< m = b m + (1 - b) g; u = m or (1 - b) g + b m
  kOptax,      ///< ema, bias-corrected: m / (1 - b^t), or with the coming step's weight
  kS0Legacy    ///< m = b m + (1 - b) g; u = m or g + b m: fresh gradients weigh more
};

/// The dtype of Newton-Schulz; results are of the parameter's.
enum class NsDtype : uint8_t { kParameter, kFp32, kBf16, kFp16 };

/// What the orthogonalized update is multiplied by; rows and cols of the matrix that is
/// orthogonalized unless it says otherwise.
enum class MuonScale : uint8_t {
  kAspect,      ///< sqrt(max(1, rows / cols)) of the last two dimensions
  kAspectFlat,  ///< sqrt(max(1, rows / cols))
  kAspect01,    ///< sqrt(max(1, shape[0] / shape[1])) of the parameter
  kOptax,       ///< sqrt(max(1, fan_out / fan_in)), weights being (out, in)
  kRms,         ///< rms * sqrt(max(rows, cols))
  kNone
};

/// A factor <u, O> of the update O, per matrix (leloykun/adaptive-muon).
enum class Adaptive : uint8_t {
  kOff,
  kDual,    ///< As it is: the dual norm of u.
  kClip01,  ///< Clipped to [0, 1].
  kClip11   ///< Clipped to [-1, 1].
};

/// Where rules.caution masks: the momentum, before Newton-Schulz, or its result.
enum class CautionStage : uint8_t { kBefore, kAfter };

/// Which matrices a parameter of more than two dimensions is.
enum class Flatten : uint8_t {
  kFirstDim,   ///< One, (shape[0], rest).
  kBatched,    ///< One for each index of all but the last two dimensions (experts).
  kBatched3d,  ///< kBatched in three dimensions, kFirstDim beyond.
  kConvHwio    ///< (height, width, in, out): one, (out, height width in).
};

/// Where a matrix that is cut over ranks is orthogonalized.
enum class MuonMode : uint8_t {
  kLocalShard  ///< Each rank its own rows: an approximation that depends on the ranks.
};

/// Who trains what Muon does not take.
enum class Internal : uint8_t { kAdamW, kNadamW, kLion };

/// The lr that decay of the internal optimizer's parameters is scaled by.
enum class DecayLr : uint8_t { kOwn, kFull };

}  // namespace shardopt::optim
