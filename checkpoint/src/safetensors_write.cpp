#include <algorithm>
#include <cstddef>
#include <tuple>

#include <c10/core/Device.h>
#include <c10/core/Layout.h>

#include "durable_file.h"
#include "safetensors_dtypes.h"
#include "safetensors_header.h"
#include "shardopt/checkpoint/safetensors.h"
#include "shardopt/core/error.h"

namespace shardopt::checkpoint {
namespace {

TensorEntry make_entry(const std::string& name, const at::Tensor& tensor) {
  if (!tensor.defined()) {
    SHARDOPT_THROW(CheckpointError, "tensor ", name, " is undefined");
  }
  if (tensor.layout() != at::kStrided || tensor.is_meta()) {
    SHARDOPT_THROW(CheckpointError, "tensor ", name, " is ",
                   tensor.is_meta() ? "on device meta" : "not dense",
                   "; allowed: dense tensors with data");
  }
  if (!dtype_name(tensor.scalar_type()).has_value()) {
    SHARDOPT_THROW(CheckpointError, "tensor ", name, " has dtype ",
                   tensor.scalar_type(), "; allowed: ", dtype_names());
  }
  return {name, tensor.scalar_type(), tensor.sizes().vec(), 0, 0};
}

// Large dtypes first: each tensor then lies at a multiple of its own element size.
SafetensorsHeader make_header(const SafetensorsFile& contents) {
  SafetensorsHeader header{.metadata = contents.metadata};
  for (const auto& [name, tensor] : contents.tensors) {
    header.entries.push_back(make_entry(name, tensor));
  }
  std::ranges::sort(header.entries, {}, [](const TensorEntry& entry) {
    return std::tuple(-static_cast<int64_t>(c10::elementSize(entry.dtype)), entry.name);
  });
  int64_t end = 0;
  for (TensorEntry& entry : header.entries) {
    entry.begin = end;
    end += static_cast<int64_t>(contents.tensors.at(entry.name).nbytes());
    entry.end = end;
  }
  return header;
}

at::Tensor host_copy(const at::Tensor& tensor) {
  return tensor.detach().resolve_conj().resolve_neg().to(at::kCPU).contiguous();
}

}  // namespace

void write_safetensors(const std::filesystem::path& path,
                       const SafetensorsFile& contents) {
  SafetensorsHeader header;
  std::string head;
  try {
    header = make_header(contents);
    head = encode_header(header);
  } catch (const CheckpointError& error) {
    SHARDOPT_THROW(CheckpointError, path.string(), ": ",
                   error.what_without_backtrace());
  }
  DurableFile file(path);
  file.write(head.data(), head.size());
  for (const TensorEntry& entry : header.entries) {
    const at::Tensor tensor = host_copy(contents.tensors.at(entry.name));
    file.write(tensor.const_data_ptr(), tensor.nbytes());
  }
  file.commit();
}

}  // namespace shardopt::checkpoint
