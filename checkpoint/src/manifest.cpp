#include "shardopt/checkpoint/manifest.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace shardopt::checkpoint {

const StoredTensor* find_tensor(const Manifest& manifest, const std::string& name) {
  const auto it =
      std::ranges::lower_bound(manifest.tensors, name, {}, &StoredTensor::name);
  return it != manifest.tensors.end() && it->name == name ? &*it : nullptr;
}

std::string per_rank_name(const std::string& tensor, int rank) {
  std::array<char, 16> suffix{};
  std::snprintf(suffix.data(), suffix.size(), "@%05d", rank);
  return tensor + suffix.data();
}

}  // namespace shardopt::checkpoint
