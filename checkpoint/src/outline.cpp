#include "outline.h"

#include <bit>
#include <sstream>
#include <type_traits>
#include <variant>

#include <c10/util/StringUtil.h>

#include "agree.h"
#include "safetensors_dtypes.h"
#include "shardopt/checkpoint/checkpoint_failure.h"
#include "shardopt/core/digest.h"
#include "shardopt/distributed/communicator.h"
#include "shardopt/distributed/small_messages.h"

namespace shardopt::checkpoint {
namespace {

std::string bits(double value) {
  return c10::str(value, " (", std::bit_cast<uint64_t>(value), ")");
}

std::string text_of(const StateValue& value) {
  const auto format = [](const auto& held) -> std::string {
    using Held = std::decay_t<decltype(held)>;
    if constexpr (std::is_same_v<Held, double>) {
      return bits(held);
    } else if constexpr (std::is_same_v<Held, std::vector<double>>) {
      std::string text = "[";
      for (const double x : held) text += bits(x) + " ";
      return text + "]";
    } else {
      return c10::str(held);
    }
  };
  return std::visit(format, value) + c10::str(" of type ", value.index());
}

void add(const StoredState& state, const std::string& path, std::ostream& lines) {
  lines << path << "kind = " << state.kind << ", version " << state.version << "\n";
  for (const auto& [key, value] : state.values) {
    lines << path << key << " = " << text_of(value) << "\n";
  }
  for (const auto& [name, child] : state.children) {
    add(child, path + name + "/", lines);
  }
}

void add(const FlatTensor& tensor, std::ostream& lines) {
  lines << "tensor " << tensor.name << ": "
        << dtype_name(tensor.local.scalar_type()).value() << ", spread "
        << static_cast<int>(tensor.spread);
  if (tensor.spread != Spread::kPerRank) {
    lines << ", shape " << c10::Join(" ", tensor.shape);
  }
  lines << ", cut at " << c10::Join(" ", tensor.offsets) << ", aliases "
        << c10::Join(" ", tensor.aliases) << "\n";
}

std::string first_difference(const std::string& ours, const std::string& theirs) {
  std::istringstream here(ours);
  std::istringstream there(theirs);
  std::string mine;
  std::string other;
  while (std::getline(here, mine)) {
    if (!std::getline(there, other)) return "'" + mine + "' is not on rank 0";
    if (mine != other) return "'" + mine + "', on rank 0 '" + other + "'";
  }
  return std::getline(there, other) ? "'" + other + "' is only on rank 0" : "nothing";
}

}  // namespace

std::string outline(const FlatState& flat) {
  std::ostringstream lines;
  add(flat.state, "", lines);
  for (const FlatTensor& tensor : flat.tensors) add(tensor, lines);
  return lines.str();
}

void check_same_outline(distributed::Communicator& world, const std::string& text) {
  const auto mine = static_cast<int64_t>(digest(text));
  const int64_t least = distributed::min_over_ranks(world, mine);
  const int64_t most = ~distributed::min_over_ranks(world, ~mine);
  if (least == most) return;
  const std::string theirs = distributed::broadcast_text(world, text);
  agree(world, [&] {
    if (text == theirs) return;
    SHARDOPT_CHECKPOINT_FAIL(Fault::kMismatch, "ranks save different states: ",
                             first_difference(text, theirs));
  });
}

}  // namespace shardopt::checkpoint
