#include "safetensors_dtypes.h"

#include <array>
#include <utility>

namespace shardopt::checkpoint {
namespace {

using DtypeName = std::pair<at::ScalarType, std::string_view>;

constexpr std::array kDtypes{DtypeName{at::kBool, "BOOL"},
                             DtypeName{at::kByte, "U8"},
                             DtypeName{at::kChar, "I8"},
                             DtypeName{at::kFloat8_e4m3fn, "F8_E4M3"},
                             DtypeName{at::kFloat8_e5m2, "F8_E5M2"},
                             DtypeName{at::kFloat8_e8m0fnu, "F8_E8M0"},
                             DtypeName{at::kShort, "I16"},
                             DtypeName{at::kUInt16, "U16"},
                             DtypeName{at::kHalf, "F16"},
                             DtypeName{at::kBFloat16, "BF16"},
                             DtypeName{at::kInt, "I32"},
                             DtypeName{at::kUInt32, "U32"},
                             DtypeName{at::kFloat, "F32"},
                             DtypeName{at::kLong, "I64"},
                             DtypeName{at::kUInt64, "U64"},
                             DtypeName{at::kDouble, "F64"},
                             DtypeName{at::kComplexFloat, "C64"}};

}  // namespace

std::optional<std::string_view> dtype_name(at::ScalarType dtype) {
  for (const auto& [known, name] : kDtypes) {
    if (known == dtype) return name;
  }
  return std::nullopt;
}

std::optional<at::ScalarType> dtype_named(std::string_view name) {
  for (const auto& [dtype, known] : kDtypes) {
    if (known == name) return dtype;
  }
  return std::nullopt;
}

std::string dtype_names() {
  std::string names;
  for (const auto& [dtype, name] : kDtypes) {
    if (!names.empty()) names += ", ";
    names += name;
  }
  return names;
}

}  // namespace shardopt::checkpoint
