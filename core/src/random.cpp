#include "shardopt/core/random.h"

#include <ATen/CPUGeneratorImpl.h>

namespace shardopt {

uint64_t mix(uint64_t seed, uint64_t index) {
  uint64_t z = seed + (index + 1) * 0x9E3779B97F4A7C15ULL;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

uint64_t mix(uint64_t seed, std::string_view text) {
  uint64_t hash = mix(seed, text.size());
  for (const char c : text) hash = mix(hash, static_cast<unsigned char>(c));
  return hash;
}

at::Generator make_named_generator(uint64_t seed, std::string_view name) {
  return at::make_generator<at::CPUGeneratorImpl>(mix(seed, name));
}

}  // namespace shardopt
