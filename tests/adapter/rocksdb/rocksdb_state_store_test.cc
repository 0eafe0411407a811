// RocksDB passes the contract of a state store; what is its own: format, full disk, restart.
#include "node/adapter/rocksdb/rocksdb_state_store.h"

#include <gtest/gtest.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/contract/state_store_contract.h"
#include "tests/support/temporary_folder.h"

namespace aspen::contract {
namespace {

using adapter::rocksdb::RocksdbOptions;
using adapter::rocksdb::RocksdbStateStore;

constexpr std::uint64_t mib = 1024 * 1024;

RocksdbOptions options_for(const std::string& directory) {
  RocksdbOptions options;
  options.directory = directory;
  options.memory_bytes = 64 * mib;
  options.on_close = RocksdbOptions::OnClose::abandon;
  return options;
}

std::unique_ptr<RocksdbStateStore> must_open(const RocksdbOptions& options) {
  auto store = RocksdbStateStore::open(options);
  EXPECT_TRUE(store.has_value()) << store.error().what;
  return std::move(*store);
}

class RocksdbSubject final : public StateStoreSubject {
 public:
  RocksdbSubject() { crash(); }
  StateStore& store() override { return *store_; }
  void crash() override {
    store_.reset();
    store_ = must_open(options_for(directory_.path() + "/state"));
  }
  std::string place(const std::string& name) override { return directory_.path() + "/" + name; }
  void damage(const std::string& directory) override {
    std::filesystem::remove(directory + "/CURRENT");
  }
  void pause() override { std::this_thread::sleep_for(std::chrono::milliseconds(1)); }

 private:
  support::TemporaryFolder directory_;
  std::unique_ptr<RocksdbStateStore> store_;
};

INSTANTIATE_TEST_SUITE_P(Rocksdb, StateStoreContract,
                         testing::Values(StateStoreFactory{
                             "Rocksdb", [] { return std::make_unique<RocksdbSubject>(); }}),
                         name_of);

// ---- RocksDB alone

StateBatch one_row(const std::string& key, const std::string& value) {
  StateBatch batch;
  batch.put(key, value);
  return batch;
}

TEST(RocksdbStateStore, ACleanStopLosesNothing) {
  const support::TemporaryFolder directory;
  RocksdbOptions options = options_for(directory.path());
  options.on_close = RocksdbOptions::OnClose::flush;
  ASSERT_TRUE(must_open(options)->write(one_row("a", "1")).has_value());
  EXPECT_EQ(**must_open(options)->get("a"), "1");
}

TEST(RocksdbStateStore, ASnapshotAndAnIteratorOutliveTheStore) {
  const support::TemporaryFolder directory;
  auto store = must_open(options_for(directory.path()));
  ASSERT_TRUE(store->write(one_row("a", "1")).has_value());
  const auto snapshot = store->snapshot();
  const auto rows = store->iterator("", "");
  store.reset();
  EXPECT_EQ(**snapshot->get("a"), "1");
  rows->seek("");
  EXPECT_TRUE(rows->valid());
}

TEST(RocksdbStateStore, ANewerFormatIsRefusedByName) {
  const support::TemporaryFolder directory;
  must_open(options_for(directory.path())).reset();
  std::ofstream(directory.path() + "/FORMAT") << "aspen-state 2\n";
  const auto store = RocksdbStateStore::open(options_for(directory.path()));
  ASSERT_FALSE(store.has_value());
  EXPECT_EQ(store.error().code, Code::unsupported);
  EXPECT_EQ(store.error().detail, 2U);
}

TEST(RocksdbStateStore, AForeignOrMissingFormatIsRefused) {
  const support::TemporaryFolder directory;
  must_open(options_for(directory.path())).reset();
  for (const char* text : {"", "aspen-state", "aspen-state 1", "aspen-state x\n", "etcd 1\n"}) {
    std::ofstream(directory.path() + "/FORMAT") << text;
    EXPECT_EQ(RocksdbStateStore::open(options_for(directory.path())).error().code, Code::corrupt)
        << text;
  }
  std::filesystem::remove(directory.path() + "/FORMAT");
  EXPECT_EQ(RocksdbStateStore::open(options_for(directory.path())).error().code, Code::corrupt);
}

TEST(RocksdbStateStore, ADirectoryIsOpenedOnce) {
  const support::TemporaryFolder directory;
  const auto store = must_open(options_for(directory.path()));
  EXPECT_FALSE(RocksdbStateStore::open(options_for(directory.path())).has_value());
}

TEST(RocksdbStateStore, TooLittleMemoryIsRefused) {
  const support::TemporaryFolder directory;
  RocksdbOptions options = options_for(directory.path());
  options.memory_bytes = mib;
  EXPECT_EQ(RocksdbStateStore::open(options).error().code, Code::invalid_argument);
}

TEST(RocksdbStateStore, DamageIsNoticedAndNamed) {
  const support::TemporaryFolder directory;
  RocksdbOptions options = options_for(directory.path());
  options.on_close = RocksdbOptions::OnClose::flush;
  {
    const auto store = must_open(options);
    for (int i = 0; i < 1000; ++i) {
      ASSERT_TRUE(
          store->write(one_row("key" + std::to_string(i), std::string(100, 'x'))).has_value());
    }
  }
  for (const auto& file : std::filesystem::directory_iterator(directory.path() + "/db")) {
    if (file.path().extension() != ".sst") continue;
    std::fstream bytes(file.path(), std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekp(500);
    bytes.write("damage", 6);
  }
  const auto store = RocksdbStateStore::open(options);
  if (!store) {
    EXPECT_EQ(store.error().code, Code::corrupt);
    return;
  }
  const auto rows = (*store)->iterator("", "");
  for (rows->seek(""); rows->valid(); rows->next()) {
  }
  ASSERT_FALSE(rows->status().has_value());
  EXPECT_EQ(rows->status().error().code, Code::corrupt);
}

// ---- a full disk

// A file system without room: writing to a table file fails as long as `full` is set.
class SmallDisk : public rocksdb::FileSystemWrapper {
 public:
  explicit SmallDisk(const std::shared_ptr<rocksdb::FileSystem>& base)
      : rocksdb::FileSystemWrapper(base) {}
  const char* Name() const override { return "SmallDisk"; }

  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* result,
                                    rocksdb::IODebugContext* context) override {
    auto status = rocksdb::FileSystemWrapper::NewWritableFile(name, options, result, context);
    if (status.ok() && name.ends_with(".sst")) {
      result->reset(new File(std::move(*result), full));
    }
    return status;
  }
  rocksdb::IOStatus GetFreeSpace(const std::string& path, const rocksdb::IOOptions& options,
                                 std::uint64_t* free_bytes,
                                 rocksdb::IODebugContext* context) override {
    if (!full) return rocksdb::FileSystemWrapper::GetFreeSpace(path, options, free_bytes, context);
    *free_bytes = 0;
    return rocksdb::IOStatus::OK();
  }

  std::atomic<bool> full = false;

 private:
  class File : public rocksdb::FSWritableFileOwnerWrapper {
   public:
    File(std::unique_ptr<rocksdb::FSWritableFile> base, const std::atomic<bool>& is_full)
        : rocksdb::FSWritableFileOwnerWrapper(std::move(base)), full_(is_full) {}
    rocksdb::IOStatus Append(const rocksdb::Slice& text, const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* context) override {
      if (full_) return rocksdb::IOStatus::NoSpace("full");
      return rocksdb::FSWritableFileOwnerWrapper::Append(text, options, context);
    }
    rocksdb::IOStatus Append(const rocksdb::Slice& text, const rocksdb::IOOptions& options,
                             const rocksdb::DataVerificationInfo& verification,
                             rocksdb::IODebugContext* context) override {
      if (full_) return rocksdb::IOStatus::NoSpace("full");
      return rocksdb::FSWritableFileOwnerWrapper::Append(text, options, verification, context);
    }

   private:
    const std::atomic<bool>& full_;
  };
};

// Goal: with a full disk writes are refused with no_space and reads go on; when there is room,
// writes succeed again without a restart, and nothing is lost, not even by a crash then.
TEST(RocksdbStateStore, AFullDiskRefusesWritesUntilThereIsRoom) {
  const support::TemporaryFolder directory;
  const auto disk = std::make_shared<SmallDisk>(rocksdb::FileSystem::Default());
  const auto env = rocksdb::NewCompositeEnv(disk);
  RocksdbOptions options = options_for(directory.path());
  options.env = env.get();
  auto store = must_open(options);
  disk->full = true;
  const std::string value(100'000, 'x');
  std::size_t written = 0;
  Result<void> refused;
  constexpr std::size_t tries_max = 100'000;
  while (refused && written < tries_max) {
    refused = store->write(one_row("key" + std::to_string(written), value));
    if (refused) ++written;
  }
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Code::no_space);
  EXPECT_EQ(store->write(one_row("x", "1")).error().code, Code::no_space);
  EXPECT_EQ(**store->get("key0"), value);
  EXPECT_TRUE(store->get("key" + std::to_string(written - 1))->has_value());

  disk->full = false;
  constexpr int polls_max = 3000;
  for (int i = 0; i < polls_max && !refused; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    refused = store->write(one_row("x", "1"));
  }
  ASSERT_TRUE(refused.has_value()) << refused.error().what;
  ASSERT_TRUE(store->flush().has_value());
  for (int i = 0; i < polls_max && !store->get_durable("x")->has_value(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ASSERT_TRUE(store->get_durable("x")->has_value());
  store.reset();
  store = must_open(options);
  EXPECT_EQ(**store->get("x"), "1");
  for (std::size_t i = 0; i < written; ++i) {
    EXPECT_TRUE(store->get("key" + std::to_string(i))->has_value()) << i;
  }
}

}  // namespace
}  // namespace aspen::contract
