#include "manifest_codec.h"

#include <bit>
#include <limits>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <variant>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "manifest.pb.h"

namespace shardopt::checkpoint {
namespace {

// What is wrong with the bytes; never leaves this file.
struct Problem : std::runtime_error {
  using std::runtime_error::runtime_error;
};

int64_t as_int64(uint64_t value) {
  if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    throw Problem("a number does not fit in 63 bits");
  }
  return static_cast<int64_t>(value);
}

int32_t as_int32(uint32_t value) {
  if (value > static_cast<uint32_t>(std::numeric_limits<int32_t>::max())) {
    throw Problem("a number does not fit in 31 bits");
  }
  return static_cast<int32_t>(value);
}

// -- Values and states

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
      return entry.text();
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
  throw Problem("value '" + entry.key() + "' is of no known type");
}

v1::Spread encode(Spread spread) {
  return static_cast<v1::Spread>(static_cast<int>(spread) + 1);
}

Spread decode(v1::Spread spread) {
  if (spread < v1::CUT || spread > v1::FIRST_RANK) throw Problem("an unknown spread");
  return static_cast<Spread>(static_cast<int>(spread) - 1);
}

void encode(const StoredState& state, v1::State& message) {
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
    encode(child, *named->mutable_state());
  }
}

// Only at the end of `map`: keys come once each, and rise.
template <typename Map, typename Value>
void append(Map& map, const std::string& key, Value value) {
  if (!map.empty() && map.rbegin()->first >= key) {
    throw Problem("'" + key + "' is not behind the name before it");
  }
  map.emplace_hint(map.end(), key, std::move(value));
}

StoredState decode(const v1::State& message, int depth) {
  if (depth > kMaxStateDepth) throw Problem("parts are nested too deep");
  StoredState state{.kind = message.kind(), .version = message.version()};
  for (const auto& entry : message.values()) {
    append(state.values, entry.key(), decode(entry));
  }
  for (const auto& tensor : message.tensors()) {
    append(state.tensors, tensor.slot(),
           TensorReference{tensor.tensor(), decode(tensor.spread())});
  }
  for (const auto& child : message.children()) {
    append(state.children, child.name(), decode(child.state(), depth + 1));
  }
  return state;
}

// -- Files and tensors

void encode(const DataFile& file, v1::DataFile& message) {
  message.set_name(file.name);
  message.set_bytes(static_cast<uint64_t>(file.bytes));
  message.set_data_begin(static_cast<uint64_t>(file.data_begin));
  message.set_header_crc32c(file.header_crc);
  message.set_writer_rank(static_cast<uint32_t>(file.writer_rank));
}

DataFile decode(const v1::DataFile& message) {
  return {.name = message.name(),
          .bytes = as_int64(message.bytes()),
          .data_begin = as_int64(message.data_begin()),
          .header_crc = message.header_crc32c(),
          .writer_rank = as_int32(message.writer_rank())};
}

void encode(const StoredTensor& tensor, v1::Tensor& message) {
  message.set_name(tensor.name);
  message.set_dtype(tensor.dtype);
  for (const int64_t size : tensor.shape) {
    message.add_shape(static_cast<uint64_t>(size));
  }
  for (const StoredShard& shard : tensor.shards) {
    auto* part = message.add_shards();
    part->set_row_begin(static_cast<uint64_t>(shard.row_begin));
    part->set_rows(static_cast<uint64_t>(shard.rows));
    part->set_file(shard.file);
    part->set_offset(static_cast<uint64_t>(shard.offset));
    part->set_bytes(static_cast<uint64_t>(shard.bytes));
    for (const uint32_t crc : shard.block_crcs) part->add_block_crc32c(crc);
  }
  for (const std::string& alias : tensor.aliases) message.add_aliases(alias);
}

StoredShard decode(const v1::Shard& message) {
  StoredShard shard{.row_begin = as_int64(message.row_begin()),
                    .rows = as_int64(message.rows()),
                    .file = message.file(),
                    .offset = as_int64(message.offset()),
                    .bytes = as_int64(message.bytes())};
  shard.block_crcs.assign(message.block_crc32c().begin(), message.block_crc32c().end());
  return shard;
}

StoredTensor decode(const v1::Tensor& message) {
  StoredTensor tensor{.name = message.name(), .dtype = message.dtype()};
  for (const uint64_t size : message.shape()) tensor.shape.push_back(as_int64(size));
  for (const auto& shard : message.shards()) tensor.shards.push_back(decode(shard));
  tensor.aliases.assign(message.aliases().begin(), message.aliases().end());
  return tensor;
}

template <typename Plain, typename Message>
void encode_lists(const Plain& plain, Message& message) {
  for (const DataFile& file : plain.files) encode(file, *message.add_files());
  for (const StoredTensor& tensor : plain.tensors) {
    encode(tensor, *message.add_tensors());
  }
}

template <typename Message, typename Plain>
void decode_lists(const Message& message, Plain& plain) {
  for (const auto& file : message.files()) plain.files.push_back(decode(file));
  for (const auto& tensor : message.tensors()) plain.tensors.push_back(decode(tensor));
}

// -- Whole messages

template <typename Message>
std::string serialize(const Message& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

template <typename Message>
void parse(std::string_view bytes, Message& message) {
  const bool is_short = bytes.size() <= std::numeric_limits<int>::max();
  if (!is_short ||
      !message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    throw Problem("it is not the Protobuf message that it should be");
  }
}

Manifest decode(const v1::Manifest& message) {
  Manifest manifest{.major = message.format_major(),
                    .minor = message.format_minor(),
                    .attempt = message.attempt(),
                    .step = as_int64(message.step()),
                    .created_unix_ns = as_int64(message.created_unix_ns()),
                    .writer = message.writer(),
                    .mesh = {.world_size = as_int32(message.mesh().world_size()),
                             .copies = as_int32(message.mesh().copies())},
                    .block_bytes = message.block_bytes(),
                    .state = decode(message.state(), 0),
                    .total_data_bytes = as_int64(message.total_data_bytes()),
                    .config_crc = message.config_crc32c(),
                    .config_text = message.config_text()};
  const auto& required = message.required_features();
  const auto& optional = message.optional_features();
  manifest.required_features.assign(required.begin(), required.end());
  manifest.optional_features.assign(optional.begin(), optional.end());
  decode_lists(message, manifest);
  return manifest;
}

}  // namespace

std::string encode_manifest(const Manifest& manifest) {
  v1::Manifest message;
  message.set_format_major(manifest.major);
  message.set_format_minor(manifest.minor);
  for (const auto& name : manifest.required_features) {
    message.add_required_features(name);
  }
  for (const auto& name : manifest.optional_features) {
    message.add_optional_features(name);
  }
  message.set_attempt(manifest.attempt);
  message.set_step(static_cast<uint64_t>(manifest.step));
  message.set_created_unix_ns(static_cast<uint64_t>(manifest.created_unix_ns));
  message.set_writer(manifest.writer);
  message.mutable_mesh()->set_world_size(
      static_cast<uint32_t>(manifest.mesh.world_size));
  message.mutable_mesh()->set_copies(static_cast<uint32_t>(manifest.mesh.copies));
  message.set_block_bytes(static_cast<uint32_t>(manifest.block_bytes));
  encode_lists(manifest, message);
  encode(manifest.state, *message.mutable_state());
  message.set_total_data_bytes(static_cast<uint64_t>(manifest.total_data_bytes));
  message.set_config_crc32c(manifest.config_crc);
  message.set_config_text(manifest.config_text);
  return serialize(message);
}

std::string decode_manifest(std::string_view bytes, Manifest& manifest) {
  try {
    v1::Manifest message;
    parse(bytes, message);
    manifest = decode(message);
    return "";
  } catch (const Problem& problem) {
    return problem.what();
  }
}

std::string encode_part(const RankPart& part) {
  v1::RankPart message;
  encode_lists(part, message);
  return serialize(message);
}

std::string decode_part(std::string_view bytes, RankPart& part) {
  try {
    v1::RankPart message;
    parse(bytes, message);
    part = {};
    decode_lists(message, part);
    return "";
  } catch (const Problem& problem) {
    return problem.what();
  }
}

}  // namespace shardopt::checkpoint
