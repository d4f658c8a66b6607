#include "flatten_message.h"

#include <map>
#include <optional>
#include <set>
#include <utility>

#include <google/protobuf/message.h>

#include "shardopt.pb.h"

namespace shardopt::config {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

OptionValue scalar(const Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.GetBool(message, &field);
    case FieldDescriptor::CPPTYPE_INT64:
      return reflection.GetInt64(message, &field);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection.GetDouble(message, &field);
    default:
      return reflection.GetString(message, &field);
  }
}

class Flattener {
 public:
  explicit Flattener(const Scan& scan) {
    for (const ScannedField& field : scan.fields) {
      lines_.emplace(field.path, field.position.line + 1);
      if (field.is_block) parsed_.blocks.push_back(field.path);
    }
  }

  std::variant<ParsedFile, FileProblem> run(const Config& config) {
    add_fields(config, "");
    if (problem_) return *std::move(problem_);
    return std::move(parsed_);
  }

 private:
  void add_fields(const Message& message, const std::string& prefix) {
    std::vector<const FieldDescriptor*> set;
    message.GetReflection()->ListFields(message, &set);
    for (const FieldDescriptor* field : set) {
      const std::string path = prefix + field->name();
      if (field->message_type() == nullptr) {
        parsed_.fields.push_back({path, line_of(path), scalar(message, *field)});
      } else {
        add_messages(message, *field, path);
      }
    }
  }

  void add_messages(const Message& message, const FieldDescriptor& field,
                    const std::string& path) {
    const Reflection& reflection = *message.GetReflection();
    if (!field.is_repeated()) {
      return add_fields(reflection.GetMessage(message, &field), path + ".");
    }
    for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
      const Message& entry = reflection.GetRepeatedMessage(message, &field, i);
      const std::string entry_path = path + "[" + std::to_string(i) + "]";
      const auto* named = dynamic_cast<const NamedValue*>(&entry);
      if (named != nullptr) {
        add_named_value(*named, path, entry_path);
      } else {
        add_fields(entry, entry_path + ".");
      }
    }
  }

  void add_named_value(const NamedValue& named, const std::string& list,
                       const std::string& entry) {
    const int line = line_of(entry);
    if (named.name().empty()) return fail(line, entry + " has no name");
    const FieldDescriptor* value = named.GetReflection()->GetOneofFieldDescriptor(
        named, NamedValue::descriptor()->FindOneofByName("value"));
    const std::string path = list + "." + named.name();
    if (value == nullptr) {
      return fail(line,
                  path + " has no value; allowed: one of flag, integer, number, text");
    }
    if (!names_.insert(named.name()).second)
      return fail(line, path + " is given twice");
    parsed_.fields.push_back({path, line, scalar(named, *value)});
  }

  void fail(int line, std::string text) {
    if (!problem_) problem_ = FileProblem{line, std::move(text), ""};
  }

  [[nodiscard]] int line_of(const std::string& path) const {
    const auto line = lines_.find(path);
    return line == lines_.end() ? 0 : line->second;
  }

  std::map<std::string, int> lines_;
  std::set<std::string> names_;  // Of entries of optimizer.options.
  ParsedFile parsed_;
  std::optional<FileProblem> problem_;
};

}  // namespace

std::variant<ParsedFile, FileProblem> flatten_message(const Config& config,
                                                      const Scan& scan) {
  return Flattener(scan).run(config);
}

}  // namespace shardopt::config
