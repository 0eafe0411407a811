// Files that are ready to become segments: allocated, filled with zeros (or recycled) and synced,
// so that appending to them changes no metadata. One is held back, so that votes can be written
// when the disk is full. Full means that taking one answers no_space; the pool goes on trying, and
// recycled segments and freed space make it recover by itself.
//
// Owner: a segment log. take, recycle and ready are called by the log writer's thread; the files
// are prepared by a thread of the pool (Preparation::background) or inside take and recycle
// (Preparation::in_line, for simulators). Bounds: limits::log_spares_ready, log_spares_max.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "node/base/error.h"
#include "node/port/file_system.h"

namespace aspen::adapter::segment_log {

enum class Preparation : std::uint8_t { background, in_line };

// Whether the last spare may be taken as well.
enum class Reserve : std::uint8_t { keep, use };

struct Spare {
  std::string name;
  std::unique_ptr<File> file;
};

class SegmentPool {
 public:
  struct Options {
    std::string directory;
    std::uint64_t segment_bytes = 0;
    std::uint64_t keep_free_bytes = 0;  // what the file system keeps for others
    Preparation preparation = Preparation::background;
  };

  SegmentPool(FileSystem& files, Options options);
  SegmentPool(const SegmentPool&) = delete;
  SegmentPool& operator=(const SegmentPool&) = delete;
  // Waits for the file that is being prepared.
  ~SegmentPool();

  // Takes over files found in the directory, which may be of any size or half-made. Call it once,
  // before start. Possible errors: io_error.
  [[nodiscard]] Result<void> adopt(const std::vector<std::string>& names);
  void start();

  // Exactly `count` spares or an error. Blocks while a file is being prepared, if none is ready.
  // Possible errors: no_space, io_error.
  [[nodiscard]] Result<std::vector<Spare>> take(std::size_t count, Reserve reserve);
  // Segments that are not needed any more become spares, or are removed. Nothing is written to
  // them before their new names are durable.
  void recycle(std::vector<std::string> names);
  [[nodiscard]] std::size_t ready() const;
  // io_error if preparing failed for another reason than a full disk.
  [[nodiscard]] Result<void> status() const;

  // Whether a name in the directory is one of the pool's.
  [[nodiscard]] static bool owns(const std::string& name) noexcept;

 private:
  void run();
  // Does one piece of work without the lock; false if there is none.
  bool work(std::unique_lock<std::mutex>& lock);
  void prepare(std::unique_lock<std::mutex>& lock);
  void recycle_one(std::unique_lock<std::mutex>& lock);
  void trim(std::unique_lock<std::mutex>& lock);
  [[nodiscard]] Result<Spare> create(const std::string& name);
  [[nodiscard]] Result<Spare> rename_to_spare(const std::string& from, const std::string& name);
  // Gives a purged segment a spare's name, or removes it if its size is not that of new ones.
  [[nodiscard]] Result<std::optional<Spare>> reuse(const std::string& from,
                                                   const std::string& name);
  [[nodiscard]] Result<std::optional<Spare>> remove_old(const std::string& name);
  [[nodiscard]] std::string path(const std::string& name) const;
  [[nodiscard]] std::string next_name();

  FileSystem& files_;
  const Options options_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Spare> ready_;
  std::deque<std::string> recycled_;
  std::size_t wanted_;
  std::uint64_t next_number_ = 1;
  bool full_ = false;  // the last file could not be made for want of space
  bool stopping_ = false;
  std::optional<Error> error_;
  std::thread thread_;  // last: started when all else is there
};

}  // namespace aspen::adapter::segment_log
