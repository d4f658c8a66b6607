/// How values of a field are written; only for sources that see Protobuf.
#pragma once

#include <string>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/tokenizer.h>

namespace shardopt::config {

/// For messages: "a number", "true | false".
[[nodiscard]] std::string allowed_for(const google::protobuf::FieldDescriptor& field);

/// Whether `token`, behind a minus if `negative`, is a value of `field`'s type.
/// Stricter than the parsers: a flag is true or false, a number has no quotes and is
/// none of inf and nan.
[[nodiscard]] bool is_written_as(const google::protobuf::FieldDescriptor& field,
                                 const google::protobuf::io::Tokenizer::Token& token,
                                 bool negative);

}  // namespace shardopt::config
