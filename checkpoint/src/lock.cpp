#include "lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <thread>

#include "paths.h"
#include "shardopt/checkpoint/checkpoint_failure.h"

namespace shardopt::checkpoint {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kTryEvery{100};
constexpr int64_t kMaxHolderBytes = 4096;

// The folder and its parents, each synced into its own.
void make_folders(FileSystem& files, const fs::path& path) {
  struct stat status {};
  if (files.fstatat(AT_FDCWD, path.string() + "/.", status) == 0) return;
  if (!path.has_filename() || path == ".") return;
  const fs::path parent = path.has_parent_path() ? path.parent_path() : fs::path(".");
  make_folders(files, parent);
  make_folder(open_root(files, parent.string()), path.filename().string());
}

Handle open_made_root(FileSystem& files, const std::string& root) {
  const fs::path path = fs::path(root).lexically_normal();
  make_folders(files, path.has_filename() ? path : path.parent_path());
  return open_root(files, root);
}

Handle open_lock(const Handle& root) {
  const int descriptor = retry([&] {
    return root.files().open(root.descriptor(), kLockName, O_RDWR | O_CREAT, 0666);
  });
  const std::string path = root.path() + "/" + kLockName;
  if (descriptor < 0) fail_storage(path, "cannot open it", errno);
  return {root.files(), descriptor, path};
}

std::string ourselves() {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  return c10::str("host ", host.data(), ", process ", ::getpid());
}

}  // namespace

RootLock::RootLock(FileSystem& files, const std::string& root,
                   std::chrono::seconds wait)
    : root_(open_made_root(files, root)), file_(open_lock(root_)) {
  take(wait);
}

void RootLock::take(std::chrono::seconds wait) {
  const auto deadline = Clock::now() + wait;
  FileSystem& files = root_.files();
  const auto try_once = [&] {
    return files.flock(file_.descriptor(), LOCK_EX | LOCK_NB);
  };
  while (retry(try_once) != 0) {
    if (errno != EWOULDBLOCK) {
      fail_storage(file_.path(), "cannot lock it", errno);
    }
    if (Clock::now() >= deadline) {
      std::string holder = read_small_file(root_, kLockName, kMaxHolderBytes);
      SHARDOPT_CHECKPOINT_FAIL(Fault::kBusy, root_.path(), ": another job has it (",
                               holder, "); waited for ", wait.count(), " s");
    }
    std::this_thread::sleep_for(kTryEvery);
  }
  // For people, and no more: a full disk must not keep a job from making room.
  const std::string text = ourselves();
  (void)files.ftruncate(file_.descriptor(), 0);
  (void)files.pwrite(file_.descriptor(), text.data(), text.size(), 0);
}

}  // namespace shardopt::checkpoint
