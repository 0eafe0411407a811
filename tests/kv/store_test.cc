// What single requests do: revisions, options, error texts, atomicity. etcd's behaviour in tables.
#include "node/kv/store.h"

#include <gtest/gtest.h>

#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/kv/errors.h"
#include "tests/contract/memory_state_store.h"
#include "tests/kv/machine.h"

namespace aspen::kv {
namespace {

using contract::MemoryStateStore;

class StoreTest : public testing::Test {
 protected:
  MemoryStateStore state;
  Machine machine{state};

  PutResponse must_put(const PutRequest& request) {
    auto response = machine.run_as<PutResponse>(request);
    EXPECT_TRUE(response.has_value()) << response.error().what;
    return response.value_or(PutResponse{});
  }
  std::optional<KeyValue> pair(const std::string& key, Revision revision = 0) {
    RangeRequest request = get(key);
    request.revision = revision;
    const auto response = machine.range(request);
    EXPECT_TRUE(response.has_value()) << response.error().what;
    if (!response || response->kvs.empty()) return std::nullopt;
    return response->kvs.front();
  }
  // Keys in the order of the response, with a plus behind them if there are more.
  std::string keys(const RangeRequest& request) {
    const auto response = machine.range(request);
    if (!response) return response.error().what;
    std::string all;
    for (const KeyValue& one : response->kvs) all += one.key;
    return all + (response->more ? "+" : "");
  }
};

TEST_F(StoreTest, AnEmptyStoreHasRevisionOneAndNoFloor) {
  EXPECT_EQ(machine.store().revision(), 1);
  EXPECT_EQ(machine.store().compact_revision(), -1);
  const auto response = machine.range(get("a", std::string(1, '\0')));
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->revision, 1);
  EXPECT_EQ(response->count, 0);
}

TEST_F(StoreTest, TheFirstChangeGetsRevisionTwo) {
  EXPECT_EQ(must_put(put("a", "1")).revision, 2);
  EXPECT_EQ(pair("a"), (KeyValue{"a", 2, 2, 1, "1", 0}));
}

TEST_F(StoreTest, VersionsCountFromTheCreation) {
  must_put(put("a", "1"));
  must_put(put("a", "2"));
  EXPECT_EQ(pair("a"), (KeyValue{"a", 2, 3, 2, "2", 0}));
  const auto deleted = machine.run_as<DeleteRangeResponse>(del("a"));
  ASSERT_TRUE(deleted.has_value());
  EXPECT_EQ(*deleted, (DeleteRangeResponse{4, 1, {}}));
  EXPECT_EQ(pair("a"), std::nullopt);
  must_put(put("a", "3"));
  EXPECT_EQ(pair("a"), (KeyValue{"a", 5, 5, 1, "3", 0}));
  EXPECT_EQ(pair("a", 2), (KeyValue{"a", 2, 2, 1, "1", 0}));
  EXPECT_EQ(pair("a", 3), (KeyValue{"a", 2, 3, 2, "2", 0}));
  EXPECT_EQ(pair("a", 4), std::nullopt);
}

TEST_F(StoreTest, WhatChangesNothingTakesNoRevision) {
  must_put(put("a", "1"));
  const auto deleted = machine.run_as<DeleteRangeResponse>(del("b"));
  ASSERT_TRUE(deleted.has_value());
  EXPECT_EQ(*deleted, (DeleteRangeResponse{2, 0, {}}));
  TxnRequest txn;
  txn.success.push_back({del("b")});
  const auto response = machine.run_as<TxnResponse>(txn);
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->revision, 2);
  EXPECT_EQ(machine.store().revision(), 2);
  must_put(put("a", "1"));
  EXPECT_EQ(machine.store().revision(), 3);
}

TEST_F(StoreTest, PutGivesThePreviousPair) {
  PutRequest request = put("a", "2");
  request.prev_kv = true;
  EXPECT_EQ(must_put(request).prev_kv, std::nullopt);
  request.value = "3";
  EXPECT_EQ(must_put(request).prev_kv, (KeyValue{"a", 2, 2, 1, "2", 0}));
}

TEST_F(StoreTest, IgnoreValueAndIgnoreLeaseKeepWhatIsThere) {
  PutRequest request = put("a", "");
  request.ignore_value = true;
  EXPECT_EQ(machine.run(request).error(), errors::key_not_found);
  request.ignore_value = false;
  request.ignore_lease = true;
  EXPECT_EQ(machine.run(request).error(), errors::key_not_found);
  EXPECT_EQ(machine.store().revision(), 1);
  must_put(put("a", "1"));
  request.ignore_value = true;
  must_put(request);
  EXPECT_EQ(pair("a"), (KeyValue{"a", 2, 3, 2, "1", 0}));
}

TEST_F(StoreTest, NoLeaseExistsYet) {
  PutRequest request = put("a", "1");
  request.lease = 7;
  EXPECT_EQ(machine.run(request).error(), errors::lease_not_found);
  // By itself the lease is looked at first, in a transaction the key.
  request.ignore_value = true;
  EXPECT_EQ(machine.run(request).error(), errors::lease_not_found);
  TxnRequest txn;
  txn.success.push_back({request});
  EXPECT_EQ(machine.run(txn).error(), errors::key_not_found);
}

TEST_F(StoreTest, DeleteRangeCountsAndGivesPreviousPairs) {
  for (const char* key : {"a", "b", "c"}) must_put(put(key, key));
  DeleteRangeRequest request = del("a", "c");
  request.prev_kv = true;
  const auto response = machine.run_as<DeleteRangeResponse>(request);
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->revision, 5);
  EXPECT_EQ(response->deleted, 2);
  ASSERT_EQ(response->prev_kvs.size(), 2U);
  EXPECT_EQ(response->prev_kvs[1], (KeyValue{"b", 3, 3, 1, "b", 0}));
  EXPECT_EQ(keys(get("a", std::string(1, '\0'))), "c");
  EXPECT_EQ(machine.run_as<DeleteRangeResponse>(del("z", "a"))->deleted, 0);
}

TEST_F(StoreTest, RangeEndSaysWhichKeys) {
  const std::string zero(1, '\0');
  for (const auto& key : {std::string("a"), "a" + zero, std::string("ab"), std::string("b")}) {
    must_put(put(key, "1"));
  }
  const struct {
    std::string key, range_end;
    std::int64_t count;
  } table[] = {{"a", "", 1},    {"a", "b", 3},  {"a", zero, 4}, {zero, zero, 4},
               {"ab", zero, 2}, {"b", "a", 0},  {"b", "b", 0},  {"a", "a" + zero, 1},
               {"x", "", 0},    {"a", "ac", 3}, {"c", zero, 0}};
  for (const auto& row : table) {
    const auto response = machine.range(get(row.key, row.range_end));
    ASSERT_TRUE(response.has_value());
    EXPECT_EQ(response->count, row.count) << row.key << " to " << row.range_end;
    EXPECT_EQ(static_cast<std::int64_t>(response->kvs.size()), row.count);
  }
}

TEST_F(StoreTest, CountIsThatOfTheWholeRangeWhateverLimitAndFilters) {
  for (const char* key : {"a", "b", "c", "d"}) must_put(put(key, "1"));
  RangeRequest request = get("a", "z");
  request.limit = 2;
  auto response = machine.range(request);
  EXPECT_EQ(response->count, 4);
  EXPECT_EQ(response->kvs.size(), 2U);
  EXPECT_TRUE(response->more);
  request.min_mod_revision = 5;
  response = machine.range(request);
  EXPECT_EQ(response->count, 4);
  EXPECT_EQ(response->kvs.size(), 1U);
  EXPECT_FALSE(response->more);
  request.count_only = true;
  response = machine.range(request);
  EXPECT_EQ(response->count, 4);
  EXPECT_TRUE(response->kvs.empty());
  EXPECT_FALSE(response->more);
}

TEST_F(StoreTest, LimitAppliesAfterSortAndFilters) {
  must_put(put("a", "3"));
  must_put(put("b", "1"));
  must_put(put("c", "2"));
  must_put(put("a", "3"));
  using O = SortOrder;
  using T = SortTarget;
  const struct {
    O order;
    T target;
    std::int64_t limit;
    const char* expected;
  } table[] = {{O::none, T::key, 0, "abc"},       {O::descend, T::key, 0, "cba"},
               {O::descend, T::key, 1, "c+"},     {O::ascend, T::key, 2, "ab+"},
               {O::ascend, T::version, 0, "bca"}, {O::descend, T::version, 1, "a+"},
               {O::ascend, T::create, 0, "abc"},  {O::descend, T::create, 0, "cba"},
               {O::ascend, T::mod, 0, "bca"},     {O::descend, T::mod, 2, "ac+"},
               {O::ascend, T::value, 0, "bca"},   {O::descend, T::value, 3, "acb"},
               {O::none, T::value, 1, "b+"},      {O::none, T::mod, 0, "bca"},
               {O::none, T::key, -1, "abc"}};
  for (const auto& row : table) {
    RangeRequest request = get("a", "z");
    request.sort_order = row.order;
    request.sort_target = row.target;
    request.limit = row.limit;
    EXPECT_EQ(keys(request), row.expected)
        << static_cast<int>(row.order) << ' ' << static_cast<int>(row.target);
    request.keys_only = true;
    EXPECT_EQ(keys(request), row.expected) << "keys only";
  }
}

TEST_F(StoreTest, ASortedLimitAgreesWithItselfOverManyKeys) {
  constexpr int count = 5000;
  for (int i = 0; i < count; ++i) {
    machine.append(Request(put("k" + std::to_string(i * 7919 % count), std::to_string(i))));
  }
  machine.apply_all(256);
  RangeRequest request = get("k", "l");
  request.sort_order = SortOrder::descend;
  request.sort_target = SortTarget::mod;
  const auto all = machine.range(request);
  ASSERT_TRUE(all.has_value());
  ASSERT_EQ(all->kvs.size(), static_cast<std::size_t>(count));
  request.limit = 3;
  const auto some = machine.range(request);
  ASSERT_TRUE(some.has_value());
  EXPECT_TRUE(some->more);
  EXPECT_EQ(some->count, count);
  EXPECT_EQ(some->kvs, std::vector<KeyValue>(all->kvs.begin(), all->kvs.begin() + 3));
}

TEST_F(StoreTest, FiltersAreInclusive) {
  for (const char* key : {"a", "b", "c"}) must_put(put(key, "1"));
  must_put(put("a", "2"));
  const auto filtered = [this](Revision RangeRequest::*field, Revision revision) {
    RangeRequest request = get("a", "z");
    request.*field = revision;
    return keys(request);
  };
  EXPECT_EQ(filtered(&RangeRequest::min_mod_revision, 4), "ac");
  EXPECT_EQ(filtered(&RangeRequest::max_mod_revision, 4), "bc");
  EXPECT_EQ(filtered(&RangeRequest::min_create_revision, 3), "bc");
  EXPECT_EQ(filtered(&RangeRequest::max_create_revision, 2), "a");
}

TEST_F(StoreTest, KeysOnlyLeavesTheValuesOut) {
  must_put(put("a", "1"));
  RangeRequest request = get("a");
  request.keys_only = true;
  EXPECT_EQ(machine.range(request)->kvs.front(), (KeyValue{"a", 2, 2, 1, "", 0}));
}

TEST_F(StoreTest, RevisionsOutsideTheStoredOnesAreRefused) {
  for (int i = 0; i < 4; ++i) must_put(put("a", std::to_string(i)));
  ASSERT_TRUE(machine.run(compact(3)).has_value());
  RangeRequest request = get("a");
  const struct {
    Revision revision;
    Error error;
  } table[] = {{2, errors::compacted}, {1, errors::compacted}, {6, errors::future_revision}};
  for (const auto& row : table) {
    request.revision = row.revision;
    const auto response = machine.range(request);
    ASSERT_FALSE(response.has_value()) << row.revision;
    EXPECT_EQ(response.error(), row.error);
  }
  EXPECT_EQ(pair("a", 3)->value, "1");
  EXPECT_EQ(pair("a", 5)->value, "3");
  EXPECT_EQ(pair("a", -7)->value, "3");
  request.revision = 3;
  EXPECT_EQ(machine.range(request)->revision, 5) << "the header tells the current revision";
}

TEST_F(StoreTest, CompactMovesTheFloorOnceAndUpwards) {
  for (int i = 0; i < 4; ++i) must_put(put("a", "1"));
  EXPECT_EQ(machine.run(compact(6)).error(), errors::future_revision);
  EXPECT_EQ(machine.run(compact(-1)).error(), errors::compacted);
  EXPECT_EQ(machine.run_as<CompactResponse>(compact(3))->revision, 5);
  EXPECT_EQ(machine.run(compact(3)).error(), errors::compacted);
  EXPECT_EQ(machine.run(compact(2)).error(), errors::compacted);
  EXPECT_TRUE(machine.run(compact(5)).has_value());
  EXPECT_EQ(machine.store().compact_revision(), 5);
  EXPECT_EQ(machine.store().revision(), 5);
}

TEST_F(StoreTest, TheErrorTextsAreEtcds) {
  EXPECT_STREQ(errors::empty_key.what, "etcdserver: key is not provided");
  EXPECT_STREQ(errors::key_not_found.what, "etcdserver: key not found");
  EXPECT_STREQ(errors::value_provided.what, "etcdserver: value is provided");
  EXPECT_STREQ(errors::lease_provided.what, "etcdserver: lease is provided");
  EXPECT_STREQ(errors::too_many_operations.what, "etcdserver: too many operations in txn request");
  EXPECT_STREQ(errors::duplicate_key.what, "etcdserver: duplicate key given in txn request");
  EXPECT_STREQ(errors::invalid_sort_option.what, "etcdserver: invalid sort option");
  EXPECT_STREQ(errors::request_too_large.what, "etcdserver: request is too large");
  EXPECT_STREQ(errors::compacted.what, "etcdserver: mvcc: required revision has been compacted");
  EXPECT_STREQ(errors::future_revision.what,
               "etcdserver: mvcc: required revision is a future revision");
  EXPECT_STREQ(errors::lease_not_found.what, "etcdserver: requested lease not found");
  EXPECT_STREQ(errors::no_space.what, "etcdserver: mvcc: database space exceeded");
}

TEST_F(StoreTest, AnEmptyKeyIsAnErrorAndNoCrashEvenIfNobodyValidated) {
  EXPECT_EQ(machine.run(put("", "1")).error(), errors::empty_key);
  EXPECT_EQ(machine.run(del("")).error(), errors::empty_key);
  EXPECT_EQ(machine.run(get("")).error(), errors::empty_key);
  TxnRequest txn;
  txn.success = {{put("a", "1")}, {put("", "1")}};
  EXPECT_EQ(machine.run(txn).error(), errors::empty_key);
  txn.compare.push_back(compare("", CompareTarget::mod, CompareResult::equal, 0));
  EXPECT_EQ(machine.run(txn).error(), errors::empty_key);
  EXPECT_EQ(machine.store().revision(), 1);
  EXPECT_EQ(pair("a"), std::nullopt);
}

// ---- entries and batches

TEST_F(StoreTest, BlankAndConfigurationEntriesMoveTheAppliedIndexOnly) {
  machine.append(Entry{{}, EntryKind::blank, {}});
  machine.append(Entry{{}, EntryKind::config, Bytes("members")});
  machine.append(Request(put("a", "1")));
  EXPECT_EQ(machine.apply_all().size(), 1U);
  EXPECT_EQ(machine.store().applied(), (LogId{Term(1), Index(3)}));
  EXPECT_EQ(machine.store().revision(), 2);
  ASSERT_TRUE(machine.store().config().has_value());
  EXPECT_EQ(machine.store().config()->id.index, Index(2));
  machine.open();
  ASSERT_TRUE(machine.store().config().has_value());
  EXPECT_EQ(machine.store().config()->payload, Bytes("members"));
  EXPECT_EQ(machine.store().applied(), (LogId{Term(1), Index(3)}));
}

TEST_F(StoreTest, AWholeRangeOfEntriesIsOneBatch) {
  for (int i = 0; i < 100; ++i) machine.append(Request(put("a", std::to_string(i))));
  const std::uint64_t writes = state.writes();
  EXPECT_EQ(machine.apply_all().size(), 100U);
  EXPECT_EQ(state.writes(), writes + 1);
  EXPECT_EQ(pair("a")->version, 100);
}

TEST_F(StoreTest, AFullBatchIsClosedAndTheRestFollows) {
  const std::string value(1024 * 1024, 'x');
  for (int i = 0; i < 40; ++i) machine.append(Request(put("k" + std::to_string(i), value)));
  const auto applied = machine.apply_some(40);
  ASSERT_TRUE(applied.has_value());
  EXPECT_LT(applied->entries, 20U);
  EXPECT_EQ(applied->entries, applied->results.size());
  EXPECT_EQ(machine.store().applied().index.value, applied->entries);
  machine.apply_all();
  EXPECT_EQ(machine.store().revision(), 41);
}

// Goal: the store's error reaches the caller, nothing is applied, and the same entries apply later.
TEST_F(StoreTest, AFailedWriteAppliesNothing) {
  must_put(put("a", "1"));
  machine.append(Request(put("a", "2")));
  for (const Code code : {Code::no_space, Code::io_error, Code::corrupt}) {
    state.set_write_error(Error{code, "broken"});
    EXPECT_EQ(machine.apply_some(1).error().code, code);
    EXPECT_EQ(machine.store().applied(), (LogId{Term(1), Index(1)}));
    EXPECT_EQ(machine.store().revision(), 2);
  }
  state.set_write_error(std::nullopt);
  machine.apply_all();
  EXPECT_EQ(pair("a"), (KeyValue{"a", 2, 3, 2, "2", 0}));
}

TEST_F(StoreTest, AFailedReadAppliesNothing) {
  must_put(put("a", "1"));
  TxnRequest txn;
  txn.compare.push_back(compare("a", CompareTarget::mod, CompareResult::equal, 2));
  for (const Request& request : {Request(put("a", "2")), Request(del("a", "b")), Request(txn)}) {
    machine.open();  // nothing is remembered: every request has to read
    machine.append(request);
    for (const Code code : {Code::io_error, Code::corrupt}) {
      state.set_read_error(Error{code, "broken"});
      EXPECT_EQ(machine.apply_some(1).error().code, code);
      state.set_read_error(std::nullopt);
    }
    machine.apply_all();
  }
  EXPECT_EQ(machine.store().revision(), 4);
}

TEST_F(StoreTest, ACommandOfANewerFormatIsNotSkipped) {
  machine.append(Entry{{}, EntryKind::command, Bytes("\x02not ours")});
  EXPECT_EQ(machine.apply_some(1).error().code, Code::unsupported);
  EXPECT_EQ(machine.store().applied(), LogId{});
}

TEST_F(StoreTest, ADamagedCommandIsNotSkipped) {
  machine.append(Entry{{}, EntryKind::command, Bytes("\x01")});
  EXPECT_EQ(machine.apply_some(1).error().code, Code::corrupt);
}

TEST_F(StoreTest, ADeleteOfTooManyBytesChangesNothing) {
  const std::string name(60'000, 'k');
  constexpr int count = 1200;
  for (int i = 0; i < count; ++i) machine.append(Request(put(name + std::to_string(i), "")));
  machine.apply_all(64);
  const HashKvResponse before = machine.hash();
  EXPECT_EQ(machine.run(del("a", "z")).error(), errors::change_too_large);
  TxnRequest txn;
  txn.success = {{put("a", "1")}, {del("k", "l")}};
  EXPECT_EQ(machine.run(txn).error(), errors::change_too_large);
  EXPECT_EQ(machine.hash(), before);
}

TEST_F(StoreTest, DurableIsWhatTheStateStoreWouldKeep) {
  must_put(put("a", "1"));
  EXPECT_EQ(*machine.store().applied_durable(), LogId{});
  ASSERT_TRUE(state.flush().has_value());
  must_put(put("a", "2"));
  EXPECT_EQ(*machine.store().applied_durable(), (LogId{Term(1), Index(1)}));
}

// ---- opening

TEST_F(StoreTest, ANewerFormatIsRefusedByName) {
  StateBatch batch;
  batch.put("mstate", "\x02");
  ASSERT_TRUE(state.write(batch).has_value());
  const auto store = Store::open(state);
  ASSERT_FALSE(store.has_value());
  EXPECT_EQ(store.error().code, Code::unsupported);
  EXPECT_EQ(store.error().detail, 2U);
}

TEST_F(StoreTest, DataWithoutAStateIsDamage) {
  StateBatch batch;
  batch.put("ka", "x");
  ASSERT_TRUE(state.write(batch).has_value());
  EXPECT_EQ(Store::open(state).error().code, Code::corrupt);
}

TEST_F(StoreTest, AReadErrorAtTheStartIsReported) {
  state.set_read_error(Error{Code::io_error, "broken"});
  EXPECT_EQ(Store::open(state).error().code, Code::io_error);
}

// Goal: no damaged row makes the store crash. Method: every row of a small store is cut and
// flipped.
TEST_F(StoreTest, DamagedRowsAreErrorsAndNoCrashes) {
  must_put(put("a", "1"));
  must_put(put("b", "1"));
  machine.run(del("b"));
  const auto rows = state.rows();
  for (const auto& [key, value] : rows) {
    for (std::size_t cut = 0; cut <= value.size(); ++cut) {
      MemoryStateStore damaged;
      StateBatch batch;
      for (const auto& [k, v] : rows) batch.put(k, v);
      std::string text = value.substr(0, cut);
      if (cut == value.size() && cut > 0) text[0] = static_cast<char>(text[0] ^ 0x55);
      batch.put(key, text);
      ASSERT_TRUE(damaged.write(batch).has_value());
      auto store = Store::open(damaged);
      if (!store) continue;
      auto snapshot = store->snapshot();
      if (!snapshot) continue;
      ASPEN_MAYBE(snapshot->hash_kv(0).has_value());
      RangeRequest past = get("a", "z");
      past.revision = 2;
      ASPEN_MAYBE(snapshot->range(past).has_value());
      ASPEN_MAYBE(snapshot->range(get("a", "z")).has_value());
    }
  }
}

}  // namespace
}  // namespace aspen::kv
