#include "support/disk_journal.h"

#include <fcntl.h>

#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

namespace shardopt::test {
namespace {

namespace fs = std::filesystem;

std::string read_bytes(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void ensure_size(std::string& content, std::size_t bytes) {
  if (content.size() < bytes) content.resize(bytes);
}

}  // namespace

DiskJournal::DiskJournal(const fs::path& root) : root_(fs::canonical(root)) {
  initial_.folders[0];
  adopt(root_, 0);
  now_.folders = initial_.folders;
}

void DiskJournal::adopt(const fs::path& path, Node node) {
  for (const auto& entry : fs::directory_iterator(path)) {
    const std::string name = entry.path().filename();
    const Node child = next_node_++;
    names_[child] = fs::relative(entry.path(), root_);
    initial_.folders[node][name] = child;
    if (entry.is_directory()) {
      initial_.folders[child];
      adopt(entry.path(), child);
    } else {
      initial_.files[child] = read_bytes(entry.path());
    }
  }
}

DiskJournal::Node DiskJournal::make_node(Node folder, const std::string& name,
                                         bool is_folder) {
  const Node node = next_node_++;
  names_[node] = folder == 0 ? name : names_[folder] + "/" + name;
  if (is_folder) now_.folders[node];
  change({.kind = Kind::kLink, .node = folder, .name = name, .target = node});
  return node;
}

// Names are followed at once; bytes are put together when a disk is built.
void DiskJournal::change(Entry entry) {
  const bool is_of_names = entry.kind == Kind::kLink || entry.kind == Kind::kRename ||
                           entry.kind == Kind::kUnlink;
  if (is_of_names) apply(entry, now_);
  entries_.push_back(std::move(entry));
}

const DiskJournal::Node* DiskJournal::find(int descriptor) const {
  const auto it = descriptors_.find(descriptor);
  return it == descriptors_.end() ? nullptr : &it->second;
}

void DiskJournal::open_root(int descriptor, const std::string& path) {
  Node node = 0;
  for (const fs::path& part : fs::canonical(path).lexically_relative(root_)) {
    if (part == "..") return;
    if (part != ".") node = now_.folders.at(node).at(part);
  }
  descriptors_[descriptor] = node;
}

void DiskJournal::open(int folder, const std::string& name, int flags, int descriptor) {
  const Node* parent = find(folder);
  if (parent == nullptr) return;
  const auto& names = now_.folders.at(*parent);
  const auto it = names.find(name);
  if (it == names.end() && (flags & O_CREAT) == 0) {
    throw std::logic_error("the journal has missed how " + name + " came to be");
  }
  const Node node = it == names.end() ? make_node(*parent, name, false) : it->second;
  descriptors_[descriptor] = node;
  if ((flags & O_TRUNC) != 0) resize(descriptor, 0);
}

void DiskJournal::close(int descriptor) { descriptors_.erase(descriptor); }

void DiskJournal::write(int descriptor, const void* data, std::size_t bytes,
                        off_t offset) {
  if (const Node* node = find(descriptor)) {
    change({.kind = Kind::kWrite,
            .node = *node,
            .offset = offset,
            .content = std::string(static_cast<const char*>(data), bytes)});
  }
}

void DiskJournal::grow(int descriptor, off_t bytes) {
  if (const Node* node = find(descriptor)) {
    change({.kind = Kind::kGrow, .node = *node, .offset = bytes});
  }
}

void DiskJournal::resize(int descriptor, off_t bytes) {
  if (const Node* node = find(descriptor)) {
    change({.kind = Kind::kResize, .node = *node, .offset = bytes});
  }
}

void DiskJournal::sync(int descriptor, bool has_failed) {
  if (const Node* node = find(descriptor)) {
    change({.kind = has_failed ? Kind::kSyncFailed : Kind::kSync, .node = *node});
  }
}

void DiskJournal::make_folder(int folder, const std::string& name) {
  if (const Node* node = find(folder)) make_node(*node, name, true);
}

void DiskJournal::rename(int folder, const std::string& from, const std::string& to) {
  if (const Node* node = find(folder)) {
    change({.kind = Kind::kRename,
            .node = *node,
            .name = from,
            .to = to,
            .target = now_.folders.at(*node).at(from)});
  }
}

void DiskJournal::remove(int folder, const std::string& name) {
  if (const Node* node = find(folder)) {
    change({.kind = Kind::kUnlink, .node = *node, .name = name});
  }
}

std::string DiskJournal::describe(int64_t entry) const {
  const Entry& e = entries_.at(static_cast<std::size_t>(entry));
  const auto it = names_.find(e.node);
  const std::string where = it == names_.end() ? "." : it->second;
  switch (e.kind) {
    case Kind::kLink:
      return "create " + where + "/" + e.name;
    case Kind::kRename:
      return "rename " + where + ": " + e.name + " to " + e.to;
    case Kind::kUnlink:
      return "remove " + where + "/" + e.name;
    case Kind::kWrite:
      return "write " + where + ": " + std::to_string(e.content.size()) + " bytes at " +
             std::to_string(e.offset);
    case Kind::kGrow:
    case Kind::kResize:
      return "resize " + where + " to " + std::to_string(e.offset);
    case Kind::kSync:
      return "sync " + where;
    case Kind::kSyncFailed:
      return "failed sync " + where;
  }
  throw std::logic_error("an unknown kind of entry");
}

// A sync makes safe what its file or folder has pending; one that fails loses it.
std::vector<bool> DiskJournal::safe(int64_t entries) const {
  std::vector<bool> is_safe(static_cast<std::size_t>(entries), false);
  std::map<Node, std::vector<std::size_t>> pending;
  for (std::size_t i = 0; i < is_safe.size(); ++i) {
    const Entry& entry = entries_[i];
    std::vector<std::size_t>& waiting = pending[entry.node];
    if (entry.kind == Kind::kSync) {
      for (const std::size_t change : waiting) is_safe[change] = true;
    }
    if (entry.kind == Kind::kSync || entry.kind == Kind::kSyncFailed) {
      waiting.clear();
    } else {
      waiting.push_back(i);
    }
  }
  return is_safe;
}

void DiskJournal::apply(const Entry& entry, Disk& disk) {
  const auto size = static_cast<std::size_t>(entry.offset);
  switch (entry.kind) {
    case Kind::kLink:
      disk.folders[entry.node][entry.name] = entry.target;
      break;
    case Kind::kRename:
      disk.folders[entry.node].erase(entry.name);
      disk.folders[entry.node][entry.to] = entry.target;
      break;
    case Kind::kUnlink:
      disk.folders[entry.node].erase(entry.name);
      break;
    case Kind::kWrite:
      ensure_size(disk.files[entry.node], size + entry.content.size());
      disk.files[entry.node].replace(size, entry.content.size(), entry.content);
      break;
    case Kind::kGrow:
      ensure_size(disk.files[entry.node], size);
      break;
    case Kind::kResize:
      disk.files[entry.node].resize(size);
      break;
    case Kind::kSync:
    case Kind::kSyncFailed:
      break;
  }
}

void DiskJournal::materialise(int64_t entries, const Keep& keep,
                              const fs::path& into) const {
  Disk disk = initial_;
  for (const auto& [node, names] : now_.folders) disk.folders[node];
  const std::vector<bool> is_safe = safe(entries);
  for (int64_t i = 0; i < entries; ++i) {
    const auto index = static_cast<std::size_t>(i);
    if (is_safe[index] || keep(i)) apply(entries_[index], disk);
  }
  build(disk, 0, into);
}

void DiskJournal::build(const Disk& disk, Node node, const fs::path& path) {
  fs::create_directories(path);
  for (const auto& [name, child] : disk.folders.at(node)) {
    if (disk.folders.contains(child)) {
      build(disk, child, path / name);
      continue;
    }
    const auto it = disk.files.find(child);
    std::ofstream(path / name, std::ios::binary)
        << (it == disk.files.end() ? std::string() : it->second);
  }
}

}  // namespace shardopt::test
