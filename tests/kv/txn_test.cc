// Transactions: compares, nesting, order, atomicity.
#include <gtest/gtest.h>

#include "node/kv/errors.h"
#include "node/kv/store.h"
#include "tests/contract/memory_state_store.h"
#include "tests/kv/machine.h"

namespace aspen::kv {
namespace {

using contract::MemoryStateStore;

class TxnTest : public testing::Test {
 protected:
  MemoryStateStore state;
  Machine machine{state};

  void SetUp() override {
    ASSERT_TRUE(machine.run(put("a", "1")).has_value());  // revision 2
    ASSERT_TRUE(machine.run(put("a", "2")).has_value());  // 3
    ASSERT_TRUE(machine.run(put("b", "1")).has_value());  // 4
  }
  TxnResponse must(const TxnRequest& request) {
    auto response = machine.run_as<TxnResponse>(request);
    EXPECT_TRUE(response.has_value()) << response.error().what;
    return response.value_or(TxnResponse{});
  }
  bool holds(const Compare& one) {
    TxnRequest request;
    request.compare.push_back(one);
    const bool written = must(request).succeeded;
    EXPECT_EQ(machine.snapshot().txn(request)->succeeded, written) << "a read-only one agrees";
    return written;
  }
  std::string value(const std::string& key) {
    const auto response = machine.range(get(key));
    return response && !response->kvs.empty() ? response->kvs.front().value : "(absent)";
  }
  template <class T>
  static const T& at(const TxnResponse& response, std::size_t i) {
    return std::get<T>(response.responses.at(i).response);
  }
};

TEST_F(TxnTest, EveryTargetAndResultCompares) {
  using R = CompareResult;
  using T = CompareTarget;
  const struct {
    T target;
    std::int64_t below, exact, above;
  } numbers[] = {
      {T::version, 1, 2, 3}, {T::create, 1, 2, 3}, {T::mod, 2, 3, 4}, {T::lease, -1, 0, 1}};
  for (const auto& row : numbers) {
    EXPECT_TRUE(holds(compare("a", row.target, R::equal, row.exact)));
    EXPECT_FALSE(holds(compare("a", row.target, R::equal, row.above)));
    EXPECT_TRUE(holds(compare("a", row.target, R::greater, row.below)));
    EXPECT_FALSE(holds(compare("a", row.target, R::greater, row.exact)));
    EXPECT_TRUE(holds(compare("a", row.target, R::less, row.above)));
    EXPECT_FALSE(holds(compare("a", row.target, R::less, row.exact)));
    EXPECT_TRUE(holds(compare("a", row.target, R::not_equal, row.above)));
    EXPECT_FALSE(holds(compare("a", row.target, R::not_equal, row.exact)));
  }
  EXPECT_TRUE(holds(compare_value("a", R::equal, "2")));
  EXPECT_TRUE(holds(compare_value("a", R::greater, "1")));
  EXPECT_TRUE(holds(compare_value("a", R::less, "22")));
  EXPECT_TRUE(holds(compare_value("a", R::not_equal, "")));
}

TEST_F(TxnTest, AnAbsentKeyComparesAsZeroAndHasNoValue) {
  using R = CompareResult;
  for (const auto target :
       {CompareTarget::version, CompareTarget::create, CompareTarget::mod, CompareTarget::lease}) {
    EXPECT_TRUE(holds(compare("x", target, R::equal, 0)));
    EXPECT_TRUE(holds(compare("x", target, R::less, 1)));
    EXPECT_FALSE(holds(compare("x", target, R::not_equal, 0)));
  }
  for (const auto result : {R::equal, R::not_equal, R::less, R::greater}) {
    EXPECT_FALSE(holds(compare_value("x", result, "")));
  }
}

TEST_F(TxnTest, ACompareOfARangeHoldsIfItHoldsForEveryKey) {
  Compare one = compare("a", CompareTarget::mod, CompareResult::greater, 2);
  one.range_end = "c";
  EXPECT_TRUE(holds(one));
  one.number = 3;
  EXPECT_FALSE(holds(one));
  one.range_end = std::string(1, '\0');
  EXPECT_FALSE(holds(one));
  // A range without a key is one absent key.
  one = compare("x", CompareTarget::version, CompareResult::equal, 0);
  one.range_end = "y";
  EXPECT_TRUE(holds(one));
  one.range_end = "w";
  EXPECT_TRUE(holds(one));
}

TEST_F(TxnTest, UnknownTargetsAndResultsAreEqualAndTrueAsInEtcd) {
  EXPECT_TRUE(holds(compare("a", CompareTarget(77), CompareResult::equal, 12345)));
  EXPECT_FALSE(holds(compare("a", CompareTarget(77), CompareResult::less, 12345)));
  EXPECT_TRUE(holds(compare("a", CompareTarget::mod, CompareResult(77), 12345)));
}

TEST_F(TxnTest, AllComparesMustHoldAndNoneIsSuccess) {
  TxnRequest request;
  request.success.push_back({put("s", "1")});
  request.failure.push_back({put("f", "1")});
  EXPECT_TRUE(must(request).succeeded);
  request.compare.push_back(compare("a", CompareTarget::mod, CompareResult::equal, 3));
  request.compare.push_back(compare("a", CompareTarget::mod, CompareResult::equal, 9));
  EXPECT_FALSE(must(request).succeeded);
  EXPECT_EQ(value("f"), "1");
}

TEST_F(TxnTest, OperationsRunInOrderAndTakeOneRevision) {
  TxnRequest request;
  request.success = {
      {get("a", "z")}, {put("c", "1")}, {get("a", "z")}, {del("a")}, {get("a", "z")}};
  const TxnResponse response = must(request);
  EXPECT_EQ(response.revision, 5);
  EXPECT_EQ(at<RangeResponse>(response, 0).count, 2);
  EXPECT_EQ(at<RangeResponse>(response, 0).revision, 4);
  EXPECT_EQ(at<PutResponse>(response, 1).revision, 5);
  EXPECT_EQ(at<RangeResponse>(response, 2).count, 3);
  EXPECT_EQ(at<RangeResponse>(response, 2).revision, 5);
  EXPECT_EQ(at<RangeResponse>(response, 2).kvs.back(), (KeyValue{"c", 5, 5, 1, "1", 0}));
  EXPECT_EQ(at<DeleteRangeResponse>(response, 3).deleted, 1);
  EXPECT_EQ(at<RangeResponse>(response, 4).count, 2);
  EXPECT_EQ(machine.store().revision(), 5);
}

TEST_F(TxnTest, ANestedTransactionIsJudgedByTheStateBefore) {
  TxnRequest nested;
  nested.compare.push_back(compare("c", CompareTarget::version, CompareResult::equal, 0));
  nested.success = {{put("n", "then")}};
  nested.failure = {{put("n", "else")}};
  TxnRequest request;
  request.success = {{put("c", "1")}, {nested}};
  const TxnResponse response = must(request);
  EXPECT_EQ(value("n"), "then") << "the put of c before it does not count";
  const auto& inner = at<TxnResponse>(response, 1);
  EXPECT_TRUE(inner.succeeded);
  EXPECT_EQ(inner.revision, 0);
  EXPECT_EQ(at<PutResponse>(inner, 0).revision, 5);
}

TEST_F(TxnTest, ARangeAtAPastRevisionInsideAWriteSeesThatRevision) {
  RangeRequest past = get("a");
  past.revision = 2;
  TxnRequest request;
  request.success = {{put("a", "9")}, {past}};
  EXPECT_EQ(at<RangeResponse>(must(request), 1).kvs.front().value, "1");
  past.revision = 5;  // the current one, before this transaction
  request.success = {{put("a", "10")}, {past}, {get("a")}};
  const TxnResponse response = must(request);
  EXPECT_EQ(at<RangeResponse>(response, 1).kvs.front().value, "9");
  EXPECT_EQ(at<RangeResponse>(response, 2).kvs.front().value, "10");
}

// Goal: a write transaction that cannot finish changes nothing, on any member, whatever stands
// before the operation at fault (etcd 18667). Method: the state's checksum before and after.
TEST_F(TxnTest, AnErrorInAnyOperationLeavesNoTrace) {
  ASSERT_TRUE(machine.run(compact(3)).has_value());
  RangeRequest below = get("a");
  below.revision = 2;
  RangeRequest negative = get("a");
  negative.revision = -5;
  RangeRequest above = get("a");
  above.revision = 5;
  PutRequest absent = put("x", "");
  absent.ignore_value = true;
  PutRequest leased = put("a", "1");
  leased.lease = 9;
  const struct {
    RequestOp operation;
    Error error;
  } table[] = {{{below}, errors::compacted},
               {{above}, errors::future_revision},
               {{absent}, errors::key_not_found},
               {{leased}, errors::lease_not_found},
               {{}, errors::key_not_found}};
  const HashKvResponse before = machine.hash();
  for (const auto& row : table) {
    TxnRequest request;
    request.success = {{put("n", "1")}, {del("a")}, row.operation};
    EXPECT_EQ(machine.run(request).error(), row.error);
    TxnRequest outer;
    outer.success = {{put("m", "1")}, {request}};
    EXPECT_EQ(machine.run(outer).error(), row.error);
    EXPECT_EQ(machine.hash(), before);
    EXPECT_EQ(machine.store().revision(), 4);
    EXPECT_EQ(value("n"), "(absent)");
  }
  // Only 0 means the newest revision here: a negative one is below the floor.
  TxnRequest request;
  request.success = {{put("n", "1")}, {negative}};
  EXPECT_EQ(machine.run(request).error(), errors::compacted);
}

TEST_F(TxnTest, TheBranchNotTakenIsNotChecked) {
  RangeRequest above = get("a");
  above.revision = 99;
  TxnRequest request;
  request.success = {{put("n", "1")}};
  request.failure = {{above}};
  EXPECT_TRUE(must(request).succeeded);
}

// The check of duplicates does not see an interval without an end: the same key may then be changed
// twice in one revision, and a kept value may be gone when its put comes.
TEST_F(TxnTest, OneKeyChangedTwiceInOneRevisionEndsAsTheLastChange) {
  const std::string zero(1, '\0');
  TxnRequest request;
  request.success = {{del("a", zero)}, {put("a", "9")}, {get("a")}};
  const TxnResponse response = must(request);
  EXPECT_EQ(at<RangeResponse>(response, 2).kvs.front(), (KeyValue{"a", 5, 5, 1, "9", 0}));
  request.success = {{put("a", "10")}, {del("a", zero)}};
  must(request);
  EXPECT_EQ(value("a"), "(absent)");

  ASSERT_TRUE(machine.run(put("a", "11")).has_value());
  const HashKvResponse before = machine.hash();
  PutRequest keep = put("a", "");
  keep.ignore_value = true;
  request.success = {{put("n", "1")}, {del("a", zero)}, {keep}};
  EXPECT_EQ(machine.run(request).error(), errors::key_not_found);
  EXPECT_EQ(machine.hash(), before);
  EXPECT_EQ(value("a"), "11");
}

TEST_F(TxnTest, LaterCommandsOfABatchSeeEarlierOnes) {
  TxnRequest cas;
  cas.compare.push_back(compare_value("a", CompareResult::equal, "5"));
  cas.success = {{put("a", "6")}};
  machine.append(Request(put("a", "5")));
  machine.append(Request(cas));
  machine.append(Request(cas));
  machine.append(Request(del("b")));
  machine.append(Request(get("a", "z")));
  const auto results = machine.apply_all();
  ASSERT_EQ(results.size(), 5U);
  EXPECT_TRUE(std::get<TxnResponse>(*results[1].response).succeeded);
  EXPECT_FALSE(std::get<TxnResponse>(*results[2].response).succeeded);
  const auto& range = std::get<RangeResponse>(*results[4].response);
  EXPECT_EQ(range.count, 1);
  EXPECT_EQ(range.kvs.front(), (KeyValue{"a", 2, 6, 4, "6", 0}));
}

}  // namespace
}  // namespace aspen::kv
