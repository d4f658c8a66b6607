#include "replay/json_fields.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include <ATen/ops/empty.h>

#include "shardopt/core/names.h"

namespace shardopt::replay {
namespace {

constexpr std::size_t kMaxShownBytes = 60;

/// A value in a message: short, on one line.
std::string shown(const Json& json) {
  std::string text = json.dump(-1, ' ', true, Json::error_handler_t::replace);
  if (text.size() > kMaxShownBytes) text = text.substr(0, kMaxShownBytes) + "...";
  return text;
}

/// Notes each key of the objects that are open, and complains of a second one.
class KeyWatch {
 public:
  bool operator()(int, Json::parse_event_t event, const Json& value) {
    if (event == Json::parse_event_t::object_start) open_.emplace_back();
    if (event == Json::parse_event_t::object_end) open_.pop_back();
    const bool is_key = event == Json::parse_event_t::key;
    if (is_key && !open_.back().insert(value.get<std::string>()).second) {
      SHARDOPT_THROW(ConfigError, shown(value), " is given twice in one object");
    }
    return true;
  }

 private:
  std::vector<std::set<std::string>> open_;
};

/// The parser's message without its own name and number.
std::string parser_message(const Json::exception& error) {
  std::string text = error.what();  // Shows what it read, whatever bytes those are.
  std::ranges::replace_if(
      text, [](char c) { return c < ' ' || c > '~'; }, '?');
  const std::size_t begin = text.find("] ");
  return begin == std::string::npos ? text : text.substr(begin + 2);
}

double as_number(const Json& json, const std::string& field, Values allowed) {
  if (json.is_number()) return json.get<double>();
  const bool is_special = allowed == Values::kAny && json.is_string();
  const std::string text = is_special ? json.get<std::string>() : "";
  if (text == "inf") return std::numeric_limits<double>::infinity();
  if (text == "-inf") return -std::numeric_limits<double>::infinity();
  if (text == "nan") return std::numeric_limits<double>::quiet_NaN();
  refuse(field, "is ", shown(json), "; allowed: a number",
         allowed == Values::kAny ? ", \"inf\", \"-inf\", \"nan\"" : "");
}

template <typename Scalar>
void fill(at::Tensor& tensor, const Json& json, const std::string& field,
          Values allowed) {
  auto* out = tensor.mutable_data_ptr<Scalar>();
  for (std::size_t i = 0; i < json.size(); ++i) {
    const double value = as_number(json[i], entry(field, i), allowed);
    const bool is_too_large =
        std::isfinite(value) && std::abs(value) > std::numeric_limits<Scalar>::max();
    if (is_too_large) {
      refuse(entry(field, i), "is ", shown(json[i]), "; allowed: up to ",
             std::numeric_limits<Scalar>::max(), ", the largest float32");
    }
    out[i] = static_cast<Scalar>(value);
  }
}

}  // namespace

Json parse_object(const std::string& text) {
  Json json;
  try {
    json = Json::parse(text, KeyWatch());
  } catch (const Json::exception& error) {
    SHARDOPT_THROW(ConfigError, "not JSON: ", parser_message(error));
  }
  if (!json.is_object()) {
    SHARDOPT_THROW(ConfigError, "is ", shown(json), "; allowed: an object");
  }
  return json;
}

void check_keys(const Json& json, const std::string& field,
                std::span<const std::string> known) {
  if (!json.is_object()) refuse(field, "is ", shown(json), "; allowed: an object");
  for (const auto& item : json.items()) {
    if (std::ranges::find(known, item.key()) != known.end()) continue;
    const std::string of = field.empty() ? "" : " of " + field;
    SHARDOPT_THROW(ConfigError, "unknown field ", shown(Json(item.key())), of,
                   did_you_mean(item.key().substr(0, kMaxShownBytes), known),
                   "; known: ", c10::Join(", ", known));
  }
}

const Json& required(const Json& json, const std::string& field,
                     const std::string& key) {
  const auto found = json.find(key);
  const std::string path = field.empty() ? key : field + "." + key;
  if (found == json.end()) refuse(path, "is missing");
  return *found;
}

const Json& as_list(const Json& json, const std::string& field) {
  if (!json.is_array()) refuse(field, "is ", shown(json), "; allowed: a list");
  return json;
}

std::string as_text(const Json& json, const std::string& field) {
  if (!json.is_string()) refuse(field, "is ", shown(json), "; allowed: a text");
  return json.get<std::string>();
}

int64_t as_integer(const Json& json, const std::string& field, int64_t min,
                   int64_t max) {
  const bool fits =
      json.is_number_integer() && (!json.is_number_unsigned() ||
                                   json.get<uint64_t>() <= static_cast<uint64_t>(max));
  if (fits && json.get<int64_t>() >= min && json.get<int64_t>() <= max) {
    return json.get<int64_t>();
  }
  refuse(field, "is ", shown(json), "; allowed: a whole number from ", min, " to ",
         max);
}

at::Tensor as_tensor(const Json& json, const std::string& field,
                     std::span<const int64_t> shape, at::ScalarType dtype,
                     Values allowed) {
  at::Tensor tensor =
      at::empty({shape.data(), shape.size()}, at::TensorOptions().dtype(dtype));
  const std::size_t count = static_cast<std::size_t>(tensor.numel());
  if (as_list(json, field).size() != count) {
    refuse(field, "has ", json.size(), " values; allowed: ", count,
           ", as the shape says");
  }
  if (dtype == at::kFloat) {
    fill<float>(tensor, json, field, allowed);
  } else {
    fill<double>(tensor, json, field, allowed);
  }
  return tensor;
}

std::string entry(const std::string& list, std::size_t index) {
  return list + "[" + std::to_string(index) + "]";
}

}  // namespace shardopt::replay
