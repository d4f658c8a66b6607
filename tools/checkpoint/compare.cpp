// The command `diff`.
#include <cstdio>
#include <map>
#include <string>

#include <ATen/ATen.h>

#include "checkpoint/commands.h"
#include "checkpoint/step_path.h"
#include "shardopt/checkpoint/inspect.h"
#include "shardopt/core/digest.h"

namespace shardopt::checkpoint_tool {
namespace {

namespace fs = std::filesystem;
using namespace shardopt::checkpoint;

// Compares step `a` with step `b` and prints what differs.
class Comparison {
 public:
  Comparison(const OpenStep& a, const OpenStep& b) : a_(a), b_(b) {}

  bool run() {
    if (a_.manifest.step != b_.manifest.step) {
      report("step", std::to_string(a_.manifest.step),
             std::to_string(b_.manifest.step));
    }
    if (a_.manifest.config_text != b_.manifest.config_text) {
      print("configuration: differs (show --config prints it)");
    }
    compare(a_.manifest.state, b_.manifest.state, "");
    for (const StoredTensor& tensor : a_.manifest.tensors) compare(tensor);
    for (const StoredTensor& tensor : b_.manifest.tensors) {
      if (find_tensor(a_.manifest, tensor.name) == nullptr) {
        print(tensor.name + ": only in the second");
      }
    }
    return is_different_;
  }

 private:
  void print(const std::string& line) {
    is_different_ = true;
    std::printf("%s\n", line.c_str());
  }

  void report(const std::string& what, const std::string& a, const std::string& b) {
    print(what + ": " + a + " and " + b);
  }

  template <typename Map, typename Compare>
  void match(const Map& a, const Map& b, const std::string& path,
             Compare compare_both) {
    for (const auto& [name, mine] : a) {
      const auto it = b.find(name);
      if (it == b.end()) {
        print(path + name + ": only in the first");
      } else {
        compare_both(name, mine, it->second);
      }
    }
    for (const auto& [name, theirs] : b) {
      if (!a.contains(name)) print(path + name + ": only in the second");
    }
  }

  void compare(const StoredState& a, const StoredState& b, const std::string& path) {
    if (a.kind != b.kind) report(path + "kind", a.kind, b.kind);
    if (a.version != b.version) {
      report(path + "version", std::to_string(a.version), std::to_string(b.version));
    }
    match(a.values, b.values, path,
          [&](const std::string& key, const StateValue& x, const StateValue& y) {
            const std::string first = format_value(x);
            const std::string second = format_value(y);
            if (x.index() != y.index() || first != second) {
              report(path + key, first, second);
            }
          });
    match(a.children, b.children, path,
          [&](const std::string& name, const StoredState& x, const StoredState& y) {
            compare(x, y, path + name + "/");
          });
  }

  void compare(const StoredTensor& tensor) {
    const StoredTensor* other = find_tensor(b_.manifest, tensor.name);
    if (other == nullptr) {
      print(tensor.name + ": only in the first");
      return;
    }
    if (tensor.dtype != other->dtype || tensor.shape != other->shape) {
      report(tensor.name, format_shape(tensor), format_shape(*other));
      return;
    }
    FileSystem& files = posix_file_system();
    const at::Tensor a = read_tensor(a_.folder, a_.manifest, tensor.name, files);
    const at::Tensor b = read_tensor(b_.folder, b_.manifest, tensor.name, files);
    if (digest(a) == digest(b)) return;
    print(tensor.name + ": " + difference(a, b));
  }

  static std::string difference(const at::Tensor& a, const at::Tensor& b) {
    const at::Tensor distance = (a.to(at::kDouble) - b.to(at::kDouble)).abs();
    const int64_t count = at::ne(a, b).sum().item<int64_t>();
    return c10::str(count, " of ", a.numel(), " elements differ, by ",
                    distance.max().item<double>(), " at most");
  }

  const OpenStep& a_;
  const OpenStep& b_;
  bool is_different_ = false;
};

}  // namespace

int compare(const fs::path& a, const fs::path& b) {
  const OpenStep first = open(a);
  const OpenStep second = open(b);
  if (Comparison(first, second).run()) return kDifferent;
  std::printf("the same state\n");
  return kFine;
}

}  // namespace shardopt::checkpoint_tool
