// The model passes the contract that it is the measure of.
#include "tests/contract/log_store_contract.h"
#include "tests/contract/memory_log_store.h"

namespace aspen::contract {
namespace {

class MemorySubject final : public LogStoreSubject {
 public:
  [[nodiscard]] LogStore& store() override { return store_; }
  void reopen() override { store_.restart(store_.pending()); }
  void crash(Prng& prng) override { store_.restart(prng.below(store_.pending() + 1)); }

 private:
  MemoryLogStore store_;
};

INSTANTIATE_TEST_SUITE_P(Memory, LogStoreContract,
                         testing::Values(LogStoreFactory{
                             "memory", [] { return std::make_unique<MemorySubject>(); }}),
                         name_of);

TEST(MemoryLogStore, ARestartKeepsAPrefixOfWhatWasNotSynced) {
  MemoryLogStore store;
  ASSERT_TRUE(store.append({{}, HardState{Term(1), {}}, {}}).has_value());
  store.sync([](Result<void>) {});
  ASSERT_TRUE(store.append({{}, HardState{Term(2), {}}, {}}).has_value());
  ASSERT_TRUE(store.append({{}, HardState{Term(3), {}}, {}}).has_value());
  store.restart(1);
  EXPECT_EQ(store.recovered().hard_state.term, Term(2));
  EXPECT_EQ(store.pending(), 0u);
}

}  // namespace
}  // namespace aspen::contract
