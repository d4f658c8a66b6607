#include "state_difference.h"

#include <c10/util/StringUtil.h>

#include "shardopt/core/error.h"

namespace shardopt::optim {
namespace {

using ShapeOf = std::vector<int64_t> (*)(const StateTensor&);

std::vector<int64_t> shape_here(const StateTensor& state) {
  return state.tensor.sizes().vec();
}

std::string describe(const StateTensor& state, ShapeOf shape_of) {
  if (!state.tensor.defined()) return "undefined";
  const std::vector<int64_t> shape = shape_of(state);
  return c10::str(state.tensor.scalar_type(), at::IntArrayRef(shape));
}

bool is_same_kind(const StateTensor& a, const StateTensor& b, ShapeOf shape_of) {
  return a.tensor.defined() && b.tensor.defined() && shape_of(a) == shape_of(b) &&
         a.tensor.scalar_type() == b.tensor.scalar_type();
}

// Collects what differs at and below one place of the tree.
class Comparison {
 public:
  explicit Comparison(std::vector<std::string>& problems) : problems_(problems) {}

  void compare(const StateTree& expected, const StateTree& found,
               const std::string& path) {
    if (expected.kind == kRecordOnly && found.kind == kRecordOnly) return;
    if (found.kind != expected.kind) {
      report(path, "kind is '", found.kind, "', here '", expected.kind, "'");
      return;  // What follows would be noise.
    }
    if (found.version != expected.version) {
      report(path, "version is ", found.version, ", here ", expected.version);
      return;
    }
    match(expected.values, found.values, path, "value");
    match(expected.tensors, found.tensors, path, "slot");
    match(expected.children, found.children, path, "part");
  }

 private:
  template <typename... Text>
  void report(const std::string& path, const Text&... text) {
    problems_.push_back((path.empty() ? "" : path + ": ") + c10::str(text...));
  }

  template <typename Map>
  void match(const Map& expected, const Map& found, const std::string& path,
             const char* what) {
    for (const auto& [name, mine] : expected) {
      const auto it = found.find(name);
      if (it == found.end()) {
        report(path, what, " '", name, "' is missing");
      } else {
        check(mine, it->second, path, name);
      }
    }
    for (const auto& [name, theirs] : found) {
      if (!expected.contains(name)) report(path, what, " '", name, "' is unknown");
    }
  }

  void check(const StateValue& expected, const StateValue& found,
             const std::string& path, const std::string& name) {
    if (expected.index() != found.index()) {
      report(path, "value '", name, "' has another type");
      return;
    }
    const auto* text = std::get_if<std::string>(&expected);
    if (text == nullptr || expected == found) return;
    report(path, name, " is '", std::get<std::string>(found), "', here '", *text, "'");
  }

  void check(const StateTensor& expected, const StateTensor& found,
             const std::string& path, const std::string& name) {
    const bool is_description = found.tensor.defined() && found.tensor.is_meta();
    const ShapeOf shape_of = is_description ? whole_shape : shape_here;
    if (!is_same_kind(expected, found, shape_of)) {
      report(path, "slot '", name, "' is ", describe(found, shape_of), ", here ",
             describe(expected, shape_of));
    } else if (expected.spread != found.spread ||
               (!is_description && expected.shard != found.shard)) {
      report(path, "slot '", name, "' is cut in another way");
    }
  }

  void check(const StateTree& expected, const StateTree& found, const std::string& path,
             const std::string& name) {
    compare(expected, found, path.empty() ? name : path + "/" + name);
  }

  std::vector<std::string>& problems_;
};

}  // namespace

std::vector<std::string> differences(const StateTree& expected,
                                     const StateTree& found) {
  std::vector<std::string> problems;
  Comparison(problems).compare(expected, found, "");
  return problems;
}

void check_same(const StateTree& expected, const StateTree& found,
                std::string_view what) {
  const std::vector<std::string> problems = differences(expected, found);
  if (problems.empty()) return;
  SHARDOPT_THROW(CheckpointError, "this state is not of ", what, ": ",
                 c10::Join("; ", problems));
}

}  // namespace shardopt::optim
