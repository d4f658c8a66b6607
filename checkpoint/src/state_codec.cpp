#include "state_codec.h"

#include <bit>
#include <type_traits>
#include <utility>
#include <variant>

#include "manifest.pb.h"
#include "manifest_codec.h"
#include "paths.h"

namespace shardopt::checkpoint {
namespace {

void encode(const StateValue& value, v1::Entry& entry) {
  const auto set = [&](const auto& held) {
    using Held = std::decay_t<decltype(held)>;
    if constexpr (std::is_same_v<Held, bool>) {
      entry.set_flag(held);
    } else if constexpr (std::is_same_v<Held, int64_t>) {
      entry.set_i64(held);
    } else if constexpr (std::is_same_v<Held, uint64_t>) {
      entry.set_u64(held);
    } else if constexpr (std::is_same_v<Held, double>) {
      entry.set_f64_bits(std::bit_cast<uint64_t>(held));
    } else if constexpr (std::is_same_v<Held, std::string>) {
      entry.set_text(held);
    } else {
      auto* numbers = entry.mutable_numbers();
      for (const double x : held) numbers->add_f64_bits(std::bit_cast<uint64_t>(x));
    }
  };
  std::visit(set, value);
}

StateValue decode(const v1::Entry& entry) {
  switch (entry.value_case()) {
    case v1::Entry::kFlag:
      return entry.flag();
    case v1::Entry::kI64:
      return int64_t{entry.i64()};
    case v1::Entry::kU64:
      return uint64_t{entry.u64()};
    case v1::Entry::kF64Bits:
      return std::bit_cast<double>(uint64_t{entry.f64_bits()});
    case v1::Entry::kText:
      return as_text(entry.text());
    case v1::Entry::kNumbers: {
      std::vector<double> numbers;
      for (const uint64_t bits : entry.numbers().f64_bits()) {
        numbers.push_back(std::bit_cast<double>(bits));
      }
      return numbers;
    }
    case v1::Entry::VALUE_NOT_SET:
      break;
  }
  throw Problem("value '" + as_text(entry.key()) + "' is of no known type");
}

v1::Spread encode(Spread spread) {
  return static_cast<v1::Spread>(static_cast<int>(spread) + 1);
}

Spread decode(v1::Spread spread) {
  if (spread < v1::CUT || spread > v1::FIRST_RANK) throw Problem("an unknown spread");
  return static_cast<Spread>(static_cast<int>(spread) - 1);
}

// Only at the end of `map`: keys come once each, and rise.
template <typename Map, typename Value>
void append(Map& map, const std::string& key, Value value) {
  if (!map.empty() && map.rbegin()->first >= as_text(key)) {
    throw Problem("'" + key + "' is not behind the name before it");
  }
  map.emplace_hint(map.end(), as_text(key), std::move(value));
}

StoredState decode(const v1::State& message, int depth) {
  if (depth > kMaxStateDepth) throw Problem("parts are nested too deep");
  StoredState state{.kind = as_text(message.kind()), .version = message.version()};
  for (const auto& entry : message.values()) {
    append(state.values, entry.key(), decode(entry));
  }
  for (const auto& tensor : message.tensors()) {
    append(state.tensors, tensor.slot(),
           TensorReference{as_text(tensor.tensor()), decode(tensor.spread())});
  }
  for (const auto& child : message.children()) {
    append(state.children, child.name(), decode(child.state(), depth + 1));
  }
  return state;
}

}  // namespace

const std::string& as_text(const std::string& bytes) {
  if (!is_utf8(bytes)) throw Problem("a text is not UTF-8");
  return bytes;
}

void encode_state(const StoredState& state, v1::State& message) {
  message.set_kind(state.kind);
  message.set_version(state.version);
  for (const auto& [key, value] : state.values) {
    auto* entry = message.add_values();
    entry->set_key(key);
    encode(value, *entry);
  }
  for (const auto& [slot, reference] : state.tensors) {
    auto* tensor = message.add_tensors();
    tensor->set_slot(slot);
    tensor->set_tensor(reference.tensor);
    tensor->set_spread(encode(reference.spread));
  }
  for (const auto& [name, child] : state.children) {
    auto* named = message.add_children();
    named->set_name(name);
    encode_state(child, *named->mutable_state());
  }
}

StoredState decode_state(const v1::State& message) { return decode(message, 0); }

}  // namespace shardopt::checkpoint
