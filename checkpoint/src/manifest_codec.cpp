#include "manifest_codec.h"

#include <limits>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "manifest.pb.h"
#include "state_codec.h"

namespace shardopt::checkpoint {
namespace {

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

template <typename List>
std::vector<std::string> as_texts(const List& list) {
  std::vector<std::string> texts;
  for (const std::string& bytes : list) texts.push_back(as_text(bytes));
  return texts;
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
  return {.name = as_text(message.name()),
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
  StoredTensor tensor{.name = as_text(message.name()),
                      .dtype = as_text(message.dtype()),
                      .aliases = as_texts(message.aliases())};
  for (const uint64_t size : message.shape()) tensor.shape.push_back(as_int64(size));
  for (const auto& shard : message.shards()) tensor.shards.push_back(decode(shard));
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
                    .required_features = as_texts(message.required_features()),
                    .optional_features = as_texts(message.optional_features()),
                    .attempt = as_text(message.attempt()),
                    .step = as_int64(message.step()),
                    .created_unix_ns = as_int64(message.created_unix_ns()),
                    .writer = as_text(message.writer()),
                    .mesh = {.world_size = as_int32(message.mesh().world_size()),
                             .copies = as_int32(message.mesh().copies())},
                    .block_bytes = message.block_bytes(),
                    .state = decode_state(message.state()),
                    .total_data_bytes = as_int64(message.total_data_bytes()),
                    .config_crc = message.config_crc32c(),
                    .config_text = as_text(message.config_text())};
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
  encode_state(manifest.state, *message.mutable_state());
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
