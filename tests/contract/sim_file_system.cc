#include "tests/contract/sim_file_system.h"

#include <algorithm>
#include <array>

#include "node/base/assert.h"

namespace aspen::contract {
namespace {

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

tl::unexpected<Error> dead() {
  return fail(Code::io_error, "the simulated machine is down");
}

void overwrite(std::string& text, std::uint64_t offset, std::string_view bytes) {
  if (text.size() < offset + bytes.size()) text.resize(offset + bytes.size(), '\0');
  std::ranges::copy(bytes, text.begin() + static_cast<std::ptrdiff_t>(offset));
}

}  // namespace

void SimFileSystem::Inode::settle() {
  durable.resize(now.size(), '\0');
  for (const Write& write : pending) overwrite(durable, write.offset, write.bytes);
  pending.clear();
}

// A sector that n writes touched ends as it was after the first k of them, for some k.
void SimFileSystem::Inode::lose_power(Prng& prng, std::uint64_t kept_percent) {
  const std::uint64_t sector_bytes = prng.chance(1, 2) ? 512 : 4096;
  std::map<std::uint64_t, std::uint64_t> kept;  // sector: how many of its writes
  for (const Write& write : pending) {
    if (write.bytes.empty()) continue;
    const std::uint64_t last = (write.offset + write.bytes.size() - 1) / sector_bytes;
    for (std::uint64_t at = write.offset / sector_bytes; at <= last; ++at) ++kept[at];
  }
  for (auto& [sector, writes] : kept) {
    const bool survives = prng.below(100) < kept_percent;
    if (!survives) {
      writes = 0;
    } else if (kept_percent < 100) {
      writes = prng.between(1, writes);
    }
  }
  if (now.size() > durable.size() && prng.below(100) < kept_percent) {
    durable.resize(now.size(), '\0');
  }
  for (const Write& write : pending) {
    std::uint64_t at = write.offset;
    const std::uint64_t end =
        std::min<std::uint64_t>(write.offset + write.bytes.size(), durable.size());
    while (at < end) {
      const std::uint64_t sector = at / sector_bytes;
      const std::uint64_t next = std::min(end, (sector + 1) * sector_bytes);
      if (kept[sector] > 0) {
        --kept[sector];
        overwrite(durable, at, std::string_view(write.bytes).substr(at - write.offset, next - at));
      }
      at = next;
    }
  }
  pending.clear();
  now = durable;
}

// ---- files

class SimFile final : public File {
 public:
  SimFile(SimFileSystem& files, SimFileSystem::InodeRef inode)
      : files_(files), inode_(std::move(inode)), life_(files.life_) {}

  Result<void> write(std::uint64_t offset, std::span<const std::string_view> parts) override {
    const std::lock_guard lock(files_.mutex_);
    if (life_ != files_.life_) return dead();
    if (auto begun = files_.begin(); !begun) return begun;
    std::string bytes;
    for (const std::string_view part : parts) bytes += part;
    const std::uint64_t end = offset + bytes.size();
    if (end > inode_->now.size() &&
        files_.used_bytes() + (end - inode_->now.size()) > files_.capacity_bytes_) {
      return fail(Code::no_space, "the simulated disk is full");
    }
    overwrite(inode_->now, offset, bytes);
    inode_->pending.push_back({offset, std::move(bytes)});
    return files_.end();
  }

  Result<std::size_t> read(std::uint64_t offset, std::span<char> space) const override {
    const std::lock_guard lock(files_.mutex_);
    if (life_ != files_.life_ || files_.crashed_) return dead();
    if (offset >= inode_->now.size()) return 0;
    const std::string_view found = std::string_view(inode_->now).substr(offset, space.size());
    std::ranges::copy(found, space.begin());
    return found.size();
  }

  Result<void> sync() override {
    const std::lock_guard lock(files_.mutex_);
    if (life_ != files_.life_) return dead();
    if (auto begun = files_.begin(); !begun) {
      // As the kernel does: the pages count as clean, so no later sync writes them.
      if (!files_.crashed_) inode_->pending.clear();
      return begun;
    }
    if (auto ended = files_.end(); !ended) return ended;
    if (!files_.lies_) inode_->settle();
    return {};
  }

  Result<void> allocate_zeroed(std::uint64_t size_bytes) override {
    const std::lock_guard lock(files_.mutex_);
    if (life_ != files_.life_) return dead();
    if (auto begun = files_.begin(); !begun) return begun;
    ASPEN_ASSERT(inode_->now.empty());
    if (files_.used_bytes() + size_bytes > files_.capacity_bytes_) {
      return fail(Code::no_space, "the simulated disk is full");
    }
    inode_->now.assign(size_bytes, '\0');
    return files_.end();
  }

  Result<std::uint64_t> size_bytes() const override {
    const std::lock_guard lock(files_.mutex_);
    if (life_ != files_.life_ || files_.crashed_) return dead();
    return inode_->now.size();
  }

 private:
  SimFileSystem& files_;
  SimFileSystem::InodeRef inode_;
  std::uint64_t life_;
};

class SimLock final : public FileLock {
 public:
  SimLock(SimFileSystem& files, std::string path)
      : files_(files), path_(std::move(path)), life_(files.life_) {}
  SimLock(const SimLock&) = delete;
  SimLock& operator=(const SimLock&) = delete;
  ~SimLock() override {
    const std::lock_guard lock(files_.mutex_);
    if (life_ == files_.life_) files_.locked_.erase(path_);
  }

 private:
  SimFileSystem& files_;
  std::string path_;
  std::uint64_t life_;
};

SimFileSystem::~SimFileSystem() = default;

// ---- names

Result<void> SimFileSystem::begin() {
  if (crashed_) return dead();
  ++operations_;
  if (operations_ == fail_at_) return fail(fail_code_, "a simulated failure");
  return {};
}

Result<void> SimFileSystem::end() {
  if (operations_ != crash_at_) return {};
  crashed_ = true;
  if (crash_told_) crash_told_();
  return dead();
}

std::uint64_t SimFileSystem::used_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& [path, inode] : names_) bytes += inode->now.size();
  return bytes;
}

void SimFileSystem::apply(std::map<std::string, InodeRef>& names, const NameChange& change) {
  for (const auto& [path, inode] : change) {
    if (inode) {
      names[path] = inode;
    } else {
      names.erase(path);
    }
  }
}

void SimFileSystem::change_names(NameChange change) {
  apply(names_, change);
  pending_names_.push_back(std::move(change));
}

Result<std::unique_ptr<File>> SimFileSystem::open(const std::string& path, OpenMode mode) {
  const std::lock_guard lock(mutex_);
  if (crashed_) return dead();
  const auto found = names_.find(path);
  if (mode == OpenMode::existing) {
    if (found == names_.end()) return fail(Code::not_found, "no such simulated file");
    return std::make_unique<SimFile>(*this, found->second);
  }
  if (auto begun = begin(); !begun) return tl::unexpected(begun.error());
  if (found != names_.end()) return fail(Code::already_exists, "the simulated file exists");
  auto inode = std::make_shared<Inode>();
  change_names({{path, inode}});
  if (auto ended = end(); !ended) return tl::unexpected(ended.error());
  return std::make_unique<SimFile>(*this, inode);
}

Result<void> SimFileSystem::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  if (auto begun = begin(); !begun) return begun;
  NameChange change;
  const std::string prefix = from + "/";
  for (const auto& [name, inode] : names_) {
    const bool inside = name.starts_with(prefix);
    if (name != from && !inside) continue;
    change.push_back({to + name.substr(from.size()), inode});
    change.push_back({name, nullptr});
  }
  if (change.empty()) return fail(Code::not_found, "no such simulated file");
  // The sync of the directory where it appears makes it durable, be it a file or a directory.
  if (change.front().first != to) change.insert(change.begin(), {to, nullptr});
  change_names(std::move(change));
  return end();
}

Result<void> SimFileSystem::remove(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (auto begun = begin(); !begun) return begun;
  if (!names_.contains(path)) return fail(Code::not_found, "no such simulated file");
  change_names({{path, nullptr}});
  return end();
}

// Directories come with the names in them, durably: what loses a whole directory is not simulated.
Result<void> SimFileSystem::create_directory(const std::string&) {
  const std::lock_guard lock(mutex_);
  if (crashed_) return dead();
  return {};
}

Result<std::vector<std::string>> SimFileSystem::list(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (crashed_) return dead();
  std::vector<std::string> found;
  for (const auto& [name, inode] : names_) {
    if (directory_of(name) == path) found.push_back(name.substr(path.size() + 1));
  }
  return found;
}

Result<std::vector<std::string>> SimFileSystem::list_directories(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (crashed_) return dead();
  std::set<std::string> found;
  const std::string prefix = path + "/";
  for (const auto& [name, inode] : names_) {
    if (!name.starts_with(prefix)) continue;
    const std::size_t slash = name.find('/', prefix.size());
    if (slash != std::string::npos) {
      found.insert(name.substr(prefix.size(), slash - prefix.size()));
    }
  }
  return std::vector<std::string>(found.begin(), found.end());
}

Result<void> SimFileSystem::remove_directory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (crashed_) return dead();
  const auto inside = names_.lower_bound(path + "/");
  ASPEN_ASSERT(inside == names_.end() || !inside->first.starts_with(path + "/"));
  return {};
}

Result<void> SimFileSystem::sync_directory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (auto begun = begin(); !begun) return begun;
  if (auto ended = end(); !ended) return ended;
  std::erase_if(pending_names_, [&](const NameChange& change) {
    if (directory_of(change.front().first) != path) return false;
    apply(durable_names_, change);
    return true;
  });
  return {};
}

Result<std::uint64_t> SimFileSystem::free_bytes(const std::string&) {
  const std::lock_guard lock(mutex_);
  if (crashed_) return dead();
  const std::uint64_t used = used_bytes();
  return used < capacity_bytes_ ? capacity_bytes_ - used : 0;
}

Result<std::unique_ptr<FileLock>> SimFileSystem::lock(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (crashed_) return dead();
  if (!locked_.insert(path).second) return fail(Code::unavailable, "the lock is held");
  return std::make_unique<SimLock>(*this, path);
}

// ---- faults

std::uint64_t SimFileSystem::operations() const {
  const std::lock_guard lock(mutex_);
  return operations_;
}

void SimFileSystem::crash_at(std::uint64_t operation) {
  const std::lock_guard lock(mutex_);
  ASPEN_ASSERT(operation > operations_);
  crash_at_ = operation;
}

void SimFileSystem::fail_at(std::uint64_t operation, Code code) {
  const std::lock_guard lock(mutex_);
  ASPEN_ASSERT(operation > operations_);
  fail_at_ = operation;
  fail_code_ = code;
}

bool SimFileSystem::crashed() const {
  const std::lock_guard lock(mutex_);
  return crashed_;
}

void SimFileSystem::restart(Crash crash, Prng& prng) {
  const std::lock_guard lock(mutex_);
  ++life_;
  crashed_ = false;
  crash_at_ = 0;
  fail_at_ = 0;
  locked_.clear();
  if (crash == Crash::process) return;
  static constexpr std::array<std::uint64_t, 5> percents{0, 30, 60, 90, 100};
  const std::uint64_t kept_percent = percents[prng.below(percents.size())];
  for (const NameChange& change : pending_names_) {
    if (prng.below(100) < kept_percent) apply(durable_names_, change);
  }
  pending_names_.clear();
  names_ = durable_names_;
  std::set<Inode*> done;
  for (const auto& [path, inode] : names_) {
    if (done.insert(inode.get()).second) inode->lose_power(prng, kept_percent);
  }
}

void SimFileSystem::set_capacity(std::uint64_t capacity_bytes) {
  const std::lock_guard lock(mutex_);
  capacity_bytes_ = capacity_bytes;
}

void SimFileSystem::flip(const std::string& path, std::uint64_t offset, std::uint8_t bits) {
  const std::lock_guard lock(mutex_);
  const InodeRef& inode = names_.at(path);
  inode->settle();
  ASPEN_ASSERT(offset < inode->now.size());
  inode->now[offset] = static_cast<char>(inode->now[offset] ^ bits);
  inode->durable[offset] = inode->now[offset];
}

std::string SimFileSystem::content(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  return names_.at(path)->now;
}

void SimFileSystem::replace(const std::string& path, std::optional<std::string> content) {
  const std::lock_guard lock(mutex_);
  InodeRef inode;
  if (content) {
    inode = std::make_shared<Inode>();
    inode->now = *content;
    inode->durable = std::move(*content);
  }
  apply(names_, {{path, inode}});
  apply(durable_names_, {{path, inode}});
}

}  // namespace aspen::contract
