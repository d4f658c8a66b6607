#include <array>
#include <cmath>
#include <cstdio>

#include "replay/json_fields.h"
#include "replay/run.h"

namespace shardopt::replay {
namespace {

constexpr std::array<char, 8> kFormat{"%.17g"};

std::string number(double value) {
  if (std::isnan(value)) return "\"nan\"";
  if (std::isinf(value)) return value > 0.0 ? "\"inf\"" : "\"-inf\"";
  std::array<char, 32> text{};
  (void)std::snprintf(text.data(), text.size(), kFormat.data(), value);
  return text.data();
}

std::string quoted(const std::string& text) { return Json(text).dump(); }

/// "[...]" of what `write` makes of each item.
template <typename Items, typename Write>
std::string list(const Items& items, const Write& write, const char* separator = ", ") {
  std::string text;
  for (const auto& item : items) text += (text.empty() ? "" : separator) + write(item);
  return "[" + text + "]";
}

std::string values(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.to(at::kDouble).reshape({-1});
  return list(
      std::span(flat.const_data_ptr<double>(), static_cast<std::size_t>(flat.numel())),
      number);
}

std::string weights(const std::vector<Weights>& calls) {
  return list(
      calls, [](const Weights& call) { return list(call, values); }, ",\n    ");
}

std::string lr(const std::optional<std::vector<double>>& groups) {
  return groups ? list(*groups, number) : "null";
}

std::string group(const GroupRecord& group) {
  return "{\"name\": " + quoted(group.name) +
         ", \"algorithm\": " + quoted(group.algorithm) +
         ", \"parameters\": " + list(group.parameters, quoted) +
         ", \"weight_decay\": " + number(group.weight_decay) + "}";
}

}  // namespace

std::string to_json(const Replay& replay) {
  std::string text = "{\n  \"parameters\": " + weights(replay.parameters);
  if (replay.evaluation) text += ",\n  \"evaluation\": " + weights(*replay.evaluation);
  text += ",\n  \"lr\": " + list(replay.lr, lr);
  text += ",\n  \"updates\": " +
          list(replay.updates, [](int64_t updates) { return std::to_string(updates); });
  text += ",\n  \"loss_scale\": " + list(replay.loss_scale, number);
  text += ",\n  \"groups\": " + list(replay.groups, group, ",\n    ");
  return text + "\n}\n";
}

}  // namespace shardopt::replay
