#include "field_type.h"

#include <cstdint>
#include <limits>

namespace shardopt::config {

using google::protobuf::FieldDescriptor;
using google::protobuf::io::Tokenizer;

std::string allowed_for(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return "true | false";
    case FieldDescriptor::CPPTYPE_INT64:
      return "a 64-bit whole number";
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return "a number";
    case FieldDescriptor::CPPTYPE_STRING:
      return "a text in quotes";
    default:
      return field.is_repeated() ? "a list of blocks { }" : "a block { }";
  }
}

bool is_written_as(const FieldDescriptor& field, const Tokenizer::Token& token,
                   bool negative) {
  const bool is_word = token.type == Tokenizer::TYPE_IDENTIFIER && !negative;
  constexpr uint64_t kMax = std::numeric_limits<int64_t>::max();
  uint64_t ignored = 0;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return is_word && (token.text == "true" || token.text == "false");
    case FieldDescriptor::CPPTYPE_INT64:
      return token.type == Tokenizer::TYPE_INTEGER &&
             Tokenizer::ParseInteger(token.text, kMax + (negative ? 1 : 0), &ignored);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return token.type == Tokenizer::TYPE_INTEGER ||
             token.type == Tokenizer::TYPE_FLOAT;
    case FieldDescriptor::CPPTYPE_STRING:
      return token.type == Tokenizer::TYPE_STRING && !negative;
    default:
      return false;
  }
}

}  // namespace shardopt::config
