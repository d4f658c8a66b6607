/// The state in a manifest as Protobuf messages. For manifest_codec alone.
#pragma once

#include <stdexcept>
#include <string>

#include "shardopt/checkpoint/manifest.h"

namespace shardopt::checkpoint {

namespace v1 {
class State;
}

/// What is wrong with the bytes; never leaves the codec.
struct Problem : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// `bytes`, if they are UTF-8; else throws Problem.
[[nodiscard]] const std::string& as_text(const std::string& bytes);

void encode_state(const StoredState& state, v1::State& message);

/// Throws Problem: a text that is not UTF-8, a value of no known type, an unknown
/// spread, names that do not rise, parts deeper than kMaxStateDepth.
[[nodiscard]] StoredState decode_state(const v1::State& message);

}  // namespace shardopt::checkpoint
