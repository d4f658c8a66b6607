#include "host_list.h"

#include <charconv>
#include <optional>

#include "shardopt/core/error.h"

namespace shardopt::distributed {
namespace {

constexpr std::string_view kDigits = "0123456789";

// Takes what lies before `end` off the front of `text`, and `end` itself; everything if
// there is no `end`.
std::string_view take_until(std::string_view& text, char end) {
  const auto length = text.find(end);
  const auto taken = text.substr(0, length);
  text.remove_prefix(length == std::string_view::npos ? text.size() : length + 1);
  return taken;
}

std::optional<int> count_of(std::string_view text) {
  int value = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  const bool is_count = parsed.ec == std::errc() && parsed.ptr == end && value >= 1;
  return is_count ? std::optional(value) : std::nullopt;
}

// The first number of "01-03,07", as it is written.
std::optional<std::string_view> first_number(std::string_view ranges) {
  const auto number = ranges.substr(0, ranges.find_first_not_of(kDigits));
  if (number.empty()) return std::nullopt;
  const bool ends_well = number.size() == ranges.size() ||
                         ranges[number.size()] == ',' || ranges[number.size()] == '-';
  return ends_well ? std::optional(number) : std::nullopt;
}

std::optional<std::string> first_host(std::string_view list) {
  std::string host;
  while (!list.empty() && list.front() != ',') {
    if (list.front() != '[') {
      const auto plain = list.substr(0, list.find_first_of("[],"));
      if (plain.empty()) return std::nullopt;  // "]"
      host += plain;
      list.remove_prefix(plain.size());
      continue;
    }
    if (list.find(']') == std::string_view::npos) return std::nullopt;
    list.remove_prefix(1);
    const auto number = first_number(take_until(list, ']'));
    if (!number) return std::nullopt;
    host += *number;
  }
  return host.empty() ? std::nullopt : std::optional(host);
}

struct Nodes {
  int tasks;  // Of each of them.
  int count;
};

// "2(x3)" or "2".
std::optional<Nodes> parse_nodes(std::string_view entry) {
  const auto tasks = count_of(entry.substr(0, entry.find("(x")));
  if (!tasks) return std::nullopt;
  if (entry.find("(x") == std::string_view::npos) return Nodes{*tasks, 1};
  if (entry.back() != ')') return std::nullopt;
  entry.remove_suffix(1);
  const auto count = count_of(entry.substr(entry.find("(x") + 2));
  return count ? std::optional(Nodes{*tasks, *count}) : std::nullopt;
}

}  // namespace

std::string first_host(const std::string& name, std::string_view list) {
  const auto host = first_host(list);
  if (!host) {
    SHARDOPT_THROW(ConfigError, name, " is '", list,
                   "'; allowed: hosts, such as node[01-03,07],gpu5");
  }
  return *host;
}

int tasks_on_node(const std::string& name, std::string_view counts, int node) {
  std::string_view rest = counts;
  int nodes = 0;
  while (!rest.empty()) {
    const auto entry = parse_nodes(take_until(rest, ','));
    if (!entry) break;
    if (node - nodes < entry->count) return entry->tasks;
    nodes += entry->count;
  }
  SHARDOPT_THROW(ConfigError, name, " is '", counts,
                 "'; allowed: tasks of each node, such as 2(x3),1, for at least ",
                 node + 1, " node(s)");
}

}  // namespace shardopt::distributed
