/// Names of a message's fields; only for sources that see Protobuf.
#pragma once

#include <string>
#include <string_view>

#include <google/protobuf/descriptor.h>

namespace shardopt::config {

/// "unknown field 'leyers' of model; did you mean 'layers'?; known: ...".
[[nodiscard]] std::string describe_unknown(std::string_view name,
                                           const google::protobuf::Descriptor& message,
                                           std::string_view block);

}  // namespace shardopt::config
