// Goal: the pieces fit: a state travels by checkpoint, manifest and container from one store to
// another, on the machine's files. Prints what it took.
#include <gtest/gtest.h>

#include <chrono>
#include <iostream>

#include "node/adapter/posix/file_system.h"
#include "node/adapter/rocksdb/rocksdb_state_store.h"
#include "node/snapshot/container.h"
#include "node/snapshot/part_directory.h"
#include "tests/snapshot/sample.h"
#include "tests/support/temporary_folder.h"

namespace aspen::snapshot {
namespace {

using adapter::rocksdb::RocksdbOptions;
using adapter::rocksdb::RocksdbStateStore;

std::unique_ptr<RocksdbStateStore> open_store(const std::string& directory) {
  RocksdbOptions options;
  options.directory = directory;
  options.memory_bytes = 64ULL * 1024 * 1024;
  options.on_close = RocksdbOptions::OnClose::abandon;
  auto store = RocksdbStateStore::open(options);
  EXPECT_TRUE(store.has_value());
  return std::move(*store);
}

class Watch {
 public:
  explicit Watch(std::uint64_t size_bytes) : size_bytes_(size_bytes) {}
  void lap(const std::string& what) {
    const auto now = std::chrono::steady_clock::now();
    const double seconds = std::chrono::duration<double>(now - start_).count();
    std::cout << what << ": " << static_cast<int>(seconds * 1e3) << " ms, "
              << static_cast<int>(static_cast<double>(size_bytes_) / seconds / 1e6) << " MB/s\n";
    start_ = now;
  }

 private:
  std::uint64_t size_bytes_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

class StateTravels : public testing::Test {
 protected:
  static constexpr int rows = 3'000;

  void SetUp() override {
    Prng prng(1);
    store = open_store(folder.path() + "/state");
    for (int i = 0; i < rows; ++i) {
      StateBatch batch;
      batch.put("row" + std::to_string(i), random_text(prng, 10'000));
      ASSERT_TRUE(store->write(batch).has_value());
    }
    ASSERT_TRUE(store->checkpoint(folder.path() + "/checkpoint").has_value());
    Manifest head;
    head.id = {Term(2), Index(rows)};
    auto described = describe(files, folder.path() + "/checkpoint", head);
    ASSERT_TRUE(described.has_value());
    manifest = *described;
    ASSERT_GT(manifest.size_bytes(), 30'000'000u);
  }
  void expect_equal(const RocksdbStateStore& other) {
    const auto a = store->iterator("", "");
    const auto b = other.iterator("", "");
    int count = 0;
    for (a->seek(""), b->seek(""); a->valid() && b->valid(); a->next(), b->next(), ++count) {
      ASSERT_EQ(a->key(), b->key());
      ASSERT_TRUE(a->value() == b->value());
    }
    EXPECT_EQ(a->valid(), b->valid());
    EXPECT_EQ(count, rows);
  }

  support::TemporaryFolder folder;
  adapter::posix::PosixFileSystem files;
  std::unique_ptr<RocksdbStateStore> store;
  Manifest manifest;
};

TEST_F(StateTravels, InAFile) {
  Watch watch(manifest.size_bytes());
  const std::string file = folder.path() + "/backup.snap";
  ASSERT_TRUE(save_container(files, folder.path() + "/checkpoint", manifest, file).has_value());
  watch.lap("save");
  ASSERT_EQ(verify_container(files, file).value(), manifest);
  watch.lap("verify");
  ASSERT_TRUE(restore_container(files, file, folder.path() + "/restored").has_value());
  watch.lap("restore");
  const auto other = open_store(folder.path() + "/other");
  ASSERT_TRUE(other->install(folder.path() + "/restored").has_value());
  watch.lap("install");
  expect_equal(*other);
}

TEST_F(StateTravels, InChunks) {
  Watch watch(manifest.size_bytes());
  const std::string text = encode(manifest);
  PartDirectory part(files, folder.path() + "/snapshots", sha256(text));
  ASSERT_FALSE(part.load().value());
  ASSERT_TRUE(part.keep_manifest(text).has_value());
  ContainerSource source(files, folder.path() + "/checkpoint", manifest);
  ASSERT_TRUE(source.next().has_value());  // the head
  for (std::size_t chunk = 0; chunk < part.chunks().size(); ++chunk) {
    ASSERT_TRUE(part.write(chunk, *source.next()).has_value());
  }
  watch.lap("write chunks");
  const std::vector<bool> there = part.scan().value();
  EXPECT_EQ(there, std::vector<bool>(part.chunks().size(), true));
  watch.lap("scan");
  ASSERT_TRUE(part.finish().has_value());
  watch.lap("finish");
  const auto other = open_store(folder.path() + "/other");
  ASSERT_TRUE(other->install(part.path()).has_value());
  ASSERT_TRUE(part.remove().has_value());
  expect_equal(*other);
  EXPECT_TRUE(files.list(folder.path() + "/snapshots").value().empty());
  EXPECT_TRUE(files.list_directories(folder.path() + "/snapshots").value().empty());
}

}  // namespace
}  // namespace aspen::snapshot
