// Our files in Python's safetensors, and its files here.
#include <cstdlib>
#include <filesystem>
#include <string>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "checkpoint/safetensors_bytes.h"
#include "shardopt/checkpoint/safetensors.h"
#include "support/scratch_dir.h"

namespace shardopt::checkpoint {
namespace {

class SafetensorsInteropTest : public testing::Test {
 protected:
  std::filesystem::path path() const { return scratch_.path() / "x.safetensors"; }

  /// Runs Python with `path` set and the low-level functions of safetensors imported,
  /// which check the format by its own rules and need no torch.
  int run_python(const std::string& body) const {
    const std::filesystem::path script = scratch_.path() / "script.py";
    test::write_bytes(
        script, c10::str("import numpy\n"
                         "from safetensors import TensorSpec, deserialize, serialize\n"
                         "path = '",
                         path().string(), "'\n", body));
    return std::system(
        c10::str("'", SHARDOPT_PYTHON, "' '", script.string(), "'").c_str());
  }

 private:
  const test::ScratchDir scratch_;
};

TEST_F(SafetensorsInteropTest, PythonReadsOurFile) {
  write_safetensors(path(),
                    {.tensors = {{"matrix", at::arange(6, at::kFloat).view({2, 3})},
                                 {"half", at::arange(3, at::kBFloat16)},
                                 {"count", at::scalar_tensor(5, at::kLong)},
                                 {"empty", at::empty({0, 4})},
                                 {"flags", at::tensor({1, 0}).to(at::kBool)}},
                     .metadata = {{"format", "pt"}}});

  EXPECT_EQ(run_python(R"(
tensors = dict(deserialize(open(path, "rb").read()))
expected = {
    "matrix": ("F32", [2, 3], numpy.arange(6, dtype=numpy.float32).tobytes()),
    "half": ("BF16", [3], bytes([0, 0, 0x80, 0x3F, 0, 0x40])),
    "count": ("I64", [], numpy.int64(5).tobytes()),
    "empty": ("F32", [0, 4], b""),
    "flags": ("BOOL", [2], bytes([1, 0])),
}
assert tensors.keys() == expected.keys(), tensors.keys()
for name, (dtype, shape, data) in expected.items():
    assert tensors[name] == {"dtype": dtype, "shape": shape, "data": data}, tensors[name]
)"),
            0);
}

TEST_F(SafetensorsInteropTest, PythonReadsOurMetadata) {
  write_safetensors(path(), {.metadata = {{"format", "pt"}, {"note", "größe"}}});

  EXPECT_EQ(run_python(R"(
from safetensors import safe_open
with safe_open(path, "np") as file:
    assert file.metadata() == {"format": "pt", "note": "größe"}, file.metadata()
)"),
            0);
}

TEST_F(SafetensorsInteropTest, WeReadPythonsFile) {
  ASSERT_EQ(run_python(R"(
def spec(dtype, shape, array):
    return TensorSpec(dtype=dtype, shape=shape, data_ptr=array.ctypes.data,
                      data_len=array.nbytes)

arrays = {
    "matrix": ("float32", [2, 3], numpy.arange(6, dtype=numpy.float32)),
    "half": ("bfloat16", [3], numpy.array([0, 0x3F80, 0x4000], dtype=numpy.uint16)),
    "scalar": ("float64", [], numpy.array(2.5)),
    "empty": ("float32", [2, 0], numpy.zeros(0, dtype=numpy.float32)),
    "bytes": ("uint8", [2], numpy.array([1, 255], dtype=numpy.uint8)),
    "eight": ("float8_e4m3fn", [2], numpy.array([0x3C, 0xC0], dtype=numpy.uint8)),
}
tensors = {name: spec(*fields) for name, fields in arrays.items()}
data = serialize(tensors, {"format": "pt", "note": "größe"})
open(path, "wb").write(data)
)"),
            0);

  const SafetensorsFile read = read_safetensors(path());

  ASSERT_EQ(read.tensors.size(), 6u);
  EXPECT_TRUE(
      at::equal(read.tensors.at("matrix"), at::arange(6, at::kFloat).view({2, 3})));
  EXPECT_TRUE(at::equal(read.tensors.at("half"), at::arange(3, at::kBFloat16)));
  EXPECT_EQ(read.tensors.at("scalar").item<double>(), 2.5);
  EXPECT_EQ(read.tensors.at("empty").sizes(), at::IntArrayRef({2, 0}));
  EXPECT_TRUE(at::equal(read.tensors.at("bytes"), at::tensor({1, 255}, at::kByte)));
  EXPECT_TRUE(at::equal(read.tensors.at("eight").to(at::kFloat),
                        at::tensor({1.5, -2.0}, at::kFloat)));
  EXPECT_EQ(read.metadata.at("note"), "größe");
}

}  // namespace
}  // namespace shardopt::checkpoint
