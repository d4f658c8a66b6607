#include "field_scan.h"

#include <cstdint>
#include <map>

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "field_type.h"
#include "schema_names.h"
#include "shardopt.pb.h"
#include "text.h"

namespace shardopt::config {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::io::Tokenizer;
using Token = Tokenizer::Token;

constexpr std::size_t kMaxShownBytes = 60;

Position position_of(const Token& token) { return {token.line, token.column}; }

// The parsers report what the tokenizer has to complain about.
class IgnoredErrors final : public google::protobuf::io::ErrorCollector {
  void AddError(int, int, const std::string&) override {}
};

/// Follows the tokens through the messages that they fill.
class FieldScanner {
 public:
  FieldScanner(const std::string& text, Syntax syntax)
      : stream_(text.data(), static_cast<int>(text.size())),
        tokenizer_(&stream_, &errors_),
        syntax_(syntax) {
    const bool is_text = syntax == Syntax::kText;
    if (is_text) levels_.push_back({Config::descriptor(), ""});
    if (is_text) tokenizer_.set_comment_style(Tokenizer::SH_COMMENT_STYLE);
    tokenizer_.set_require_space_after_number(false);
    tokenizer_.set_allow_f_after_float(true);
  }

  Scan run() {
    while (!is_lost_ && !scan_.problem && tokenizer_.Next()) take(tokenizer_.current());
    if (is_lost_ || scan_.problem) return std::move(scan_);
    if (awaits_value()) fail_without_value();
    const std::size_t closed = syntax_ == Syntax::kText ? 1 : 0;
    if (levels_.size() > closed) scan_.open_block = levels_.back().path;
    scan_.end = position_of(tokenizer_.current());
    return std::move(scan_);
  }

 private:
  struct Level {
    const Descriptor* message;
    std::string path;
    const FieldDescriptor* field = nullptr;  ///< The latest.
    Position name{};                         ///< Of that field.
    bool has_value = true;
    bool in_list = false;
    bool negative = false;
  };

  void take(const Token& token) {
    const std::string& text = token.text;
    if (levels_.empty()) {
      if (text == "{") levels_.push_back({Config::descriptor(), ""});
      return;
    }
    if (text == "{" || text == "<") return open(token);
    if (text == "}" || text == ">") return close();
    if (text == "[") return open_list(token);
    if (text == ":") return;
    Level& level = levels_.back();
    if (text == "]") level.in_list = false;
    const bool is_separator = text == "," || text == ";" || text == "]";
    if (is_separator && awaits_value()) return fail_without_value();
    if (is_separator) return;
    if (level.in_list) return fail_value(token);  // Lists hold blocks only.
    if (level.has_value) return take_name(token);
    take_value(token);
  }

  void take_name(const Token& token) {
    Level& level = levels_.back();
    const bool is_string = token.type == Tokenizer::TYPE_STRING;
    const bool is_text = syntax_ == Syntax::kText;
    if (is_string && is_text) return;  // "a" "b" is one text of two parts.
    if (!is_string && token.type != Tokenizer::TYPE_IDENTIFIER) {
      is_lost_ = true;
      return;
    }
    std::string name = is_string ? "" : token.text;
    if (is_string) Tokenizer::ParseString(token.text, &name);
    const FieldDescriptor* field = level.message->FindFieldByName(name);
    if (field == nullptr) {
      scan_.problem = ScanProblem{position_of(token),
                                  describe_unknown(name, *level.message, level.path)};
      return;
    }
    level.field = field;
    level.name = position_of(token);
    level.has_value = false;
    level.negative = false;
    if (field->message_type() == nullptr) add(field_path(), false, level.name);
  }

  void take_value(const Token& token) {
    Level& level = levels_.back();
    const bool is_minus = token.text == "-" && !level.negative;
    if (is_minus) {
      level.negative = true;
      return;
    }
    if (token.type == Tokenizer::TYPE_SYMBOL) {
      is_lost_ = true;
      return;
    }
    level.has_value = true;
    if (syntax_ == Syntax::kJson && token.text == "null" && !level.negative) return;
    if (is_written_as(*level.field, token, level.negative)) return;
    fail_value(token);
  }

  void open(const Token& token) {
    Level& level = levels_.back();
    if (level.has_value && !level.in_list) {
      is_lost_ = true;
      return;
    }
    level.has_value = true;
    if (level.field->message_type() == nullptr) return fail_value(token);
    std::string path = field_path();
    if (level.field->is_repeated()) {
      path += "[" + std::to_string(entries_[path]++) + "]";
    }
    add(path, true, level.in_list ? position_of(token) : level.name);
    levels_.push_back({level.field->message_type(), std::move(path)});
  }

  void close() {
    if (awaits_value()) return fail_without_value();
    const bool is_root = levels_.size() == 1;
    if (is_root && syntax_ == Syntax::kText) {
      is_lost_ = true;
      return;
    }
    levels_.pop_back();
  }

  void open_list(const Token& token) {
    Level& level = levels_.back();
    if (level.has_value) {
      is_lost_ = true;
      return;
    }
    if (!level.field->is_repeated()) return fail_value(token);
    level.in_list = true;
    level.has_value = true;
  }

  [[nodiscard]] bool awaits_value() const {
    return !levels_.empty() && !levels_.back().has_value;
  }

  [[nodiscard]] std::string field_path() const {
    const Level& level = levels_.back();
    return (level.path.empty() ? "" : level.path + ".") + level.field->name();
  }

  void fail_value(const Token& token) {
    const Level& level = levels_.back();
    const std::string value =
        (level.negative ? "-" : "") + one_line(token.text, kMaxShownBytes);
    fail(position_of(token),
         " is " + value + "; allowed: " + allowed_for(*level.field));
  }

  void fail_without_value() {
    const Level& level = levels_.back();
    fail(level.name, " has no value; allowed: " + allowed_for(*level.field));
  }

  void fail(Position position, const std::string& problem) {
    const std::string path = field_path();
    scan_.problem = ScanProblem{position, path + problem, path};
  }

  void add(const std::string& path, bool is_block, Position position) {
    const auto [first, is_new] = lines_.try_emplace(path, position.line);
    if (is_new) {
      scan_.fields.push_back({path, is_block, position});
      return;
    }
    scan_.problem = ScanProblem{position, path + " is given twice, first in line " +
                                              std::to_string(first->second + 1)};
  }

  IgnoredErrors errors_;
  google::protobuf::io::ArrayInputStream stream_;
  Tokenizer tokenizer_;
  Syntax syntax_;
  std::vector<Level> levels_;
  std::map<std::string, int> entries_;  // Of a list, so far.
  std::map<std::string, int> lines_;    // Where each path was given.
  bool is_lost_ = false;                // The syntax is wrong here; a parser says how.
  Scan scan_;
};

}  // namespace

Scan scan_fields(const std::string& text, Syntax syntax) {
  return FieldScanner(text, syntax).run();
}

}  // namespace shardopt::config
