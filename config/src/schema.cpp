#include "schema.h"

#include <stdexcept>

#include "shardopt/core/names.h"

#include "schema_names.h"
#include "shardopt.pb.h"
#include "text.h"

namespace shardopt::config {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

constexpr std::size_t kMaxNameBytes = 60;

std::string type_of(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return "flag";
    case FieldDescriptor::CPPTYPE_INT64:
      return "integer";
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return "number";
    case FieldDescriptor::CPPTYPE_STRING:
      return "text";
    default:
      throw std::logic_error("no option is of the type of field " + field.full_name());
  }
}

void append_fields(const Descriptor& message, const std::string& prefix,
                   std::vector<SchemaField>& fields) {
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    const std::string path = prefix + field.name() + (field.is_repeated() ? "[0]" : "");
    if (field.message_type() == nullptr) {
      fields.push_back({path, type_of(field)});
    } else if (field.message_type() == NamedValue::descriptor()) {
      fields.push_back({path, "named values"});
    } else {
      append_fields(*field.message_type(), path + ".", fields);
    }
  }
}

std::vector<std::string> field_names(const Descriptor& message) {
  std::vector<std::string> names;
  for (int i = 0; i < message.field_count(); ++i) {
    names.push_back(message.field(i)->name());
  }
  return names;
}

std::string comma_separated(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

std::vector<SchemaField> schema_fields() {
  std::vector<SchemaField> fields;
  append_fields(*Config::descriptor(), "", fields);
  return fields;
}

std::string path_problem(std::string_view path) {
  const Descriptor* message = Config::descriptor();
  std::string block;
  while (message != nullptr) {
    const std::string_view part = path.substr(0, path.find('.'));
    const std::string name(part.substr(0, part.find('[')));
    const bool has_index = name.size() < part.size();
    const FieldDescriptor* field = message->FindFieldByName(name);
    if (field == nullptr) return describe_unknown(name, *message, block);
    block += (block.empty() ? "" : ".") + std::string(part);
    if (has_index && !field->is_repeated()) return block + ": this field is no list";
    if (field->is_repeated() && !has_index) {
      return block + " is a list; say which entry, as " + block + "[0]";
    }
    message = field->message_type();
    const bool is_last = part.size() == path.size();
    if (is_last && message == nullptr) return "";
    if (is_last) {
      return block + " is a block; set one of its fields: " +
             comma_separated(field_names(*message));
    }
    path.remove_prefix(part.size() + 1);
  }
  return block + " has no fields";
}

std::string describe_unknown(std::string_view name, const Descriptor& message,
                             std::string_view block) {
  const std::vector<std::string> known = field_names(message);
  std::string text = "unknown field '" + one_line(name, kMaxNameBytes) + "'";
  if (!block.empty()) text.append(" of ").append(block);
  if (name.size() <= kMaxNameBytes) text += did_you_mean(name, known);
  return text + "; known: " + comma_separated(known);
}

}  // namespace shardopt::config
