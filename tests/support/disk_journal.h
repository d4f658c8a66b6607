/// What a disk may hold after a power cut: a model that is harsher than any file
/// system.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace shardopt::test {

/// Everything that changed below a folder, in order, and what was synced.
///
/// Bytes and size of a file are safe once that file was synced, names of a folder once
/// that folder was; nothing else makes anything safe. What was not safe is lost or
/// kept, each write and each name by itself. After a sync that failed, what it should
/// have made safe never is.
///
/// What is told here has succeeded already. Descriptors of files outside are ignored.
/// Thread safety: none.
class DiskJournal {
 public:
  /// What `root` holds now counts as synced.
  explicit DiskJournal(const std::filesystem::path& root);

  void open_root(int descriptor, const std::string& path);
  /// `flags` as open's: O_CREAT and O_TRUNC are looked at.
  void open(int folder, const std::string& name, int flags, int descriptor);
  void close(int descriptor);
  void write(int descriptor, const void* data, std::size_t bytes, off_t offset);
  void grow(int descriptor, off_t bytes);
  void resize(int descriptor, off_t bytes);
  void sync(int descriptor, bool has_failed);
  void make_folder(int folder, const std::string& name);
  void rename(int folder, const std::string& from, const std::string& to);
  void remove(int folder, const std::string& name);

  /// Changes and syncs so far.
  [[nodiscard]] int64_t size() const noexcept {
    return static_cast<int64_t>(entries_.size());
  }
  /// "rename step_000000000001: MANIFEST.tmp.x to MANIFEST"
  [[nodiscard]] std::string describe(int64_t entry) const;

  /// Whether the disk has kept an entry that was not safe.
  using Keep = std::function<bool(int64_t entry)>;

  /// Builds in `into`, a folder made here, what a power cut after the first `entries`
  /// may leave.
  void materialise(int64_t entries, const Keep& keep,
                   const std::filesystem::path& into) const;

 private:
  using Node = int64_t;  // A file or folder, whatever its name.
  enum class Kind : uint8_t {
    kLink,
    kRename,
    kUnlink,
    kWrite,
    kGrow,
    kResize,
    kSync,
    kSyncFailed
  };
  struct Entry {
    Kind kind;
    Node node;              // Whose bytes or names it changes.
    std::string name{};     // Of a folder's: which.
    std::string to{};       // The new one.
    Node target = 0;        // What it names.
    off_t offset = 0;       // Or the size.
    std::string content{};  // Bytes written.
  };
  struct Disk {
    std::map<Node, std::map<std::string, Node>> folders{};
    std::map<Node, std::string> files{};
  };

  void adopt(const std::filesystem::path& path, Node node);
  Node make_node(Node folder, const std::string& name, bool is_folder);
  void change(Entry entry);
  [[nodiscard]] const Node* find(int descriptor) const;
  [[nodiscard]] std::vector<bool> safe(int64_t entries) const;
  static void apply(const Entry& entry, Disk& disk);
  static void build(const Disk& disk, Node node, const std::filesystem::path& path);

  std::filesystem::path root_;
  Node next_node_ = 1;  // 0 is the root.
  Disk initial_;
  Disk now_;                             // Of its files, no bytes.
  std::map<Node, std::string> names_{};  // As first called; for people.
  std::map<int, Node> descriptors_{};
  std::vector<Entry> entries_{};
};

}  // namespace shardopt::test
