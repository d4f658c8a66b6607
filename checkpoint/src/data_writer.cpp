#include "data_writer.h"

#include <fcntl.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "shardopt/checkpoint/checkpoint_failure.h"

namespace shardopt::checkpoint {

DataWriter::DataWriter(const Handle& folder, std::string name, int64_t bytes,
                       bool is_direct)
    : folder_(folder),
      name_(std::move(name)),
      bytes_(bytes),
      is_direct_(is_direct),
      file_(create()) {
  reserve();
}

// A file system without direct I/O may have made the file before it says EINVAL.
Handle DataWriter::create() {
  FileSystem& files = folder_.files();
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_DIRECT;
  if (is_direct_) {
    const int descriptor =
        retry([&] { return files.open(folder_.descriptor(), name_, kFlags, 0666); });
    const std::string path = folder_.path() + "/" + name_;
    if (descriptor >= 0) return {files, descriptor, path};
    if (errno != EINVAL) fail_storage(path, "cannot create it", errno);
    is_direct_ = false;
    remove_file(folder_, name_);
  }
  return create_file(folder_, name_);
}

// Not posix_fallocate: where the file system cannot, that writes every block.
void DataWriter::reserve() {
  if (bytes_ == 0) return;
  const int result =
      retry([&] { return folder_.files().fallocate(file_.descriptor(), bytes_); });
  if (result == 0 || errno == EOPNOTSUPP || errno == ENOSYS) return;
  fail_storage(file_.path(), c10::str("cannot take room for ", bytes_, " bytes"),
               errno);
}

void DataWriter::write(Chunk& chunk) {
  if (is_direct_ && write_direct(chunk)) return;
  write_all(buffered(), chunk.memory.get(), chunk.bytes, chunk.offset);
}

// Whole blocks only: the last chunk is padded, and the file cut to its size at the end.
bool DataWriter::write_direct(Chunk& chunk) {
  const std::size_t padded =
      (chunk.bytes + kDirectAlignment - 1) / kDirectAlignment * kDirectAlignment;
  std::memset(chunk.memory.get() + chunk.bytes, 0, padded - chunk.bytes);
  std::size_t done = 0;
  while (done < padded) {
    const ssize_t count = retry([&] {
      return folder_.files().pwrite(file_.descriptor(), chunk.memory.get() + done,
                                    padded - done,
                                    chunk.offset + static_cast<off_t>(done));
    });
    if (count < 0 && errno == EINVAL) {
      is_direct_ = false;
      return false;
    }
    if (count <= 0) {
      fail_storage(file_.path(), "cannot write it", count < 0 ? errno : EIO);
    }
    done += static_cast<std::size_t>(count);
  }
  return true;
}

const Handle& DataWriter::buffered() {
  const std::lock_guard lock(mutex_);
  if (!buffered_.has_value()) {
    FileSystem& files = folder_.files();
    const int descriptor =
        retry([&] { return files.open(folder_.descriptor(), name_, O_WRONLY, 0); });
    if (descriptor < 0) fail_storage(file_.path(), "cannot open it", errno);
    buffered_.emplace(files, descriptor, file_.path());
  }
  return *buffered_;
}

void DataWriter::finish() {
  const int result =
      retry([&] { return folder_.files().ftruncate(file_.descriptor(), bytes_); });
  if (result != 0) fail_storage(file_.path(), "cannot cut it to its size", errno);
  if (buffered_.has_value()) buffered_->close();
  sync(file_);
  file_.close();
}

}  // namespace shardopt::checkpoint
