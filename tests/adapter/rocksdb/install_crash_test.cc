// Goal: whatever operation of the file system is the process's last while a state is installed, the
// next one finds the whole of the old state or the whole of the new one, and of no third; once
// install() has returned, the new one. Method: a disk that dies at every operation in turn.
#include <gtest/gtest.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <atomic>
#include <filesystem>
#include <iostream>

#include "node/adapter/rocksdb/rocksdb_state_store.h"
#include "tests/support/temporary_folder.h"

namespace aspen::adapter::rocksdb {
namespace {

using ::rocksdb::FileOptions;
using ::rocksdb::FileSystemWrapper;
using ::rocksdb::IODebugContext;
using ::rocksdb::IOOptions;
using ::rocksdb::IOStatus;

class DyingDisk final : public FileSystemWrapper {
 public:
  DyingDisk() : FileSystemWrapper(::rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "DyingDisk"; }

  // The operation of this number from now on takes effect and is the last; 0: none is.
  void die_at(std::uint64_t operation) {
    operations = 0;
    last = operation;
  }
  [[nodiscard]] bool dead() const { return last != 0 && operations >= last; }

  IOStatus NewWritableFile(const std::string& name, const FileOptions& options,
                           std::unique_ptr<::rocksdb::FSWritableFile>* result,
                           IODebugContext* context) override {
    return mortal([&] { return target()->NewWritableFile(name, options, result, context); });
  }
  IOStatus ReopenWritableFile(const std::string& name, const FileOptions& options,
                              std::unique_ptr<::rocksdb::FSWritableFile>* result,
                              IODebugContext* context) override {
    return mortal([&] { return target()->ReopenWritableFile(name, options, result, context); });
  }
  IOStatus NewDirectory(const std::string& name, const IOOptions& options,
                        std::unique_ptr<::rocksdb::FSDirectory>* result,
                        IODebugContext* context) override {
    return mortal([&] { return target()->NewDirectory(name, options, result, context); });
  }
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions& options,
                      IODebugContext* context) override {
    return mortal([&] { return target()->RenameFile(from, to, options, context); });
  }
  IOStatus DeleteFile(const std::string& name, const IOOptions& options,
                      IODebugContext* context) override {
    return mortal([&] { return target()->DeleteFile(name, options, context); });
  }
  IOStatus DeleteDir(const std::string& name, const IOOptions& options,
                     IODebugContext* context) override {
    return mortal([&] { return target()->DeleteDir(name, options, context); });
  }
  IOStatus CreateDirIfMissing(const std::string& name, const IOOptions& options,
                              IODebugContext* context) override {
    return mortal([&] { return target()->CreateDirIfMissing(name, options, context); });
  }

  std::atomic<std::uint64_t> operations = 0;

 private:
  template <class Operation>
  IOStatus mortal(const Operation& operation) {
    if (dead()) return IOStatus::IOError("the process is dead");
    ++operations;
    const IOStatus done = operation();
    return dead() ? IOStatus::IOError("the process is dead") : done;
  }

  std::uint64_t last = 0;
};

RocksdbOptions options_for(const std::string& directory, ::rocksdb::Env* env) {
  RocksdbOptions options;
  options.directory = directory;
  options.memory_bytes = 64ULL * 1024 * 1024;
  options.on_close = RocksdbOptions::OnClose::abandon;
  options.env = env;
  return options;
}

// Every row of state `name` has that value.
void fill(RocksdbStateStore& store, const std::string& name) {
  for (int i = 0; i < 20; ++i) {
    StateBatch batch;
    batch.put("row" + std::to_string(i), name);
    batch.put(name + std::to_string(i), "only here");
    ASSERT_TRUE(store.write(batch).has_value());
  }
}

std::string state_of(const RocksdbStateStore& store) {
  const std::string name = store.get("row0")->value_or("nothing");
  const auto rows = store.iterator("", "");
  std::size_t count = 0;
  for (rows->seek(""); rows->valid(); rows->next(), ++count) {
    const bool own = rows->key().starts_with(name) && rows->value() == "only here";
    if (!own && rows->value() != name) return "a mixture";
  }
  return count == 40 ? name : "a part";
}

std::size_t databases_in(const std::string& directory) {
  std::size_t count = 0;
  for (const auto& one : std::filesystem::directory_iterator(directory)) {
    count += one.path().filename().string().starts_with("db") ? 1 : 0;
  }
  return count;
}

TEST(RocksdbInstall, AnyCutLeavesTheOldStateOrTheNewOne) {
  const support::TemporaryFolder origin;
  const std::string copy = origin.path() + "/copy";
  {
    auto leader = RocksdbStateStore::open(options_for(origin.path() + "/state", nullptr));
    ASSERT_TRUE(leader.has_value());
    fill(**leader, "new");
    ASSERT_TRUE((*leader)->checkpoint(copy).has_value());
  }
  std::size_t olds = 0;
  std::size_t news = 0;
  for (std::uint64_t cut = 1; cut < 1'000; ++cut) {
    SCOPED_TRACE("cut at " + std::to_string(cut));
    const support::TemporaryFolder folder;
    const std::string state = folder.path() + "/state";
    const std::string received = folder.path() + "/received";
    std::filesystem::copy(copy, received);
    const auto disk = std::make_shared<DyingDisk>();
    const auto env = ::rocksdb::NewCompositeEnv(disk);
    auto store = RocksdbStateStore::open(options_for(state, env.get()));
    ASSERT_TRUE(store.has_value());
    fill(**store, "old");
    ASSERT_TRUE((*store)->checkpoint(folder.path() + "/durable").has_value());
    disk->die_at(cut);
    const bool installed = (*store)->install(received).has_value();
    const bool died = disk->dead();
    if (installed) {
      EXPECT_EQ(state_of(**store), "new");
    }
    store->reset();
    disk->die_at(0);
    auto again = RocksdbStateStore::open(options_for(state, env.get()));
    ASSERT_TRUE(again.has_value()) << again.error().what;
    const std::string found = state_of(**again);
    EXPECT_TRUE(found == "new" || (found == "old" && !installed)) << found;
    EXPECT_EQ(databases_in(state), 1u) << "what is not live is gone";
    (found == "new" ? news : olds) += 1;
    fill(**again, "next");
    if (HasFailure() || !died) break;
  }
  std::cout << "cuts: " << olds << " left the old state, " << news << " the new one\n";
  EXPECT_GT(olds, 5u);
  EXPECT_GT(news, 1u);
}

TEST(RocksdbInstall, APointerToNothingIsDamage) {
  const support::TemporaryFolder folder;
  const std::string state = folder.path() + "/state";
  auto store = RocksdbStateStore::open(options_for(state, nullptr));
  ASSERT_TRUE(store.has_value());
  fill(**store, "old");
  ASSERT_TRUE((*store)->checkpoint(folder.path() + "/copy").has_value());
  ASSERT_TRUE((*store)->install(folder.path() + "/copy").has_value());
  store->reset();
  std::filesystem::remove_all(state + "/db-1");
  EXPECT_EQ(RocksdbStateStore::open(options_for(state, nullptr)).error().code, Code::corrupt);
}

// The database that was replaced goes with its last view.
TEST(RocksdbInstall, TheSpaceOfTheOldStateComesBackWithItsLastView) {
  const support::TemporaryFolder folder;
  const std::string state = folder.path() + "/state";
  auto store = RocksdbStateStore::open(options_for(state, nullptr));
  ASSERT_TRUE(store.has_value());
  fill(**store, "old");
  ASSERT_TRUE((*store)->checkpoint(folder.path() + "/copy").has_value());
  auto view = (*store)->snapshot();
  ASSERT_TRUE((*store)->install(folder.path() + "/copy").has_value());
  EXPECT_EQ(databases_in(state), 2u);
  EXPECT_EQ(view->get("row0")->value(), "old");
  view.reset();
  EXPECT_EQ(databases_in(state), 1u);
}

}  // namespace
}  // namespace aspen::adapter::rocksdb
