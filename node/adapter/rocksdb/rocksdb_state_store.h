// port/state_store over RocksDB. There is no write-ahead log here: the Raft log is it, and what a
// crash loses is replayed from there. Batches reach the disk in their order, so a crash leaves a
// prefix of them. RocksDB flushes by itself when its write buffers are full; whoever wants the log
// purged sooner calls flush().
//
// A full disk is not the end: write() gives no_space, RocksDB looks for room again every few
// seconds, and then writes succeed as if nothing had happened; reads go on. Every other failure in
// the background is found by the next write() as io_error or corrupt.
//
// Owner: one writer; everything but write(), flush() and install() may be called from any thread.
// Snapshots and iterators keep the database open; one that another has replaced is removed when the
// last of them is gone.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "node/base/error.h"
#include "node/port/state_store.h"

namespace rocksdb {
class Env;
}

namespace aspen::adapter::rocksdb {

struct RocksdbOptions {
  std::string directory;  // made if its parent exists
  // Block cache, indexes, filters and write buffers together; at least
  // limits::state_store_memory_bytes_min. Background work takes some tens of MiB more.
  std::uint64_t memory_bytes = 0;
  enum class OnClose : std::uint8_t {
    flush,    // a clean stop: less to replay
    abandon,  // as a crash: what is not on the disk yet is lost
  };
  OnClose on_close = OnClose::flush;
  // Compaction and flush together; 0: no limit. Leaves the disk to the log's fsync.
  std::uint64_t background_bytes_per_second = 128ULL * 1024 * 1024;
  ::rocksdb::Env* env = nullptr;  // null: the real one; outlives the store
};

struct RocksdbSettings;

class RocksdbStateStore final : public StateStore {
 public:
  // Opens or makes the store. Possible errors: unsupported (a newer format), corrupt, no_space,
  // io_error (detail: errno if known), invalid_argument (too little memory).
  [[nodiscard]] static Result<std::unique_ptr<RocksdbStateStore>> open(
      const RocksdbOptions& options);
  ~RocksdbStateStore() override;

  [[nodiscard]] Result<std::optional<std::string>> get(std::string_view key) const override;
  [[nodiscard]] Result<std::vector<std::optional<std::string>>> multi_get(
      std::span<const std::string> keys, std::size_t bytes_max) const override;
  [[nodiscard]] std::unique_ptr<StateIterator> iterator(std::string_view lower,
                                                        std::string_view upper) const override;
  [[nodiscard]] Result<void> write(const StateBatch& batch) override;
  [[nodiscard]] std::unique_ptr<StateView> snapshot() const override;
  [[nodiscard]] Result<std::optional<std::string>> get_durable(std::string_view key) const override;
  [[nodiscard]] Result<void> flush() override;
  [[nodiscard]] StateSizes sizes() const override;
  [[nodiscard]] Result<void> checkpoint(const std::string& directory) override;
  [[nodiscard]] Result<std::unique_ptr<StateView>> view_checkpoint(
      const std::string& directory) const override;
  [[nodiscard]] Result<void> install(const std::string& directory) override;

 private:
  struct Database;
  class Iterator;
  class Snapshot;

  RocksdbStateStore(std::string directory, std::unique_ptr<RocksdbSettings> settings);

  [[nodiscard]] Result<std::shared_ptr<Database>> open_database(const std::string& path) const;
  [[nodiscard]] std::shared_ptr<Database> live() const;

  const std::string directory_;
  const std::unique_ptr<RocksdbSettings> settings_;  // its cache is shared by all databases
  mutable std::mutex mutex_;                         // of the pointer alone
  std::shared_ptr<Database> database_;
};

}  // namespace aspen::adapter::rocksdb
