// A file system in memory that forgets what was not synced, as a machine that loses power does.
//
// Each file has a durable image and the writes since its last sync; a power loss keeps any part of
// those, sector by sector, each sector in any of the states that it went through. A sync that fails
// leaves them readable, and no later sync makes them durable: only writing them again does. Each
// creation, rename and removal is atomic and durable only with the sync of its directory; a power
// loss keeps any of those that were not synced. A process's end loses nothing but the open files.
//
// Faults: a capacity, an error at a chosen operation, power loss in the middle of a chosen
// operation, flipped bits. Operations that change something are counted from 1.
// Thread-safe as the port demands, but runs are repeatable only with a single thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "node/base/prng.h"
#include "node/port/file_system.h"

namespace aspen::contract {

enum class Crash : std::uint8_t {
  process,  // what was written is still there, synced or not
  power,
};

class SimFileSystem final : public FileSystem {
 public:
  SimFileSystem() = default;
  SimFileSystem(const SimFileSystem&) = delete;
  SimFileSystem& operator=(const SimFileSystem&) = delete;
  ~SimFileSystem() override;

  [[nodiscard]] Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  [[nodiscard]] Result<void> rename(const std::string& from, const std::string& to) override;
  [[nodiscard]] Result<void> remove(const std::string& path) override;
  [[nodiscard]] Result<void> create_directory(const std::string& path) override;
  [[nodiscard]] Result<std::vector<std::string>> list(const std::string& path) override;
  [[nodiscard]] Result<std::vector<std::string>> list_directories(const std::string& path) override;
  [[nodiscard]] Result<void> remove_directory(const std::string& path) override;
  [[nodiscard]] Result<void> sync_directory(const std::string& path) override;
  [[nodiscard]] Result<std::uint64_t> free_bytes(const std::string& path) override;
  [[nodiscard]] Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;

  // Operations so far.
  [[nodiscard]] std::uint64_t operations() const;
  // The operation of this number takes effect, not durably, and is the last: it and all later ones
  // are io_error until restart().
  void crash_at(std::uint64_t operation);
  // Called inside that operation; it must not call back. Empty: nobody is told.
  void on_crash(std::function<void()> told) { crash_told_ = std::move(told); }
  // The operation of this number does nothing and gives this error; later ones work again.
  void fail_at(std::uint64_t operation, Code code);
  [[nodiscard]] bool crashed() const;
  // Open files and locks of before are dead. After a power loss `prng` chooses what survives.
  void restart(Crash crash, Prng& prng);

  // From now on syncs say that they are done and do nothing, as a disk does that lies.
  void lie_about_syncs() { lies_ = true; }
  // All files together may not grow beyond it.
  void set_capacity(std::uint64_t capacity_bytes);
  // Inverts bits of a byte in the durable image and in the current one. Precondition: it exists.
  void flip(const std::string& path, std::uint64_t offset, std::uint8_t bits);
  // What a file holds now. Precondition: it exists.
  [[nodiscard]] std::string content(const std::string& path) const;
  // As if somebody had edited the disk, durably. Null removes the file.
  void replace(const std::string& path, std::optional<std::string> content);

 private:
  friend class SimFile;
  friend class SimLock;
  struct Write {
    std::uint64_t offset = 0;
    std::string bytes;
  };
  struct Inode {
    std::string now;
    std::string durable;
    std::vector<Write> pending;

    void settle();
    void lose_power(Prng& prng, std::uint64_t kept_percent);
  };
  using InodeRef = std::shared_ptr<Inode>;
  // What one atomic operation does to names; null: the name goes.
  using NameChange = std::vector<std::pair<std::string, InodeRef>>;

  // Counts an operation. The error, if it must not happen. Precondition: the lock is held.
  [[nodiscard]] Result<void> begin();
  // Whether the power fails during the operation that began last.
  [[nodiscard]] Result<void> end();
  [[nodiscard]] std::uint64_t used_bytes() const;
  void change_names(NameChange change);
  static void apply(std::map<std::string, InodeRef>& names, const NameChange& change);

  mutable std::mutex mutex_;
  std::map<std::string, InodeRef> names_;
  std::map<std::string, InodeRef> durable_names_;
  std::vector<NameChange> pending_names_;
  std::set<std::string> locked_;
  std::uint64_t capacity_bytes_ = UINT64_MAX / 2;
  std::uint64_t operations_ = 0;
  std::uint64_t crash_at_ = 0;
  std::function<void()> crash_told_;
  std::uint64_t fail_at_ = 0;
  Code fail_code_ = Code::io_error;
  bool crashed_ = false;
  bool lies_ = false;
  std::uint64_t life_ = 0;  // grows with each restart
};

}  // namespace aspen::contract
