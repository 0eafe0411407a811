#include "node/adapter/segment_log/segment_pool.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "node/base/assert.h"
#include "node/base/ids.h"
#include "node/base/limits.h"

namespace aspen::adapter::segment_log {
namespace {

constexpr std::string_view prefix = "spare-";
constexpr std::string_view unfinished_suffix = ".new";
// How soon a full disk is tried again.
constexpr std::chrono::milliseconds retry_interval{100};
// While so many more segments fit on the disk, spares beyond those needed are kept.
constexpr std::uint64_t free_segments_plenty = 4;

bool is_finished(const std::string& name) noexcept {
  return !name.ends_with(unfinished_suffix);
}

}  // namespace

SegmentPool::SegmentPool(FileSystem& files, Options options)
    : files_(files), options_(std::move(options)), wanted_(limits::log_spares_ready) {}

SegmentPool::~SegmentPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

bool SegmentPool::owns(const std::string& name) noexcept {
  return name.starts_with(prefix);
}

Result<void> SegmentPool::adopt(const std::vector<std::string>& names) {
  ASPEN_ASSERT(!thread_.joinable());
  for (const std::string& name : names) {
    const std::string digits = name.substr(prefix.size(), 16);
    const bool numbered = digits.find_first_not_of("0123456789abcdef") == std::string::npos;
    if (numbered && !digits.empty()) {
      next_number_ = std::max<std::uint64_t>(next_number_, std::stoull(digits, nullptr, 16) + 1);
    }
    auto file = files_.open(path(name), OpenMode::existing);
    if (!file) return tl::unexpected(file.error());
    auto size = (*file)->size_bytes();
    if (!size) return tl::unexpected(size.error());
    if (is_finished(name) && *size == options_.segment_bytes &&
        ready_.size() < limits::log_spares_max) {
      ready_.push_back({name, std::move(*file)});
      continue;
    }
    if (auto removed = files_.remove(path(name)); !removed) return removed;
  }
  return {};
}

void SegmentPool::start() {
  ASPEN_ASSERT(!thread_.joinable());
  if (options_.preparation == Preparation::background) {
    thread_ = std::thread([this]() noexcept { run(); });
  }
}

Result<std::vector<Spare>> SegmentPool::take(std::size_t count, Reserve reserve) {
  std::unique_lock lock(mutex_);
  const std::size_t needed = count + (reserve == Reserve::keep ? 1 : 0);
  wanted_ = std::max(needed, limits::log_spares_ready);
  if (options_.preparation == Preparation::in_line) full_ = false;
  while (ready_.size() < needed) {
    if (error_) return tl::unexpected(*error_);
    if (full_ && recycled_.empty()) {
      return fail(Code::no_space, "the disk is full: no room for another log segment");
    }
    if (options_.preparation == Preparation::background) {
      changed_.notify_all();
      changed_.wait(lock);
      continue;
    }
    const bool worked = work(lock);
    ASPEN_ASSERT(worked);
  }
  std::vector<Spare> taken;
  for (std::size_t i = 0; i < count; ++i) {
    taken.push_back(std::move(ready_.front()));
    ready_.pop_front();
  }
  wanted_ = limits::log_spares_ready;
  changed_.notify_all();
  return taken;
}

void SegmentPool::recycle(std::vector<std::string> names) {
  std::unique_lock lock(mutex_);
  std::ranges::move(names, std::back_inserter(recycled_));
  ASPEN_ASSERT(recycled_.size() <= limits::log_segments_max);
  changed_.notify_all();
  if (options_.preparation == Preparation::background) return;
  while (!recycled_.empty() && !error_) recycle_one(lock);
}

std::size_t SegmentPool::ready() const {
  const std::lock_guard lock(mutex_);
  return ready_.size();
}

Result<void> SegmentPool::status() const {
  const std::lock_guard lock(mutex_);
  if (error_) return tl::unexpected(*error_);
  return {};
}

void SegmentPool::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_ && !error_) {
    if (work(lock)) {
      changed_.notify_all();
      continue;
    }
    if (!full_ && ready_.size() <= limits::log_spares_ready) {
      changed_.wait(lock);
    } else if (changed_.wait_for(lock, retry_interval) == std::cv_status::timeout) {
      if (full_) prepare(lock);
      trim(lock);
      changed_.notify_all();
    }
  }
}

// Spares beyond those that are needed give way when the disk gets short of room, so that they do
// not count as use that nothing can end.
void SegmentPool::trim(std::unique_lock<std::mutex>& lock) {
  if (error_ || ready_.size() <= std::max(wanted_, limits::log_spares_ready)) return;
  Spare spare = std::move(ready_.back());
  ready_.pop_back();
  lock.unlock();
  const auto free = files_.free_bytes(options_.directory);
  const std::uint64_t plenty_bytes =
      options_.keep_free_bytes + free_segments_plenty * options_.segment_bytes;
  const bool scarce = free.has_value() && *free < plenty_bytes;
  Result<void> removed;
  if (scarce) removed = files_.remove(path(spare.name));
  lock.lock();
  if (!scarce) ready_.push_back(std::move(spare));
  if (!removed) error_ = removed.error();
}

bool SegmentPool::work(std::unique_lock<std::mutex>& lock) {
  if (!recycled_.empty()) {
    recycle_one(lock);
    return true;
  }
  if (full_ || ready_.size() >= wanted_) return false;
  prepare(lock);
  return true;
}

void SegmentPool::prepare(std::unique_lock<std::mutex>& lock) {
  const std::string name = next_name();
  lock.unlock();
  auto spare = create(name);
  lock.lock();
  full_ = !spare && spare.error().code == Code::no_space;
  if (spare) {
    ready_.push_back(std::move(*spare));
  } else if (!full_) {
    error_ = spare.error();
  }
}

Result<Spare> SegmentPool::create(const std::string& name) {
  auto free = files_.free_bytes(options_.directory);
  if (!free) return tl::unexpected(free.error());
  if (*free < options_.segment_bytes + options_.keep_free_bytes) {
    return fail(Code::no_space, "the disk is full: no room for another log segment");
  }
  const std::string unfinished = name + std::string(unfinished_suffix);
  auto file = files_.open(path(unfinished), OpenMode::create_new);
  if (!file) return tl::unexpected(file.error());
  auto made = (*file)->allocate_zeroed(options_.segment_bytes);
  if (made) made = (*file)->sync();
  file->reset();
  Result<Spare> spare = made ? rename_to_spare(unfinished, name) : tl::unexpected(made.error());
  // What was allocated in vain must not fill the disk further. After the rename there is nothing
  // to remove, and the error that came then is the one that counts.
  if (!spare) static_cast<void>(files_.remove(path(unfinished)));
  return spare;
}

Result<Spare> SegmentPool::rename_to_spare(const std::string& from, const std::string& name) {
  if (auto renamed = files_.rename(path(from), path(name)); !renamed) {
    return tl::unexpected(renamed.error());
  }
  if (auto synced = files_.sync_directory(options_.directory); !synced) {
    return tl::unexpected(synced.error());
  }
  auto file = files_.open(path(name), OpenMode::existing);
  if (!file) return tl::unexpected(file.error());
  return Spare{name, std::move(*file)};
}

void SegmentPool::recycle_one(std::unique_lock<std::mutex>& lock) {
  const std::string from = std::move(recycled_.front());
  recycled_.pop_front();
  const bool wanted = ready_.size() < limits::log_spares_max;
  const std::string name = next_name();
  lock.unlock();
  auto spare = wanted ? reuse(from, name) : remove_old(from);
  lock.lock();
  if (!spare) error_ = spare.error();
  if (spare && *spare) ready_.push_back(std::move(**spare));
  full_ = false;
}

// A segment begun under another setting must not become one of the present size.
Result<std::optional<Spare>> SegmentPool::reuse(const std::string& from, const std::string& name) {
  auto file = files_.open(path(from), OpenMode::existing);
  if (!file) return tl::unexpected(file.error());
  auto size = (*file)->size_bytes();
  if (!size) return tl::unexpected(size.error());
  if (*size != options_.segment_bytes) return remove_old(from);
  auto spare = rename_to_spare(from, name);
  if (!spare) return tl::unexpected(spare.error());
  return std::move(*spare);
}

Result<std::optional<Spare>> SegmentPool::remove_old(const std::string& name) {
  if (auto removed = files_.remove(path(name)); !removed) return tl::unexpected(removed.error());
  return std::optional<Spare>();
}

std::string SegmentPool::path(const std::string& name) const {
  return options_.directory + "/" + name;
}

std::string SegmentPool::next_name() {
  return std::string(prefix) + to_hex(next_number_++);
}

}  // namespace aspen::adapter::segment_log
