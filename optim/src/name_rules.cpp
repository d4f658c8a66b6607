#include "name_rules.h"

#include <algorithm>
#include <utility>

#include "shardopt/core/error.h"

namespace shardopt::optim {
namespace {

char to_lower(char letter) {
  return 'A' <= letter && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a')
                                        : letter;
}

bool contains_word(std::string name, std::string_view word) {
  std::ranges::transform(name, name.begin(), to_lower);
  return name.find(word) != std::string::npos;
}

}  // namespace

bool has_bias_name(const Parameter& parameter) {
  return contains_word(parameter.name, "bias");
}

bool is_embedding(const Parameter& parameter) {
  return parameter.role == ParameterRole::kEmbedding ||
         contains_word(parameter.name, "embedding");
}

std::regex compile_pattern(std::string_view field, const std::string& pattern) {
  try {
    return std::regex(pattern);
  } catch (const std::regex_error& error) {
    SHARDOPT_THROW(ConfigError, field, " '", pattern,
                   "' is not a regular expression: ", error.what());
  }
}

NamePattern::NamePattern(std::string field, std::string pattern)
    : field_(std::move(field)), pattern_(std::move(pattern)) {
  if (!pattern_.empty()) regex_ = compile_pattern(field_, pattern_);
}

bool NamePattern::finds(const Parameter& parameter) {
  if (!regex_) return false;
  was_asked_ = true;
  const bool is_found = std::regex_search(parameter.name, *regex_);
  has_found_ = has_found_ || is_found;
  return is_found;
}

bool NamePattern::is_idle() const noexcept {
  return regex_ && was_asked_ && !has_found_;
}

void NamePattern::fail_as_idle() const {
  SHARDOPT_THROW(ConfigError, field_, " '", pattern_, "' matches no parameter");
}

}  // namespace shardopt::optim
