// Reads of a snapshot: it stays as it was; read-only transactions; checksums.
#include "node/kv/snapshot.h"

#include <gtest/gtest.h>

#include "node/kv/errors.h"
#include "tests/contract/memory_state_store.h"
#include "tests/kv/machine.h"

namespace aspen::kv {
namespace {

using contract::MemoryStateStore;

class SnapshotTest : public testing::Test {
 protected:
  MemoryStateStore state;
  Machine machine{state};
};

TEST_F(SnapshotTest, ASnapshotStaysAsItWas) {
  ASSERT_TRUE(machine.run(put("a", "1")).has_value());
  const Snapshot snapshot = machine.snapshot();
  ASSERT_TRUE(machine.run(put("a", "2")).has_value());
  ASSERT_TRUE(machine.run(compact(3)).has_value());
  machine.clean_all();
  EXPECT_EQ(snapshot.revision(), 2);
  EXPECT_EQ(snapshot.compact_revision(), -1);
  EXPECT_EQ(snapshot.applied().index, Index(1));
  EXPECT_EQ(snapshot.range(get("a"))->kvs.front().value, "1");
  EXPECT_EQ(machine.range(get("a"))->kvs.front().value, "2");
}

TEST_F(SnapshotTest, AReadOnlyTransactionChoosesAndReads) {
  ASSERT_TRUE(machine.run(put("a", "1")).has_value());
  TxnRequest request;
  request.compare.push_back(compare("a", CompareTarget::version, CompareResult::equal, 1));
  request.success = {{get("a")}, {get("a", "z")}};
  const auto response = machine.snapshot().txn(request);
  ASSERT_TRUE(response.has_value());
  EXPECT_TRUE(response->succeeded);
  EXPECT_EQ(response->revision, 2);
  ASSERT_EQ(response->responses.size(), 2U);
  EXPECT_EQ(std::get<RangeResponse>(response->responses[1].response).count, 1);
  RangeRequest future = get("a");
  future.revision = 3;
  request.success.push_back({future});
  EXPECT_EQ(machine.snapshot().txn(request).error(), errors::future_revision);
}

TEST_F(SnapshotTest, TheChecksumDependsOnEverythingThatClientsSee) {
  const auto hash_after = [](const std::vector<Request>& requests) {
    MemoryStateStore other;
    Machine one(other);
    for (const Request& request : requests) EXPECT_TRUE(one.run(request).has_value());
    return one.hash().hash;
  };
  const std::uint32_t base = hash_after({put("a", "1"), put("b", "1")});
  EXPECT_EQ(hash_after({put("a", "1"), put("b", "1")}), base);
  EXPECT_NE(hash_after({put("a", "2"), put("b", "1")}), base);
  EXPECT_NE(hash_after({put("b", "1"), put("a", "1")}), base);
  EXPECT_NE(hash_after({put("a", "1"), put("b", "1"), del("b")}), base);
  EXPECT_NE(hash_after({put("a1", ""), put("b", "1")}), base);
  EXPECT_NE(hash_after({put("a", "1")}), base);
}

TEST_F(SnapshotTest, TheChecksumOfARevisionDoesNotChangeLater) {
  ASSERT_TRUE(machine.run(put("a", "1")).has_value());
  ASSERT_TRUE(machine.run(put("b", "1")).has_value());
  const HashKvResponse then = machine.hash();
  EXPECT_EQ(then.hash_revision, 3);
  EXPECT_EQ(then.compact_revision, -1);
  ASSERT_TRUE(machine.run(put("a", "2")).has_value());
  ASSERT_TRUE(machine.run(del("b")).has_value());
  const HashKvResponse now = machine.hash(3);
  EXPECT_EQ(now.hash, then.hash);
  EXPECT_EQ(now.hash_revision, 3);
  EXPECT_EQ(now.revision, 5);
  EXPECT_NE(machine.hash().hash, then.hash);
}

TEST_F(SnapshotTest, AChecksumBelowTheFloorOrInTheFutureIsRefused) {
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(machine.run(put("a", "1")).has_value());
  ASSERT_TRUE(machine.run(compact(3)).has_value());
  EXPECT_EQ(machine.snapshot().hash_kv(2).error(), errors::compacted);
  EXPECT_EQ(machine.snapshot().hash_kv(5).error(), errors::future_revision);
  EXPECT_TRUE(machine.snapshot().hash_kv(3).has_value());
  EXPECT_EQ(machine.snapshot().hash()->revision, 4);
}

TEST_F(SnapshotTest, AReadErrorIsReported) {
  state.set_read_error(Error{Code::io_error, "broken"});
  EXPECT_EQ(Snapshot::open(std::make_unique<MemoryStateStore>())->revision(), 1);
  EXPECT_EQ(machine.store().applied_durable().error().code, Code::io_error);
}

}  // namespace
}  // namespace aspen::kv
