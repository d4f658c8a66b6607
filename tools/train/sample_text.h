/// Text that a model writes.
#pragma once

#include <cstdint>
#include <string>

namespace shardopt::train {

class Gpt;

/// `length` bytes behind `prompt` (not empty), each drawn from the softmax of logits
/// over `temperature`, with the last `context` bytes in view. The same on every rank:
/// the numbers drawn depend on `seed` alone. Collective if the model is sharded.
[[nodiscard]] std::string sample_text(Gpt& model, const std::string& prompt,
                                      int64_t length, int64_t context,
                                      double temperature, uint64_t seed);

/// Bytes as a terminal may see them: those that are no printable ASCII, newline or tab
/// become '?'.
[[nodiscard]] std::string printable(const std::string& bytes);

}  // namespace shardopt::train
