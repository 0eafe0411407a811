// Physical deletion: what goes, what stays, and that nobody can tell how far it is.
#include <gtest/gtest.h>

#include "tests/contract/memory_state_store.h"
#include "tests/kv/machine.h"
#include "tests/kv/random_requests.h"

namespace aspen::kv {
namespace {

using contract::MemoryStateStore;

class CleanTest : public testing::Test {
 protected:
  MemoryStateStore state;
  Machine machine{state};

  [[nodiscard]] std::size_t rows(char table) const {
    std::size_t count = 0;
    for (const auto& [key, value] : state.rows()) count += key.front() == table ? 1 : 0;
    return count;
  }
};

TEST_F(CleanTest, SupersededVersionsAndTombstonesBelowTheFloorGo) {
  ASSERT_TRUE(machine.run(put("a", "1")).has_value());  // 2
  ASSERT_TRUE(machine.run(put("a", "2")).has_value());  // 3
  ASSERT_TRUE(machine.run(put("b", "1")).has_value());  // 4
  ASSERT_TRUE(machine.run(del("b")).has_value());       // 5
  ASSERT_TRUE(machine.run(put("a", "3")).has_value());  // 6
  EXPECT_FALSE(machine.store().clean_pending());
  ASSERT_TRUE(machine.run(compact(5)).has_value());
  EXPECT_TRUE(machine.store().clean_pending());
  EXPECT_EQ(machine.store().cleaned(), -1);
  EXPECT_EQ(rows('v'), 5U);
  machine.clean_all();
  EXPECT_FALSE(machine.store().clean_pending());
  EXPECT_EQ(machine.store().cleaned(), 5);
  EXPECT_EQ(rows('v'), 2U) << "a at 3, the newest at the floor, and a at 6";
  EXPECT_EQ(rows('r'), 2U) << "the change at the floor, for a watch from there, and that at 6";
  RangeRequest at_floor = get("a", "z");
  at_floor.revision = 5;
  EXPECT_EQ(machine.range(at_floor)->kvs.front().value, "2");
  EXPECT_EQ(machine.range(at_floor)->count, 1);
  ASSERT_TRUE(machine.run(compact(6)).has_value());
  machine.clean_all();
  EXPECT_EQ(rows('v'), 1U);
  EXPECT_EQ(rows('r'), 1U);
}

TEST_F(CleanTest, EachStepIsBoundedAndMakesProgress) {
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(machine.run(put("a", "1")).has_value());
  ASSERT_TRUE(machine.run(compact(101)).has_value());
  Revision before = machine.store().cleaned();
  int steps = 0;
  while (machine.store().clean_pending()) {
    const std::size_t rows_before = state.rows().size();
    ASSERT_TRUE(machine.store().clean(10).has_value());
    EXPECT_LE(rows_before - state.rows().size(), 20U);
    EXPECT_GE(machine.store().cleaned(), before);
    before = machine.store().cleaned();
    ++steps;
  }
  EXPECT_EQ(steps, 10);
  EXPECT_EQ(rows('v'), 1U);
}

TEST_F(CleanTest, OneRevisionOfManyChangesIsCleanedInSeveralSteps) {
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(machine.run(put("k" + std::to_string(i), "1")).has_value());
  }
  ASSERT_TRUE(machine.run(del("k", "l")).has_value());
  ASSERT_TRUE(machine.run(put("z", "1")).has_value());
  ASSERT_TRUE(machine.run(compact(53)).has_value());
  for (int step = 0; step < 12; ++step) {
    ASSERT_TRUE(machine.store().clean_pending());
    ASSERT_TRUE(machine.store().clean(8).has_value());
    machine.open();  // the cursor is in the batch
  }
  machine.clean_all(8);
  EXPECT_EQ(rows('v'), 1U);
  EXPECT_EQ(rows('r'), 1U);
  EXPECT_EQ(machine.store().cleaned(), 53);
}

TEST_F(CleanTest, AFailedStepChangesNothing) {
  ASSERT_TRUE(machine.run(put("a", "1")).has_value());
  ASSERT_TRUE(machine.run(put("a", "2")).has_value());
  ASSERT_TRUE(machine.run(compact(3)).has_value());
  state.set_write_error(Error{Code::no_space, "full"});
  EXPECT_EQ(machine.store().clean(10).error().code, Code::no_space);
  EXPECT_TRUE(machine.store().clean_pending());
  state.set_write_error(std::nullopt);
  machine.clean_all();
  EXPECT_EQ(rows('v'), 1U);
}

TEST_F(CleanTest, ACompactionOfNothingIsDoneAtOnce) {
  ASSERT_TRUE(machine.run(compact(0)).has_value());
  ASSERT_TRUE(machine.store().clean(1).has_value());
  EXPECT_FALSE(machine.store().clean_pending());
  ASSERT_TRUE(machine.run(compact(1)).has_value());
  machine.clean_all();
  EXPECT_EQ(machine.store().cleaned(), 1);
}

// Goal: in every interleaving of steps with changes and further compactions, checksums at all
// readable revisions are those of a store that never cleans; and a store that is clean holds
// exactly what a compaction keeps. Method: random requests to both, steps of random size to one.
TEST_F(CleanTest, NobodyCanTellHowFarItIs) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    MemoryStateStore lazy_state;
    MemoryStateStore eager_state;
    Machine lazy(lazy_state);
    Machine eager(eager_state);
    RandomRequests requests{Prng(seed)};
    for (int step = 0; step < 60; ++step) {
      requests.around(lazy.store().compact_revision(), lazy.store().revision());
      const Request request = requests.prng().chance(1, 6)
                                  ? Request(CompactRequest{requests.revision(), false})
                                  : requests.any();
      EXPECT_EQ(lazy.run(request).has_value(), eager.run(request).has_value());
      if (requests.prng().chance(1, 2)) {
        ASSERT_TRUE(eager.store().clean(1 + requests.prng().below(4)).has_value());
      }
      const Revision floor = std::max<Revision>(lazy.store().compact_revision(), 1);
      for (Revision revision = floor; revision <= lazy.store().revision(); ++revision) {
        ASSERT_EQ(eager.hash(revision), lazy.hash(revision)) << revision;
      }
    }
    eager.clean_all(3);
    lazy.clean_all(100);
    EXPECT_EQ(eager_state.rows().size(), lazy_state.rows().size());
    EXPECT_EQ(eager.hash(), lazy.hash());
  }
}

// Goal: nothing is left behind. Method: delete all, compact at the end, clean: only the rows at the
// floor and the state remain.
TEST_F(CleanTest, ACompactedEmptyStoreIsEmpty) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    MemoryStateStore other;
    Machine one(other);
    RandomRequests requests{Prng(seed)};
    for (int step = 0; step < 40; ++step) {
      requests.around(one.store().compact_revision(), one.store().revision());
      one.append(requests.any());
    }
    one.apply_all(7);
    const std::string zero(1, '\0');
    ASSERT_TRUE(one.run(put("last", "1")).has_value());
    ASSERT_TRUE(one.run(del(zero, zero)).has_value());
    ASSERT_TRUE(one.run(put("last", "1")).has_value());
    ASSERT_TRUE(one.run(del("last")).has_value());
    ASSERT_TRUE(one.run(compact(one.store().revision())).has_value());
    one.clean_all(5);
    EXPECT_EQ(other.rows().size(), 2U) << "the state, and the change at the floor";
  }
}

}  // namespace
}  // namespace aspen::kv
