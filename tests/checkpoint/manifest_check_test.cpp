#include "manifest_check.h"

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "checkpoint/failure_of.h"
#include "checkpoint/small_manifest.h"

namespace shardopt::checkpoint {
namespace {

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

/// What the check says of the small manifest after `change`.
std::string failure(const std::function<void(Manifest&)>& change) {
  Manifest manifest = test::small_manifest();
  change(manifest);
  return test::failure_of([&] { check_manifest(manifest); });
}

/// The same after a change of tensor "w", rows 0-3 and 3-5 of [5, 3] F32.
std::string failure_of_w(const std::function<void(StoredTensor&)>& change) {
  return failure([&](Manifest& manifest) { change(manifest.tensors[4]); });
}

TEST(ManifestCheckTest, PassesOneOfEverything) {
  EXPECT_EQ(failure([](Manifest&) {}), "no failure");
}

TEST(ManifestCheckTest, PassesManifestsWithoutFilesOrTensors) {
  EXPECT_EQ(failure([](Manifest& m) {
              m.files.clear();
              m.tensors.clear();
              m.state = {.kind = "empty"};
              m.total_data_bytes = 0;
            }),
            "no failure");
}

TEST(ManifestCheckTest, RefusesOtherMajorVersionsAndUnknownRequiredFeatures) {
  EXPECT_EQ(failure([](Manifest& m) { m.major = 2; }),
            "unsupported: it is of format 2.0 (test 1); this program reads format 1");
  EXPECT_EQ(failure([](Manifest& m) { m.minor = 9; }), "no failure");
  EXPECT_EQ(failure([](Manifest& m) {
              m.required_features = {"a", "b"};
            }),
            "unsupported: written by test 1, it needs features that this program "
            "lacks: a, b");
  EXPECT_EQ(failure([](Manifest& m) { m.optional_features = {"a"}; }), "no failure");
}

TEST(ManifestCheckTest, RefusesAttemptsAndFilesThatLeadElsewhere) {
  for (const std::string& attempt :
       {std::string(), std::string("../x"), std::string(32, '/'), std::string(32, 'A'),
        std::string(31, 'a'), std::string(33, 'a')}) {
    EXPECT_EQ(failure([&](Manifest& m) { m.attempt = attempt; }),
              "unsafe path: its attempt '" + attempt + "' is no 32 hexadecimal digits");
  }
  for (const std::string& name :
       {std::string(), std::string("."), std::string("../x"),
        std::string("/etc/passwd"), std::string("a/../../x"), std::string("a//b"),
        std::string("a\\b"), std::string("rank-00001.safetensors\n"),
        std::string(300, 'x')}) {
    EXPECT_EQ(failure([&](Manifest& m) { m.files[1].name = name; }),
              "unsafe path: the name of its file '" + name +
                  "' is not as rank-00000.safetensors");
  }
}

TEST(ManifestCheckTest, RefusesBlocksThatAreNoneOfTheAllowed) {
  for (const int64_t bytes : {int64_t{0}, int64_t{3}, int64_t{32768}, int64_t{65537},
                              int64_t{98304}, int64_t{1} << 27}) {
    EXPECT_EQ(failure([&](Manifest& m) { m.block_bytes = bytes; }),
              c10::str("corrupt: its blocks have ", bytes,
                       " bytes; allowed: powers of two from 65536 to 67108864"));
  }
  for (const int64_t bytes : {int64_t{65536}, int64_t{1} << 26}) {
    EXPECT_EQ(failure([&](Manifest& m) { m.block_bytes = bytes; }), "no failure");
  }
}

TEST(ManifestCheckTest, RefusesMeshesThatCannotBe) {
  EXPECT_EQ(failure([](Manifest& m) {
              m.mesh = {0, 1};
            }),
            "corrupt: it was written by 0 ranks in 1 copies");
  EXPECT_EQ(failure([](Manifest& m) {
              m.mesh = {2, 0};
            }),
            "corrupt: it was written by 2 ranks in 0 copies");
  EXPECT_EQ(failure([](Manifest& m) {
              m.mesh = {2, 3};
            }),
            "corrupt: it was written by 2 ranks in 3 copies");
}

TEST(ManifestCheckTest, RefusesAConfigurationThatItsCrcIsNotOf) {
  EXPECT_EQ(failure([](Manifest& m) { m.config_text = "a: 2"; }),
            "corrupt: the CRC of its configuration is wrong");
}

TEST(ManifestCheckTest, RefusesFilesTwiceOrWithoutSense) {
  EXPECT_EQ(failure([](Manifest& m) { m.files[1].name = m.files[0].name; }),
            "corrupt: its file rank-00000.safetensors comes twice");
  EXPECT_EQ(failure([](Manifest& m) { m.files[1].data_begin = 7; }),
            "corrupt: rank-00001.safetensors: data begin at 7 of 4128");
  EXPECT_EQ(failure([](Manifest& m) { m.files[1].data_begin = 4129; }),
            "corrupt: rank-00001.safetensors: data begin at 4129 of 4128");
  EXPECT_EQ(failure([](Manifest& m) { m.files[1].writer_rank = 2; }),
            "corrupt: rank-00001.safetensors: written by rank 2 of 2");
}

TEST(ManifestCheckTest, RefusesTensorsTwiceOrNotSorted) {
  EXPECT_EQ(failure([](Manifest& m) { m.tensors[1].name = "b"; }),
            "corrupt: tensor 'b' is not behind the one before it");
  EXPECT_EQ(failure([](Manifest& m) { std::swap(m.tensors[0], m.tensors[1]); }),
            "corrupt: tensor 'b' is not behind the one before it");
}

TEST(ManifestCheckTest, RefusesNamesThatAreNotLegal) {
  const auto named = [](const std::string& name) {
    return failure([&](Manifest& m) { m.tensors[0].name = name; });
  };
  EXPECT_EQ(named(""), "corrupt: tensor '': its name is empty");
  EXPECT_EQ(named("a\n"), "corrupt: tensor 'a\n': its name holds a control character");
  EXPECT_EQ(named("__metadata__"),
            "corrupt: tensor '__metadata__': its name is the format's own");
}

TEST(ManifestCheckTest, RefusesUnknownDtypes) {
  for (const char* dtype : {"", "F4", "f32", "F33"}) {
    EXPECT_EQ(failure_of_w([&](StoredTensor& w) { w.dtype = dtype; }),
              c10::str("corrupt: w: its dtype '", dtype, "' is unknown"));
    EXPECT_EQ(element_bytes(dtype), 0);
  }
  EXPECT_EQ(element_bytes("BF16"), 2);
}

TEST(ManifestCheckTest, RefusesShardsThatOverlapLeaveAHoleOrEndElsewhere) {
  EXPECT_EQ(failure_of_w([](StoredTensor& w) { w.shards[1].row_begin = 2; }),
            "corrupt: w: after row 3 comes row 2");
  EXPECT_EQ(failure_of_w([](StoredTensor& w) { w.shards[1].row_begin = 4; }),
            "corrupt: w: after row 3 comes row 4");
  EXPECT_EQ(failure_of_w([](StoredTensor& w) { std::swap(w.shards[0], w.shards[1]); }),
            "corrupt: w: after row 0 comes row 3");
  EXPECT_EQ(failure_of_w([](StoredTensor& w) { w.shape[0] = 6; }),
            "corrupt: w: it has 6 rows, its shards 5");
  EXPECT_EQ(failure_of_w([](StoredTensor& w) { w.shape[0] = 4; }),
            "corrupt: w: it has 4 rows, its shards 5");
  EXPECT_EQ(failure_of_w([](StoredTensor& w) { w.shards.clear(); }),
            "corrupt: w: it has 5 rows, its shards 0");
}

TEST(ManifestCheckTest, RefusesShapesThatTheBytesAreNotOf) {
  EXPECT_EQ(failure_of_w([](StoredTensor& w) {
              w.shape = {5, 4};
            }),
            "corrupt: w: 36 bytes for 3 rows of 16");
  EXPECT_EQ(failure_of_w([](StoredTensor& w) { w.dtype = "F64"; }),
            "corrupt: w: 36 bytes for 3 rows of 24");
  EXPECT_EQ(failure_of_w([](StoredTensor& w) { w.shape = {}; }),
            "corrupt: w: 36 bytes for 3 rows of 4");
}

TEST(ManifestCheckTest, RefusesSizesThatOverflow) {
  const std::string size = "corrupt: w: its size overflows";
  EXPECT_EQ(failure_of_w([](StoredTensor& w) { w.shape = {5, kMax, 2}; }), size);
  EXPECT_EQ(failure_of_w([](StoredTensor& w) { w.shape = {kMax, 3}; }), size);
  EXPECT_EQ(failure_of_w([](StoredTensor& w) { w.shards[0].rows = kMax; }), size);
  EXPECT_EQ(failure_of_w([](StoredTensor& w) { w.shards[0].offset = kMax; }),
            "corrupt: w: its extent overflows");
  EXPECT_EQ(failure_of_w([](StoredTensor& w) {
              w.shape = {5, 0};
              w.shards[0] = {.rows = kMax, .offset = 4104};
              w.shards[1] = {.row_begin = kMax, .rows = 1, .offset = 4104};
            }),
            "corrupt: w: its extent overflows");
}

TEST(ManifestCheckTest, RefusesShardsOutsideTheirFile) {
  EXPECT_EQ(failure_of_w([](StoredTensor& w) { w.shards[1].file = 2; }),
            "corrupt: w: in file number 2 of 2");
  EXPECT_EQ(failure_of_w([](StoredTensor& w) { w.shards[1].offset = 4092; }),
            "corrupt: w: bytes 4092 to 4116 of rank-00001.safetensors, whose data are "
            "4096 to 4128");
  EXPECT_EQ(failure_of_w([](StoredTensor& w) { w.shards[1].offset = 4108; }),
            "corrupt: w: bytes 4108 to 4132 of rank-00001.safetensors, whose data are "
            "4096 to 4128");
}

TEST(ManifestCheckTest, RefusesTooFewOrTooManyCrcs) {
  EXPECT_EQ(failure_of_w([](StoredTensor& w) { w.shards[0].block_crcs = {}; }),
            "corrupt: w: 0 CRCs for 1 blocks");
  EXPECT_EQ(failure_of_w([](StoredTensor& w) {
              w.shards[0].block_crcs = {1, 2};
            }),
            "corrupt: w: 2 CRCs for 1 blocks");
}

// w's rows 3-5 and rng@00001 share the second file: bytes 4096-4120 and 4120-4128.
TEST(ManifestCheckTest, RefusesBytesOfTwoTensorsOrOfNone) {
  EXPECT_EQ(
      failure([](Manifest& m) { m.tensors[3].shards[0].offset = 4116; }),
      "corrupt: rank-00001.safetensors: bytes 4116 to 4120 belong to two tensors");
  EXPECT_EQ(failure([](Manifest& m) {
              m.files[1].bytes = 4132;
              m.tensors[3].shards[0].offset = 4124;
            }),
            "corrupt: rank-00001.safetensors: bytes 4120 to 4124 belong to no tensor");
  EXPECT_EQ(failure([](Manifest& m) { m.files[1].bytes = 4132; }),
            "corrupt: rank-00001.safetensors: bytes 4128 to 4132 belong to no tensor");
}

// Its header could name but one of them.
TEST(ManifestCheckTest, RefusesTwoShardsOfATensorInOneFile) {
  EXPECT_EQ(failure_of_w([](StoredTensor& w) {
              w.shards[0].rows = 2;
              w.shards[0].bytes = 24;
              w.shards.insert(w.shards.begin() + 1, {.row_begin = 2,
                                                     .rows = 1,
                                                     .offset = 4128,
                                                     .bytes = 12,
                                                     .block_crcs = {3}});
            }),
            "corrupt: w: two of its shards are in rank-00000.safetensors");
}

TEST(ManifestCheckTest, RefusesATotalThatIsNotTheSum) {
  EXPECT_EQ(failure([](Manifest& m) { m.total_data_bytes = 97; }),
            "corrupt: it says 97 bytes of data, its shards 96");
}

TEST(ManifestCheckTest, RefusesSlotsWithoutATensorAndTensorsWithoutASlot) {
  const auto model = [](Manifest& m) -> StoredState& {
    return m.state.children.at("model");
  };
  EXPECT_EQ(failure([&](Manifest& m) { model(m).tensors["b"].tensor = "no"; }),
            "corrupt: slot 'b': there is no tensor 'no'");
  EXPECT_EQ(failure([&](Manifest& m) { model(m).tensors.erase("b"); }),
            "corrupt: tensor 'b' belongs to no state");
  EXPECT_EQ(failure([&](Manifest& m) { model(m).tensors["n"].tensor = "b"; }),
            "corrupt: tensor 'b' belongs to two slots");
}

// Of each rank its own: a mesh of three needs a third one.
TEST(ManifestCheckTest, RefusesAPerRankTensorOfWhichOneIsMissing) {
  EXPECT_EQ(failure([](Manifest& m) { m.mesh.world_size = 3; }),
            "corrupt: slot 'rng': there is no tensor 'rng@00002'");
  EXPECT_EQ(failure([](Manifest& m) {
              m.mesh.world_size = std::numeric_limits<int32_t>::max();
            }),
            "corrupt: slot 'rng': there is no tensor 'rng@00002'");
}

TEST(ManifestCheckTest, RefusesAliasesThatAreTakenOrNotLegal) {
  const auto aliased = [](std::vector<std::string> aliases) {
    return failure([&](Manifest& m) { m.tensors[4].aliases = aliases; });
  };
  EXPECT_EQ(aliased({"head.w", "c"}), "no failure");
  for (const char* alias : {"w", "b", "tied", ""}) {
    EXPECT_EQ(aliased({alias}), c10::str("corrupt: tensor 'w': its alias '", alias,
                                         "' cannot be a name"));
  }
  EXPECT_EQ(aliased({"c", "c"}), "corrupt: tensor 'w': its alias 'c' cannot be a name");
}

}  // namespace
}  // namespace shardopt::checkpoint
