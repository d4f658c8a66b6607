/// What users can look up, made of the tables that parse and check it.
#pragma once

#include <string>
#include <string_view>

namespace shardopt::config {

/// A page about `topic`: a block ("optimizer.muon", "transform"), with the blocks in
/// it; a field ("optimizer.muon.preset"); or a transform ("transform.grokfast_ema").
/// Fields with type, default, what is allowed and meaning; sources of algorithms,
/// presets, coefficients and transforms.
///
/// Throws ConfigError, which proposes the nearest, if there is no such topic.
[[nodiscard]] std::string topic_help(std::string_view topic);

/// One line per optimizer: name, then source.
[[nodiscard]] std::string optimizer_list();

}  // namespace shardopt::config
