#include "safetensors_json.h"

#include <set>
#include <vector>

#include <nlohmann/json.hpp>

#include "shardopt/core/error.h"

namespace shardopt::checkpoint {
namespace {

using nlohmann::json;

constexpr int kMaxDepth = 3;  // {name: {"shape": [...]}}

void check_text(std::string_view text) {
  if (text.find('\0') == std::string_view::npos) return;
  SHARDOPT_THROW(CheckpointError, "a name or text holds a NUL: ",
                 json(text.substr(0, text.find('\0'))).dump(), "...");
}

// Looks on while the parser works: the finished value would hold only the last of two
// equal keys.
class KeyCheck {
 public:
  void see(int depth, json::parse_event_t event, const json& parsed) {
    const bool opens = event == json::parse_event_t::object_start ||
                       event == json::parse_event_t::array_start;
    if (opens && depth >= kMaxDepth) {
      SHARDOPT_THROW(CheckpointError, "the header nests deeper than ", kMaxDepth);
    }
    if (event == json::parse_event_t::object_start) keys_.emplace_back();
    if (event == json::parse_event_t::object_end) keys_.pop_back();
    if (event == json::parse_event_t::key) see_key(parsed.get<std::string>());
    if (event == json::parse_event_t::value && parsed.is_string()) {
      check_text(parsed.get_ref<const std::string&>());
    }
  }

 private:
  void see_key(const std::string& key) {
    check_text(key);
    if (keys_.back().insert(key).second) return;
    SHARDOPT_THROW(CheckpointError, "the header holds the key ", json(key).dump(),
                   " twice");
  }

  std::vector<std::set<std::string>> keys_;  // Of the objects that are open.
};

}  // namespace

json parse_json(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) {  // The parser would stop there.
    SHARDOPT_THROW(CheckpointError, "the header is not JSON: it holds a NUL");
  }
  KeyCheck check;
  const auto look_on = [&](int depth, json::parse_event_t event, json& parsed) {
    check.see(depth, event, parsed);
    return true;
  };
  try {
    json parsed = json::parse(text, look_on);
    if (parsed.is_object()) return parsed;
  } catch (const json::exception& error) {
    SHARDOPT_THROW(CheckpointError, "the header is not JSON: ", error.what());
  }
  SHARDOPT_THROW(CheckpointError, "the header is JSON, but not an object");
}

std::string quote(std::string_view text) {
  try {
    check_text(text);
    return json(text).dump();
  } catch (const json::exception&) {
    SHARDOPT_THROW(CheckpointError, "a name or text is not UTF-8: ",
                   json(text).dump(-1, ' ', true, json::error_handler_t::replace));
  }
}

}  // namespace shardopt::checkpoint
