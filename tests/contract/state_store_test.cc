// The state store in memory passes the contract.
#include "tests/contract/memory_state_store.h"
#include "tests/contract/sim_file_system.h"
#include "tests/contract/state_store_contract.h"

namespace aspen::contract {
namespace {

class MemorySubject final : public StateStoreSubject {
 public:
  StateStore& store() override { return store_; }
  void crash() override { store_.crash(0); }
  std::string place(const std::string& name) override { return "snapshots/" + name; }
  void damage(const std::string& directory) override {
    files_.replace(directory + "/rows", "what is this");
  }
  void pause() override {}

 private:
  SimFileSystem files_;
  MemoryStateStore store_{files_};
};

INSTANTIATE_TEST_SUITE_P(Memory, StateStoreContract,
                         testing::Values(StateStoreFactory{
                             "Memory", [] { return std::make_unique<MemorySubject>(); }}),
                         name_of);

TEST(MemoryStateStore, ACrashKeepsAsManyBatchesAsTheTestChooses) {
  MemoryStateStore store;
  for (const char* key : {"a", "b", "c"}) {
    StateBatch batch;
    batch.put(key, "1");
    ASSERT_TRUE(store.write(batch).has_value());
  }
  ASSERT_EQ(store.unflushed(), 3U);
  store.flush_some(1);
  store.crash(1);
  EXPECT_EQ(store.rows().size(), 2U);
  EXPECT_TRUE(store.rows().contains("b"));
  EXPECT_EQ(store.unflushed(), 0U);
}

TEST(MemoryStateStore, AWriteErrorLeavesTheStateAsItWas) {
  MemoryStateStore store;
  StateBatch batch;
  batch.put("a", "1");
  store.set_write_error(Error{Code::no_space, "full"});
  EXPECT_EQ(store.write(batch).error().code, Code::no_space);
  EXPECT_TRUE(store.rows().empty());
  store.set_write_error(std::nullopt);
  EXPECT_TRUE(store.write(batch).has_value());
}

}  // namespace
}  // namespace aspen::contract
