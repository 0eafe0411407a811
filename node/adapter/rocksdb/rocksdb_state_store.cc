#include "node/adapter/rocksdb/rocksdb_state_store.h"

#include <cstdarg>
#include <utility>
#include <vector>

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>

#include "node/adapter/rocksdb/format_file.h"
#include "node/adapter/rocksdb/live_directory.h"
#include "node/adapter/rocksdb/settings.h"
#include "node/base/assert.h"
#include "node/base/limits.h"

namespace aspen::adapter::rocksdb {
namespace {

constexpr std::size_t batch_protection_bytes = 8;

::rocksdb::Slice slice(std::string_view text) {
  return {text.data(), text.size()};
}

std::string_view view(const ::rocksdb::Slice& text) {
  return {text.data(), text.size()};
}

Result<std::optional<std::string>> read(::rocksdb::DB& db, const ::rocksdb::ReadOptions& options,
                                        std::string_view key) {
  std::string value;
  const auto status = db.Get(options, db.DefaultColumnFamily(), slice(key), &value);
  if (status.ok()) return value;
  if (status.IsNotFound()) return std::nullopt;
  return tl::unexpected(error_of(status));
}

Result<std::vector<std::optional<std::string>>> read_many(::rocksdb::DB& db,
                                                          ::rocksdb::ReadOptions options,
                                                          std::span<const std::string> keys,
                                                          std::size_t bytes_max) {
  ASPEN_ASSERT(!keys.empty());
  std::vector<::rocksdb::Slice> slices(keys.begin(), keys.end());
  std::vector<::rocksdb::PinnableSlice> values(keys.size());
  std::vector<::rocksdb::Status> statuses(keys.size());
  // RocksDB aborts what it has not read by then, wherever it stands among the keys.
  options.value_size_soft_limit = bytes_max;
  db.MultiGet(options, db.DefaultColumnFamily(), keys.size(), slices.data(), values.data(),
              statuses.data());
  std::vector<std::optional<std::string>> result;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < keys.size() && !statuses[i].IsAborted(); ++i) {
    if (!statuses[i].ok() && !statuses[i].IsNotFound()) {
      return tl::unexpected(error_of(statuses[i]));
    }
    bytes += values[i].size();
    if (bytes > bytes_max && !result.empty()) break;
    result.emplace_back();
    if (statuses[i].ok()) result.back().emplace(values[i].data(), values[i].size());
  }
  if (!result.empty()) return result;
  auto first = read(db, options, keys.front());
  if (!first) return tl::unexpected(first.error());
  result.push_back(std::move(*first));
  return result;
}

std::uint64_t property(::rocksdb::DB& db, const std::string& name) {
  std::uint64_t value = 0;
  if (!db.GetIntProperty(name, &value)) return 0;
  return value;
}

class NoLog final : public ::rocksdb::Logger {
 public:
  using ::rocksdb::Logger::Logv;
  void Logv(const char* /*format*/, va_list /*arguments*/) override {}
};

}  // namespace

struct RocksdbStateStore::Database {
  Database(std::unique_ptr<::rocksdb::DB> opened, std::string where)
      : db(std::move(opened)), path(std::move(where)) {}
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database() {
    ::rocksdb::Env& env = *db->GetEnv();
    db.reset();
    if (replaced) remove_database(env, path);
  }
  // What it still had to do on the disk would be in vain.
  void replace() {
    replaced = true;
    db->SetDBOptions({{"avoid_flush_during_shutdown", "true"}}).PermitUncheckedError();
    ::rocksdb::CancelAllBackgroundWork(db.get(), false);
  }

  std::unique_ptr<::rocksdb::DB> db;
  const std::string path;
  bool replaced = false;  // set before the last owner lets go
};

class RocksdbStateStore::Iterator final : public StateIterator {
 public:
  Iterator(std::shared_ptr<Database> database, const ::rocksdb::Snapshot* snapshot,
           std::string_view lower, std::string_view upper)
      : database_(std::move(database)), lower_(lower), upper_(upper) {
    lower_slice_ = slice(lower_);
    upper_slice_ = slice(upper_);
    ::rocksdb::ReadOptions options;
    options.snapshot = snapshot;
    if (!lower_.empty()) options.iterate_lower_bound = &lower_slice_;
    if (!upper_.empty()) options.iterate_upper_bound = &upper_slice_;
    rows_.reset(database_->db->NewIterator(options));
    ASPEN_ASSERT(rows_ != nullptr);
  }

  void seek(std::string_view key) override { rows_->Seek(slice(key)); }
  void seek_for_prev(std::string_view key) override { rows_->SeekForPrev(slice(key)); }
  void next() override {
    ASPEN_ASSERT(rows_->Valid());
    rows_->Next();
  }
  void prev() override {
    ASPEN_ASSERT(rows_->Valid());
    rows_->Prev();
  }
  bool valid() const override { return rows_->Valid(); }
  std::string_view key() const override { return view(rows_->key()); }
  std::string_view value() const override { return view(rows_->value()); }
  Result<void> status() const override {
    const auto status = rows_->status();
    if (!status.ok()) return tl::unexpected(error_of(status));
    return {};
  }

 private:
  std::shared_ptr<Database> database_;
  // RocksDB keeps pointers to the slices.
  std::string lower_;
  std::string upper_;
  ::rocksdb::Slice lower_slice_;
  ::rocksdb::Slice upper_slice_;
  std::unique_ptr<::rocksdb::Iterator> rows_;
};

class RocksdbStateStore::Snapshot final : public StateView {
 public:
  explicit Snapshot(std::shared_ptr<Database> database)
      : database_(std::move(database)), snapshot_(database_->db->GetSnapshot()) {
    ASPEN_ASSERT(snapshot_ != nullptr);
    options_.snapshot = snapshot_;
  }
  ~Snapshot() override { database_->db->ReleaseSnapshot(snapshot_); }
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

  Result<std::optional<std::string>> get(std::string_view key) const override {
    return read(*database_->db, options_, key);
  }
  Result<std::vector<std::optional<std::string>>> multi_get(std::span<const std::string> keys,
                                                            std::size_t bytes_max) const override {
    return read_many(*database_->db, options_, keys, bytes_max);
  }
  std::unique_ptr<StateIterator> iterator(std::string_view lower,
                                          std::string_view upper) const override {
    return std::make_unique<Iterator>(database_, snapshot_, lower, upper);
  }

 private:
  std::shared_ptr<Database> database_;
  const ::rocksdb::Snapshot* snapshot_;
  ::rocksdb::ReadOptions options_;
};

RocksdbStateStore::RocksdbStateStore(std::string directory,
                                     std::unique_ptr<RocksdbSettings> settings)
    : directory_(std::move(directory)), settings_(std::move(settings)) {}

RocksdbStateStore::~RocksdbStateStore() = default;

Result<std::unique_ptr<RocksdbStateStore>> RocksdbStateStore::open(const RocksdbOptions& options) {
  if (options.memory_bytes < limits::state_store_memory_bytes_min) {
    return fail(Code::invalid_argument, "state store: the memory budget must be at least 32 MiB",
                options.memory_bytes);
  }
  auto settings = std::make_unique<RocksdbSettings>(make_settings(options));
  ::rocksdb::Env& env = *settings->options.env;
  if (auto prepared = prepare_directory(env, options.directory); !prepared) {
    return tl::unexpected(prepared.error());
  }
  const auto path = live_database(env, options.directory);
  if (!path) return tl::unexpected(path.error());
  std::unique_ptr<RocksdbStateStore> store(
      new RocksdbStateStore(options.directory, std::move(settings)));
  auto database = store->open_database(*path);
  if (!database) return tl::unexpected(database.error());
  store->database_ = std::move(*database);
  // Only now: whoever holds the lock of the live one may be taking over another.
  if (auto removed = remove_others(env, options.directory, *path); !removed) {
    return tl::unexpected(removed.error());
  }
  return store;
}

Result<std::shared_ptr<RocksdbStateStore::Database>> RocksdbStateStore::open_database(
    const std::string& path) const {
  ::rocksdb::DB* opened = nullptr;
  const auto status = ::rocksdb::DB::Open(settings_->options, path, &opened);
  if (!status.ok()) return tl::unexpected(error_of(status));
  ASPEN_ASSERT(opened != nullptr);
  return std::make_shared<Database>(std::unique_ptr<::rocksdb::DB>(opened), path);
}

std::shared_ptr<RocksdbStateStore::Database> RocksdbStateStore::live() const {
  const std::lock_guard lock(mutex_);
  return database_;
}

Result<std::optional<std::string>> RocksdbStateStore::get(std::string_view key) const {
  return read(*live()->db, {}, key);
}

Result<std::vector<std::optional<std::string>>> RocksdbStateStore::multi_get(
    std::span<const std::string> keys, std::size_t bytes_max) const {
  return read_many(*live()->db, {}, keys, bytes_max);
}

std::unique_ptr<StateIterator> RocksdbStateStore::iterator(std::string_view lower,
                                                           std::string_view upper) const {
  return std::make_unique<Iterator>(live(), nullptr, lower, upper);
}

Result<void> RocksdbStateStore::write(const StateBatch& batch) {
  constexpr std::size_t operation_overhead_bytes = 16;
  ::rocksdb::WriteBatch writes(batch.size_bytes() + batch.size() * operation_overhead_bytes,
                               0 /* no limit */, batch_protection_bytes, 0 /* no timestamps */);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const auto operation = batch[i];
    const auto added = operation.kind == StateBatch::Kind::put
                           ? writes.Put(slice(operation.key), slice(operation.value))
                           : writes.Delete(slice(operation.key));
    if (!added.ok()) return tl::unexpected(error_of(added));
  }
  ASPEN_ASSERT(static_cast<std::size_t>(writes.Count()) == batch.size());
  ::rocksdb::WriteOptions options;
  options.disableWAL = true;
  const auto status = live()->db->Write(options, &writes);
  if (!status.ok()) return tl::unexpected(error_of(status));
  return {};
}

std::unique_ptr<StateView> RocksdbStateStore::snapshot() const {
  return std::make_unique<Snapshot>(live());
}

Result<std::optional<std::string>> RocksdbStateStore::get_durable(std::string_view key) const {
  // Skips the write buffers, as long as there is no write-ahead log that holds them too.
  ::rocksdb::ReadOptions options;
  options.read_tier = ::rocksdb::kPersistedTier;
  return read(*live()->db, options, key);
}

Result<void> RocksdbStateStore::flush() {
  ::rocksdb::FlushOptions options;
  options.wait = false;
  options.allow_write_stall = true;
  const auto status = live()->db->Flush(options);
  if (!status.ok()) return tl::unexpected(error_of(status));
  return {};
}

StateSizes RocksdbStateStore::sizes() const {
  const std::shared_ptr<Database> database = live();
  ::rocksdb::DB& db = *database->db;
  StateSizes sizes;
  sizes.on_disk_bytes = property(db, ::rocksdb::DB::Properties::kTotalSstFilesSize);
  sizes.in_use_bytes = property(db, ::rocksdb::DB::Properties::kEstimateLiveDataSize) +
                       property(db, ::rocksdb::DB::Properties::kCurSizeAllMemTables);
  // The cache's usage counts the write buffers.
  sizes.memory_bytes = settings_->cache->GetUsage() +
                       property(db, ::rocksdb::DB::Properties::kEstimateTableReadersMem);
  return sizes;
}

// ---- snapshots

Result<void> RocksdbStateStore::checkpoint(const std::string& directory) {
  const std::shared_ptr<Database> database = live();
  ::rocksdb::Checkpoint* created = nullptr;
  auto status = ::rocksdb::Checkpoint::Create(database->db.get(), &created);
  const std::unique_ptr<::rocksdb::Checkpoint> owner(created);
  // Without a write-ahead log everything must be flushed first.
  constexpr std::uint64_t flush_always = 0;
  if (status.ok()) status = created->CreateCheckpoint(directory, flush_always);
  if (!status.ok()) return tl::unexpected(error_of(status));
  return {};
}

Result<std::unique_ptr<StateView>> RocksdbStateStore::view_checkpoint(
    const std::string& directory) const {
  ::rocksdb::DB* opened = nullptr;
  ::rocksdb::Options options = settings_->options;
  options.create_if_missing = false;
  options.info_log = std::make_shared<NoLog>();  // it would be a file among the others
  const auto status = ::rocksdb::DB::OpenForReadOnly(options, directory, &opened);
  std::unique_ptr<::rocksdb::DB> database(opened);
  if (!status.ok()) return fail(Code::corrupt, "state store: not a sound copy of a state");
  ASPEN_ASSERT(database != nullptr);
  return std::unique_ptr<StateView>(
      std::make_unique<Snapshot>(std::make_shared<Database>(std::move(database), directory)));
}

Result<void> RocksdbStateStore::install(const std::string& directory) {
  ::rocksdb::Env& env = *settings_->options.env;
  if (const auto sound = view_checkpoint(directory); !sound) {
    return tl::unexpected(sound.error());
  }
  const auto path = take_over(env, directory_, directory);
  if (!path) return tl::unexpected(path.error());
  auto database = open_database(*path);
  if (!database) return tl::unexpected(database.error());
  if (auto switched = point_to(env, directory_, *path); !switched) return switched;
  const std::lock_guard lock(mutex_);
  std::swap(database_, *database);
  (*database)->replace();
  return {};
}

}  // namespace aspen::adapter::rocksdb
