// Writes the corpus that the fuzz targets start from: fuzz_corpus FOLDER.
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <string>

#include "checkpoint/small_manifest.h"
#include "frame.h"
#include "manifest_codec.h"

namespace {

namespace fs = std::filesystem;
using namespace shardopt;
using namespace shardopt::checkpoint;

void write(const fs::path& path, const std::string& bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary);
  file << bytes;
  if (!file.flush()) throw std::runtime_error("cannot write " + path.string());
}

// -- Manifests: 'F' and a file, or 'P' and a payload

std::string nested_payload(int depth) {
  Manifest manifest = test::small_manifest();
  StoredState state{.kind = "leaf"};
  for (int i = 0; i < depth; ++i) {
    StoredState outer{.kind = "part"};
    outer.children["x"] = std::move(state);
    state = std::move(outer);
  }
  manifest.state.children["x"] = std::move(state);
  return encode_manifest(manifest);
}

void write_manifests(const fs::path& folder) {
  const auto put = [&](const std::string& name,
                       const std::function<void(Manifest&)>& change) {
    Manifest manifest = test::small_manifest();
    change(manifest);
    write(folder / name, "P" + encode_manifest(manifest));
  };
  const std::string payload = encode_manifest(test::small_manifest());
  const std::string file = add_frame(payload);
  write(folder / "good_file", "F" + file);
  write(folder / "bad_file_cut", "F" + file.substr(0, file.size() - 1));
  write(folder / "bad_file_empty", "F");
  write(folder / "bad_payload_empty", "P");
  write(folder / "bad_payload_text", "P!no Protobuf");
  write(folder / "bad_nested_17", "P" + nested_payload(16));
  write(folder / "bad_nested_200", "P" + nested_payload(200));
  write(folder / "good_nested_16", "P" + nested_payload(15));
  // Field 2000, a length of 3, and three bytes: of a newer minor version.
  write(folder / "good_unknown_field", "P" + payload + "\x82\x7d\x03new");
  put("good_payload", [](Manifest&) {});
  put("good_minor", [](Manifest& m) { m.minor = 9; });
  put("good_optional", [](Manifest& m) { m.optional_features = {"x"}; });
  put("bad_required", [](Manifest& m) { m.required_features = {"x"}; });
  put("bad_overlap", [](Manifest& m) { m.tensors[4].shards[1].row_begin = 2; });
  put("bad_hole", [](Manifest& m) { m.tensors[4].shards[1].row_begin = 4; });
  put("bad_shape", [](Manifest& m) { m.tensors[4].shape = {INT64_MAX, INT64_MAX}; });
  put("bad_offset", [](Manifest& m) { m.tensors[4].shards[0].offset = INT64_MAX; });
  put("bad_two_in_a_file", [](Manifest& m) {
    std::vector<StoredShard>& shards = m.tensors[4].shards;
    shards[0].rows = 2;
    shards[0].bytes = 24;
    shards.insert(
        shards.begin() + 1,
        {.row_begin = 2, .rows = 1, .offset = 4128, .bytes = 12, .block_crcs = {3}});
  });
  put("bad_path", [](Manifest& m) { m.files[0].name = "../x"; });
  put("bad_block", [](Manifest& m) { m.block_bytes = 3; });
}

// -- Headers: the length of the data, and JSON

void write_headers(const fs::path& folder) {
  const auto put = [&](const std::string& name, uint64_t data_bytes,
                       const std::string& json) {
    std::string bytes(sizeof data_bytes, '\0');
    std::memcpy(bytes.data(), &data_bytes, sizeof data_bytes);
    write(folder / name, bytes + json);
  };
  const std::string a = R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  const std::string b = R"("b":{"dtype":"BF16","shape":[],"data_offsets":[8,10]})";
  const std::string z = R"("z":{"dtype":"U8","shape":[0,3],"data_offsets":[8,8]})";
  put("good_empty", 0, "{}");
  put("good_three", 10, "{" + b + "," + z + "," + a + "}  ");
  put("good_metadata", 8, R"({"__metadata__":{"format":"pt","\u00e9":""},)" + a + "}");
  put("bad_tail", 9, "{" + a + "}");
  put("bad_twice", 8, "{" + a + "," + a + "}");
  put("bad_hole", 10, "{" + b + "}");
  put("bad_deep", 0, "{\"w\":" + std::string(200, '['));
  put("bad_number", 8, R"({"a":{"dtype":"F32","shape":[2e0],"data_offsets":[0,8]}})");
  put("bad_overflow", 8,
      R"({"a":{"dtype":"F32","shape":[9223372036854775807,4],"data_offsets":[0,8]}})");
  put("bad_utf8", 0, "{\"\xff\":1}");
  put("bad_text", 0, R"({"__metadata__":{"a":"\ud800"}})");
}

// -- Reads: see read_plan_target.cpp for what the bytes mean

void write_reads(const fs::path& folder) {
  const auto put = [&](const std::string& name, std::initializer_list<int> numbers) {
    std::string bytes;
    for (const int number : numbers) bytes += static_cast<char>(number);
    write(folder / name, bytes);
  };
  put("good_none", {0});
  put("good_one_shard", {0, 0, 1, 0, 1, 9, 0, 2, 0, 5});
  put("good_many_blocks", {0, 2, 1, 1, 2, 7, 9, 0, 3, 0, 12});
  put("good_empty_shards", {1, 0, 0, 4, 5, 0, 3, 0, 0, 4, 0, 1, 0, 6});
  put("good_rows_of_no_bytes", {0, 0, 0, 0, 2, 3, 3, 0, 1, 0, 4});
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: " << argv[0] << " FOLDER\n";
    return 2;
  }
  const fs::path folder = argv[1];
  write_manifests(folder / "manifest");
  write_headers(folder / "header");
  write_reads(folder / "read_plan");
}
