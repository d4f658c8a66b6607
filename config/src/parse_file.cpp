#include "parse_file.h"

#include <algorithm>
#include <optional>

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/json_util.h>

#include "flatten_message.h"
#include "shardopt.pb.h"

namespace shardopt::config {
namespace {

/// What a parser says is wrong.
struct SyntaxProblem {
  std::optional<Position> position;  ///< JSON's parser knows no columns.
  std::string text;
  bool is_at_end;
};

using Parsed = std::optional<SyntaxProblem>;

class FirstError final : public google::protobuf::io::ErrorCollector {
 public:
  [[nodiscard]] const Parsed& get() const noexcept { return error_; }

 private:
  void AddError(int line, int column, const std::string& message) override {
    if (!error_) error_ = SyntaxProblem{Position{line, column}, message, false};
  }
  Parsed error_;
};

Parsed parse_text(const std::string& text, const Scan& scan, Config& config) {
  google::protobuf::TextFormat::Parser parser;
  FirstError errors;
  parser.RecordErrorsTo(&errors);
  if (parser.ParseFromString(text, &config)) return std::nullopt;
  Parsed problem = errors.get();
  if (!problem) return SyntaxProblem{std::nullopt, "not text format", false};
  problem->is_at_end = problem->position >= scan.end;
  return problem;
}

/// JSON's parser shows what surrounds an error, "message\ncontext\n    ^", instead of
/// saying where it is: its line, if that context occurs once.
std::optional<Position> find_context(const std::string& text, std::string_view error) {
  const std::size_t begin = error.find('\n');
  const std::size_t end = error.rfind('\n');
  if (begin == end) return std::nullopt;
  const std::string_view context = error.substr(begin + 1, end - begin - 1);
  const std::size_t offset = text.find(context);
  const bool is_unique = offset != std::string::npos &&
                         text.find(context, offset + 1) == std::string::npos;
  if (context.empty() || !is_unique) return std::nullopt;
  const std::size_t caret = offset + (error.size() - end - 2);
  const auto caret_iterator = text.begin() + static_cast<std::ptrdiff_t>(caret);
  return Position{static_cast<int>(std::count(text.begin(), caret_iterator, '\n')), 0};
}

Parsed parse_json(const std::string& text, const Scan&, Config& config) {
  const auto status = google::protobuf::util::JsonStringToMessage(text, &config);
  if (status.ok()) return std::nullopt;
  const std::string error(status.message().data(), status.message().size());
  const std::string first_line = error.substr(0, error.find('\n'));
  const bool is_at_end = error.find("\n\n") != std::string::npos;
  const std::size_t begin = std::min(first_line.find_first_not_of(": "), error.size());
  return SyntaxProblem{find_context(text, error), first_line.substr(begin), is_at_end};
}

FileProblem describe(const SyntaxProblem& problem, const Scan& scan) {
  if (problem.is_at_end && scan.open_block) {
    const std::string& block = *scan.open_block;
    const std::string where = block.empty() ? "" : " inside '" + block + "'";
    return {scan.end.line + 1, "the file ends" + where + "; a } is missing", ""};
  }
  const int line = problem.position ? problem.position->line + 1 : 0;
  return {line, "syntax error: " + problem.text, ""};
}

bool comes_first(const ScanProblem& found, const Parsed& parsed, Syntax syntax) {
  if (!parsed || !parsed->position) return true;
  if (syntax == Syntax::kJson) return found.position.line <= parsed->position->line;
  return found.position <= *parsed->position;
}

}  // namespace

std::variant<ParsedFile, FileProblem> parse_file(const std::string& text,
                                                 Syntax syntax) {
  const Scan scan = scan_fields(text, syntax);
  Config config;
  const auto parse = syntax == Syntax::kJson ? parse_json : parse_text;
  const Parsed syntax_problem = parse(text, scan, config);
  const auto& found = scan.problem;
  if (found && comes_first(*found, syntax_problem, syntax)) {
    return FileProblem{found->position.line + 1, found->text, found->path};
  }
  if (syntax_problem) return describe(*syntax_problem, scan);
  return flatten_message(config, scan);
}

}  // namespace shardopt::config
