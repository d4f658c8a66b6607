/// A table from names to factories.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shardopt/core/error.h"
#include "shardopt/core/names.h"

namespace shardopt {

/// Maps a name to a factory that builds a `Product` from `Args`.
///
/// A value, filled by explicit calls: a static initialiser's object file may be
/// dropped by the linker, and a test wants a table of its own.
///
/// Thread safety: fill it in one thread; const functions may then run in many.
template <typename Product, typename... Args>
class Registry {
 public:
  using Factory = std::function<std::unique_ptr<Product>(Args...)>;

  /// `kind` names the product in messages, e.g. "optimizer".
  explicit Registry(std::string kind) : kind_(std::move(kind)) {}

  /// Throws ConfigError if `name` is taken.
  void add(std::string name, Factory factory) {
    const auto [it, inserted] =
        factories_.try_emplace(std::move(name), std::move(factory));
    if (!inserted) {
      SHARDOPT_THROW(ConfigError, kind_, " '", it->first, "' is registered twice");
    }
  }

  [[nodiscard]] bool contains(std::string_view name) const {
    return factories_.contains(name);
  }

  /// Throws ConfigError, listing what is known, if `name` is not.
  [[nodiscard]] std::unique_ptr<Product> create(std::string_view name,
                                                Args... args) const {
    const auto it = factories_.find(name);
    if (it == factories_.end()) {
      const std::vector<std::string> known = names();
      SHARDOPT_THROW(ConfigError, "unknown ", kind_, " '", name,
                     "'; known: ", c10::Join(", ", known), did_you_mean(name, known));
    }
    return it->second(std::forward<Args>(args)...);
  }

  /// Sorted.
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> result;
    result.reserve(factories_.size());
    for (const auto& [name, factory] : factories_) result.push_back(name);
    return result;
  }

 private:
  std::string kind_;
  std::map<std::string, Factory, std::less<>> factories_;
};

}  // namespace shardopt
