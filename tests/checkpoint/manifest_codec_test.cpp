#include "manifest_codec.h"

#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "checkpoint/small_manifest.h"

namespace shardopt::checkpoint {
namespace {

std::string decoded(const std::string& bytes) {
  Manifest manifest;
  return decode_manifest(bytes, manifest);
}

// -- Protobuf by hand

std::string varint(uint64_t number) {
  std::string bytes;
  for (; number >= 0x80; number >>= 7) bytes += static_cast<char>(number | 0x80);
  return bytes + static_cast<char>(number);
}
std::string number_field(int field, uint64_t number) {
  return varint(static_cast<uint64_t>(field) << 3) + varint(number);
}
std::string text_field(int field, const std::string& text) {
  return varint(static_cast<uint64_t>(field) << 3 | 2) + varint(text.size()) + text;
}

constexpr int kStep = 6;
constexpr int kState = 13;
constexpr int kValues = 3;
constexpr int kTensors = 4;
constexpr int kChildren = 5;

std::string state_field(const std::string& state) { return text_field(kState, state); }
std::string value(const std::string& key) {
  return text_field(kValues, text_field(1, key) + number_field(2, 1));
}
std::string tensor(const std::string& slot, uint64_t spread) {
  return text_field(kTensors, text_field(1, slot) + number_field(3, spread));
}
std::string child(const std::string& name, const std::string& state = "") {
  return text_field(kChildren, text_field(1, name) + text_field(2, state));
}

// -- Tests

TEST(ManifestCodecTest, ReadsBackAllThatItWrote) {
  const Manifest manifest = test::small_manifest();
  const std::string bytes = encode_manifest(manifest);
  Manifest read;

  ASSERT_EQ(decode_manifest(bytes, read), "");

  EXPECT_EQ(encode_manifest(read), bytes);
  EXPECT_EQ(read.attempt, manifest.attempt);
  EXPECT_EQ(read.step, 1000);
  EXPECT_EQ(read.mesh.world_size, 2);
  EXPECT_EQ(read.block_bytes, 65536);
  EXPECT_EQ(read.total_data_bytes, 96);
  EXPECT_EQ(read.config_text, "a: 1");
  EXPECT_EQ(read.config_crc, manifest.config_crc);
  ASSERT_EQ(read.files.size(), 2u);
  EXPECT_EQ(read.files[1].name, "rank-00001.safetensors");
  EXPECT_EQ(read.files[1].bytes, 4128);
  EXPECT_EQ(read.files[1].header_crc, 2u);
  EXPECT_EQ(read.files[1].writer_rank, 1);
  ASSERT_EQ(read.tensors.size(), 5u);
  EXPECT_EQ(read.tensors[0].aliases, std::vector<std::string>{"tied"});
  EXPECT_EQ(read.tensors[4].shape, (std::vector<int64_t>{5, 3}));
  const StoredShard& shard = read.tensors[4].shards.at(1);
  EXPECT_EQ(shard.row_begin, 3);
  EXPECT_EQ(shard.rows, 2);
  EXPECT_EQ(shard.file, 1u);
  EXPECT_EQ(shard.bytes, 24);
  EXPECT_EQ(shard.block_crcs, std::vector<uint32_t>{2});
  EXPECT_EQ(read.state.tensors.at("rng").spread, Spread::kPerRank);
  EXPECT_EQ(read.state.children.at("model").tensors.at("n").spread, Spread::kFirstRank);
  EXPECT_EQ(read.state.children.at("optimizer").children.at("adamw").kind, "adamw");
}

// Types never merge, and floats keep every bit.
TEST(ManifestCodecTest, KeepsEachValuesTypeAndBits) {
  const auto odd_nan = std::bit_cast<double>(uint64_t{0x7ff0'dead'beef'0001});
  const std::map<std::string, StateValue> values = {
      {"count", std::numeric_limits<int64_t>::min()},
      {"denormal", std::numeric_limits<double>::denorm_min()},
      {"empty", std::vector<double>{}},
      {"false", false},
      {"list", std::vector<double>{odd_nan, -0.0, INFINITY}},
      {"nan", odd_nan},
      {"negative zero", -0.0},
      {"one", 1.0},
      {"one, signed", int64_t{1}},
      {"one, unsigned", uint64_t{1}},
      {"text", std::string("\xc3\xa4\0z", 4)},
      {"true", true},
      {"unsigned", std::numeric_limits<uint64_t>::max()}};
  const auto bits = [](const StateValue& value) {
    std::string text = std::to_string(value.index());
    const auto add = [&](double x) {
      text += " " + std::to_string(std::bit_cast<uint64_t>(x));
    };
    if (const auto* number = std::get_if<double>(&value)) add(*number);
    if (const auto* list = std::get_if<std::vector<double>>(&value)) {
      for (const double x : *list) add(x);
    }
    return text;
  };
  Manifest read;
  ASSERT_EQ(decode_manifest(encode_manifest({.state = {.kind = "x", .values = values}}),
                            read),
            "");
  ASSERT_EQ(read.state.values.size(), values.size());
  for (const auto& [key, value] : values) {
    const StateValue& found = read.state.values.at(key);
    EXPECT_EQ(bits(found), bits(value)) << key;
    if (std::holds_alternative<std::string>(value)) {
      EXPECT_EQ(found, value);
    }
    if (std::holds_alternative<int64_t>(value)) {
      EXPECT_EQ(found, value);
    }
    if (std::holds_alternative<uint64_t>(value)) {
      EXPECT_EQ(found, value);
    }
  }
}

TEST(ManifestCodecTest, ReadsBackAPart) {
  const Manifest manifest = test::small_manifest();
  const RankPart part{.files = {manifest.files[1]}, .tensors = manifest.tensors};
  RankPart read;
  EXPECT_EQ(decode_part(encode_part(part), read), "");
  EXPECT_EQ(encode_part(read), encode_part(part));
  EXPECT_EQ(read.tensors.size(), 5u);
  EXPECT_EQ(decode_part("", read), "");
  EXPECT_TRUE(read.files.empty() && read.tensors.empty());
  EXPECT_EQ(decode_part("?", read), "it is not the Protobuf message that it should be");
}

TEST(ManifestCodecTest, RefusesWhatIsNoProtobuf) {
  const std::string expected = "it is not the Protobuf message that it should be";
  EXPECT_EQ(decoded("no manifest"), expected);
  EXPECT_EQ(decoded(text_field(8, "\xff")), "a text is not UTF-8");
  const std::string bytes = encode_manifest(test::small_manifest());
  EXPECT_EQ(decoded(bytes.substr(0, bytes.size() - 1)), expected);
}

TEST(ManifestCodecTest, RefusesTextsThatAreNotUtf8) {
  const std::string bad = "\xff";
  std::vector<std::string> manifests;
  for (const int field : {3, 4, 5, 8, 16}) {
    manifests.push_back(text_field(field, bad));
  }
  manifests.push_back(text_field(11, text_field(1, bad)));
  for (const int field : {1, 2, 5}) {
    manifests.push_back(text_field(12, text_field(field, bad)));
  }
  const std::string text = text_field(1, "x") + text_field(6, bad);
  const std::string slot = text_field(1, "x") + text_field(2, bad) + number_field(3, 1);
  for (const std::string& state :
       {text_field(1, bad), value(bad), tensor(bad, 1), child(bad),
        text_field(kValues, text), text_field(kTensors, slot)}) {
    manifests.push_back(state_field(state));
  }
  for (const std::string& manifest : manifests) {
    EXPECT_EQ(decoded(manifest), "a text is not UTF-8");
  }
}

// A length of 2^63, and one of 1 GiB, of a file that has not as many bytes.
TEST(ManifestCodecTest, RefusesLengthsBeyondTheEnd) {
  for (const uint64_t length : {uint64_t{1} << 63, uint64_t{1} << 30, uint64_t{1}}) {
    EXPECT_EQ(decoded(varint(kState << 3 | 2) + varint(length)),
              "it is not the Protobuf message that it should be");
  }
}

TEST(ManifestCodecTest, PassesOverFieldsOfNewerVersions) {
  const std::string bytes = encode_manifest(test::small_manifest());
  EXPECT_EQ(decoded(bytes + text_field(2000, "new") + number_field(2001, 7)), "");
}

TEST(ManifestCodecTest, RefusesNumbersThatDoNotFit) {
  const std::string too_large = "a number does not fit in 63 bits";
  EXPECT_EQ(decoded(number_field(kStep, uint64_t{1} << 63)), too_large);
  EXPECT_EQ(decoded(number_field(kStep, (uint64_t{1} << 63) - 1)), "");
  EXPECT_EQ(decoded(number_field(14, uint64_t{1} << 63)), too_large);
  EXPECT_EQ(decoded(text_field(11, number_field(2, uint64_t{1} << 63))), too_large);
  EXPECT_EQ(decoded(text_field(12, number_field(3, uint64_t{1} << 63))), too_large);
  for (const int field : {1, 2, 4, 5}) {
    const std::string shard = number_field(field, uint64_t{1} << 63);
    EXPECT_EQ(decoded(text_field(12, text_field(4, shard))), too_large) << field;
  }
  EXPECT_EQ(decoded(text_field(9, number_field(1, uint64_t{1} << 31))),
            "a number does not fit in 31 bits");
  EXPECT_EQ(decoded(text_field(11, number_field(5, uint64_t{1} << 31))),
            "a number does not fit in 31 bits");
}

TEST(ManifestCodecTest, RefusesNamesTwiceOrNotSorted) {
  const std::string end = "' is not behind the name before it";
  EXPECT_EQ(decoded(state_field(value("a") + value("b"))), "");
  EXPECT_EQ(decoded(state_field(value("b") + value("b"))), "'b" + end);
  EXPECT_EQ(decoded(state_field(value("b") + value("a"))), "'a" + end);
  EXPECT_EQ(decoded(state_field(tensor("b", 1) + tensor("b", 1))), "'b" + end);
  EXPECT_EQ(decoded(state_field(tensor("b", 1) + tensor("a", 1))), "'a" + end);
  EXPECT_EQ(decoded(state_field(child("b") + child("b"))), "'b" + end);
  EXPECT_EQ(decoded(state_field(child("b") + child("a"))), "'a" + end);
}

TEST(ManifestCodecTest, RefusesUnknownTypesOfValuesAndSpreads) {
  EXPECT_EQ(decoded(state_field(text_field(kValues, text_field(1, "x")))),
            "value 'x' is of no known type");
  for (const uint64_t spread : {0, 5, 200}) {
    EXPECT_EQ(decoded(state_field(tensor("a", spread))), "an unknown spread");
  }
  for (const uint64_t spread : {1, 2, 3, 4}) {
    EXPECT_EQ(decoded(state_field(tensor("a", spread))), "");
  }
}

// Protobuf itself stops at 100 messages within each other; a part and its name are two.
TEST(ManifestCodecTest, RefusesPartsThatAreNestedTooDeep) {
  const auto nested = [](int depth) {
    std::string state;
    for (int i = 0; i < depth; ++i) state = child("x", state);
    return decoded(state_field(state));
  };
  EXPECT_EQ(nested(kMaxStateDepth), "");
  EXPECT_EQ(nested(kMaxStateDepth + 1), "parts are nested too deep");
  EXPECT_EQ(nested(200), "it is not the Protobuf message that it should be");
  EXPECT_EQ(nested(3000), "it is not the Protobuf message that it should be");
}

}  // namespace
}  // namespace shardopt::checkpoint
