#include "tests/contract/log_store_contract.h"

#include <algorithm>

#include "node/base/prng.h"
#include "tests/contract/log_store_samples.h"
#include "tests/contract/memory_log_store.h"

namespace aspen::contract {

void LogStoreContract::append_synced(const LogBatch& batch) {
  const auto appended = store().append(batch);
  ASSERT_TRUE(appended.has_value()) << appended.error().what;
  sync();
}

void LogStoreContract::sync() {
  int calls = 0;
  store().sync([&](Result<void> done) {
    EXPECT_TRUE(done.has_value());
    ++calls;
  });
  // All stores there are call back inside the call.
  ASSERT_EQ(calls, 1);
}

namespace {

constexpr std::uint64_t unlimited = 1u << 30;

LogId at(std::uint64_t term, std::uint64_t index) {
  return {Term(term), Index(index)};
}

TEST_P(LogStoreContract, AFreshStoreIsEmpty) {
  EXPECT_EQ(store().last(), Index(0));
  EXPECT_EQ(store().recovered().last, Index(0));
  EXPECT_EQ(store().recovered().hard_state, HardState{});
  EXPECT_EQ(store().recovered().purged, LogId{});
  EXPECT_EQ(store().read(Index(1), Index(1), unlimited).error().code, Code::not_found);
}

TEST_P(LogStoreContract, EntriesReadBackAsTheyWereAppended) {
  const auto small = make_entries(at(1, 1), Index(5), 10);
  const auto large = make_entries(at(2, 6), Index(7), 9'000);
  append_synced({{}, {}, small});
  ASSERT_TRUE(store().append({{}, {}, large}).has_value());
  EXPECT_EQ(store().last(), Index(7));
  const auto got = store().read(Index(1), Index(7), unlimited);
  ASSERT_TRUE(got.has_value());
  ASSERT_EQ(got->size(), 7u);
  EXPECT_TRUE(std::equal(small.begin(), small.end(), got->begin()));
  EXPECT_TRUE(std::equal(large.begin(), large.end(), got->begin() + 5));
}

TEST_P(LogStoreContract, EmptyPayloadsAndEveryKindComeBack) {
  std::vector<Entry> entries{{at(1, 1), EntryKind::blank, {}}, make_config(at(1, 2), "c")};
  entries.push_back({at(1, 3), EntryKind::command, Bytes("x")});
  append_synced({{}, {}, entries});
  reopen();
  EXPECT_EQ(store().read(Index(1), Index(3), unlimited).value(), entries);
}

TEST_P(LogStoreContract, AReadStopsAtItsBytesButGivesOneEntry) {
  append_synced({{}, {}, make_entries(at(1, 1), Index(10), 1'000)});
  EXPECT_EQ(store().read(Index(3), Index(10), 1).value().size(), 1u);
  EXPECT_EQ(store().read(Index(3), Index(10), 2'063).value().size(), 1u);
  EXPECT_EQ(store().read(Index(3), Index(10), 2'064).value().size(), 2u);
  EXPECT_EQ(store().read(Index(3), Index(10), 2'064).value().front().id, at(1, 3));
}

TEST_P(LogStoreContract, AReadOutsideTheLogIsNotFound) {
  append_synced({{}, {}, make_entries(at(1, 1), Index(3), 10)});
  EXPECT_EQ(store().read(Index(0), Index(1), unlimited).error().code, Code::not_found);
  EXPECT_EQ(store().read(Index(2), Index(4), unlimited).error().code, Code::not_found);
}

TEST_P(LogStoreContract, WhatWasSyncedIsRecovered) {
  append_synced({{}, make_hard_state(Term(3), NodeId(7)), make_entries(at(2, 1), Index(4), 20)});
  append_synced({{}, HardState{Term(5), std::nullopt}, make_entries(at(5, 5), Index(6), 20)});
  reopen();
  const LogRecovered& found = store().recovered();
  EXPECT_EQ(found.hard_state, (HardState{Term(5), std::nullopt}));
  EXPECT_EQ(found.last, Index(6));
  EXPECT_EQ(found.runs, (std::vector<LogTermRun>{{Index(1), Term(2)}, {Index(5), Term(5)}}));
  EXPECT_EQ(store().read(Index(1), Index(6), unlimited).value().size(), 6u);
}

TEST_P(LogStoreContract, AHardStateAloneIsRecovered) {
  append_synced({{}, make_hard_state(Term(1), NodeId(9)), {}});
  append_synced({{}, make_hard_state(Term(2), NodeId(4)), {}});
  reopen();
  EXPECT_EQ(store().recovered().hard_state, make_hard_state(Term(2), NodeId(4)));
  EXPECT_EQ(store().last(), Index(0));
}

TEST_P(LogStoreContract, ATruncationAndItsReplacementAreOneBatch) {
  append_synced({{}, {}, make_entries(at(1, 1), Index(8), 100)});
  const auto fresh = make_entries(at(2, 5), Index(6), 50);
  append_synced({Index(5), make_hard_state(Term(2), NodeId(1)), fresh});
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(store().last(), Index(6));
    const auto got = store().read(Index(3), Index(6), unlimited);
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(got->at(1).id, at(1, 4));
    EXPECT_EQ(got->at(2), fresh[0]);
    EXPECT_EQ(got->at(3), fresh[1]);
    reopen();
  }
}

TEST_P(LogStoreContract, ATruncationMayEmptyTheLog) {
  append_synced({{}, {}, make_entries(at(1, 1), Index(3), 10)});
  append_synced({Index(1), {}, {}});
  reopen();
  EXPECT_EQ(store().last(), Index(0));
  EXPECT_TRUE(store().recovered().runs.empty());
  append_synced({{}, {}, make_entries(at(4, 1), Index(1), 10)});
  EXPECT_EQ(store().read(Index(1), Index(1), 1).value().front().id, at(4, 1));
}

TEST_P(LogStoreContract, ConfigurationsAreListedUnlessTruncated) {
  append_synced({{}, {}, {make_config(at(1, 1), "one"), make_config(at(1, 2), "two")}});
  append_synced({Index(2), {}, {make_config(at(2, 2), "three")}});
  reopen();
  const std::vector<Entry> expected{make_config(at(1, 1), "one"), make_config(at(2, 2), "three")};
  EXPECT_EQ(store().recovered().config_entries, expected);
  EXPECT_FALSE(store().recovered().config_at_purge.has_value());
}

TEST_P(LogStoreContract, ABatchLargerThanASegmentIsReadBack) {
  const auto entries = make_entries(at(1, 1), Index(60), 2'000);
  append_synced({{}, make_hard_state(Term(1), NodeId(1)), entries});
  EXPECT_EQ(store().read(Index(1), Index(60), unlimited).value(), entries);
  reopen();
  EXPECT_EQ(store().read(Index(1), Index(60), unlimited).value(), entries);
  EXPECT_EQ(store().recovered().hard_state, make_hard_state(Term(1), NodeId(1)));
}

TEST_P(LogStoreContract, APurgeKeepsWhatIsAboveAndTheStateInForce) {
  append_synced({{}, make_hard_state(Term(2), NodeId(3)), {make_config(at(1, 1), "first")}});
  for (std::uint64_t i = 2; i <= 200; i += 3) {
    append_synced({{}, {}, make_entries(at(2, i), Index(i + 2), 500)});
  }
  ASSERT_TRUE(store().purge(Index(150)).has_value());
  EXPECT_EQ(store().read(Index(1), Index(1), 1).error().code, Code::not_found);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(store().last(), Index(202)) << round;
    EXPECT_EQ(store().read(Index(151), Index(202), unlimited).value().size(), 52u);
    reopen();
    const LogRecovered& found = store().recovered();
    EXPECT_EQ(found.hard_state, make_hard_state(Term(2), NodeId(3)));
    EXPECT_EQ(found.purged.term, Term(2));
    EXPECT_GT(found.purged.index, Index(1));
    EXPECT_LE(found.purged.index, Index(150));
    EXPECT_EQ(found.config_at_purge, make_config(at(1, 1), "first"));
    EXPECT_TRUE(found.config_entries.empty());
    EXPECT_EQ(found.runs, (std::vector<LogTermRun>{{found.purged.index + 1, Term(2)}}));
  }
}

// Purging must give space back: a log of bounded content has a bounded size.
TEST_P(LogStoreContract, PurgingBoundsTheSize) {
  std::uint64_t size_bytes_max = 0;
  for (std::uint64_t i = 1; i <= 300; ++i) {
    append_synced({{}, {}, make_entries(at(1, i), Index(i), 1'000)});
    if (i > 20) {
      ASSERT_TRUE(store().purge(Index(i - 10)).has_value());
    }
    size_bytes_max = std::max(size_bytes_max, store().size_bytes());
  }
  EXPECT_LT(size_bytes_max, 200'000u);
}

TEST_P(LogStoreContract, AResetDropsAllAndGoesOnBehindTheSnapshot) {
  append_synced({{}, make_hard_state(Term(2), NodeId(3)), {make_config(at(1, 1), "old")}});
  for (std::uint64_t i = 2; i <= 60; i += 2) {
    append_synced({{}, {}, make_entries(at(2, i), Index(i + 1), 1'000)});
  }
  // Behind the end, between entries that a leader of a later term has replaced, and at the start.
  for (const LogId point : {at(3, 500), at(4, 540), at(5, 541)}) {
    SCOPED_TRACE(point.index.value);
    const Entry config = make_config(at(3, 400), "new");
    append_synced({{}, {}, {}, LogReset{point, config}});
    for (int round = 0; round < 2; ++round) {
      EXPECT_EQ(store().last(), point.index);
      EXPECT_EQ(store().read(point.index, point.index, 1).error().code, Code::not_found);
      EXPECT_EQ(store().read(Index(3), Index(4), 1).error().code, Code::not_found);
      reopen();
      const LogRecovered& found = store().recovered();
      EXPECT_EQ(found.purged, point);
      EXPECT_EQ(found.last, point.index);
      EXPECT_EQ(found.hard_state, make_hard_state(Term(2), NodeId(3))) << "it outlives a reset";
      EXPECT_EQ(found.config_at_purge, config);
      EXPECT_TRUE(found.config_entries.empty());
      EXPECT_TRUE(found.runs.empty());
    }
    const auto fresh = make_entries({point.term, point.index + 1}, point.index + 50, 700);
    append_synced({{}, {}, fresh});
    EXPECT_EQ(store().read(point.index + 1, point.index + 50, unlimited).value(), fresh);
  }
}

TEST_P(LogStoreContract, AResetTakesItsHardStateAndEntriesAlong) {
  append_synced({{}, make_hard_state(Term(2), NodeId(3)), make_entries(at(2, 1), Index(9), 3'000)});
  const auto fresh = make_entries(at(7, 21), Index(23), 100);
  append_synced({{}, make_hard_state(Term(8), NodeId(1)), fresh, LogReset{at(6, 20), {}}});
  reopen();
  EXPECT_EQ(store().recovered().hard_state, make_hard_state(Term(8), NodeId(1)));
  EXPECT_EQ(store().recovered().purged, at(6, 20));
  EXPECT_EQ(store().recovered().runs, (std::vector<LogTermRun>{{Index(21), Term(7)}}));
  EXPECT_FALSE(store().recovered().config_at_purge.has_value());
  EXPECT_EQ(store().read(Index(21), Index(23), unlimited).value(), fresh);
}

TEST_P(LogStoreContract, AResetGivesTheSpaceBack) {
  append_synced({{}, {}, make_entries(at(1, 1), Index(100), 2'000)});
  EXPECT_GT(store().size_bytes(), 150'000u);
  append_synced({{}, {}, {}, LogReset{at(1, 200), {}}});
  EXPECT_LT(store().size_bytes(), 40'000u);
}

// Goal: a cap of bytes can be kept by purging, and says no more than it needs.
TEST_P(LogStoreContract, AByteCapNamesWhatToPurge) {
  EXPECT_EQ(store().purge_for(0), Index(0));
  for (std::uint64_t i = 1; i <= 120; i += 2) {
    append_synced({{}, {}, make_entries(at(1, i), Index(i + 1), 1'000)});
  }
  EXPECT_EQ(store().purge_for(store().size_bytes()), Index(0));
  Index before;
  for (const std::uint64_t cap : {100'000u, 70'000u, 40'000u}) {
    SCOPED_TRACE(cap);
    ASSERT_GT(store().size_bytes(), cap);
    const Index through = store().purge_for(cap);
    ASSERT_GT(through, before);
    ASSERT_LT(through, store().last());
    ASSERT_TRUE(store().purge(through - 1).has_value());
    EXPECT_GT(store().size_bytes(), cap) << "less would not have been enough";
    ASSERT_TRUE(store().purge(through).has_value());
    EXPECT_LE(store().size_bytes(), cap);
    EXPECT_EQ(store().purge_for(cap), through) << "nothing more has to go";
    EXPECT_TRUE(store().read(through + 1, store().last(), unlimited).has_value());
    before = through;
  }
  EXPECT_LE(store().purge_for(0), store().last());
}

LogBatch random_batch(Prng& prng, const MemoryLogStore& model, HardState& state) {
  LogBatch batch;
  Index next = model.last() + 1;
  const LogRecovered now = model.summary();
  if (prng.chance(1, 25)) {
    // Mostly behind the end, as a snapshot is; at times among entries of a dead leader.
    const std::uint64_t low =
        std::max(now.purged.index.value, model.last().value - model.last().value / 8);
    const LogId point{state.term, Index(prng.between(low, model.last().value + 40))};
    batch.reset = LogReset{std::max(point, now.purged), {}};
    if (prng.chance(1, 2)) batch.reset->config = make_config(batch.reset->purged, "at reset");
    next = batch.reset->purged.index + 1;
    state.term = std::max(state.term, batch.reset->purged.term);
    if (prng.chance(1, 2)) return batch;
  } else if (prng.chance(1, 8) && model.last() > now.purged.index) {
    batch.truncate_from = Index(prng.between(now.purged.index.value + 1, model.last().value));
    next = *batch.truncate_from;
    state.term = state.term.value == 0 ? Term(1) : Term(state.term.value + 1);
    state.vote.reset();
    batch.hard_state = state;
  } else if (prng.chance(1, 6)) {
    state = make_hard_state(Term(state.term.value + prng.below(2)), NodeId(1 + prng.below(5)));
    batch.hard_state = state;
  }
  if (batch.hard_state && prng.chance(1, 2)) return batch;
  const std::uint64_t count = 1 + prng.below(4);
  const std::size_t size_bytes = prng.below(prng.chance(1, 10) ? 6'000 : 300);
  batch.entries = make_entries({state.term, next}, next + (count - 1), size_bytes);
  if (prng.chance(1, 10)) {
    batch.entries.back() = make_config(batch.entries.back().id, std::to_string(next.value));
  }
  return batch;
}

// Whether a store that was just opened holds what the model would, opened now. Purging is by whole
// segments: the store may still hold what the model has purged.
bool agrees(const LogStore& store, const MemoryLogStore& model) {
  const LogRecovered& found = store.recovered();
  const LogRecovered expected = model.summary();
  if (found.hard_state != expected.hard_state || found.last != expected.last) return false;
  if (found.purged.index > expected.purged.index) return false;
  std::vector<Entry> configs = found.config_entries;
  std::erase_if(configs, [&](const Entry& e) { return e.id.index <= expected.purged.index; });
  if (configs != expected.config_entries) return false;
  if (found.last == expected.purged.index) return true;
  const auto entries = store.read(expected.purged.index + 1, found.last, unlimited);
  return entries && *entries == *model.read(expected.purged.index + 1, found.last, unlimited);
}

// Goal: a crash loses nothing that was synced, and leaves no hole and no mixture. Method: random
// batches, each smaller than a record; after a crash the store must agree with a model that has
// lost the last so many of those that were not synced.
TEST_P(LogStoreContract, ACrashLeavesWhatWasSyncedAndAPrefixOfTheRest) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SetUp();
    Prng prng(seed);
    MemoryLogStore model;
    HardState state;
    for (int step = 0; step < 120; ++step) {
      LogBatch batch = random_batch(prng, model, state);
      for (Entry& entry : batch.entries)
        entry.payload = entry.payload.slice(0, std::min<std::size_t>(entry.payload.size(), 2'000));
      ASSERT_TRUE(model.append(batch).has_value());
      ASSERT_TRUE(store().append(batch).has_value());
      if (prng.chance(1, 4)) {
        sync();
        model.sync([](Result<void>) {});
        const Index floor = model.summary().purged.index;
        if (prng.chance(1, 5) && model.last() > floor) {
          const Index through(prng.between(floor.value + 1, model.last().value));
          ASSERT_TRUE(store().purge(through).has_value());
          ASSERT_TRUE(model.purge(through).has_value());
        }
      }
      if (!prng.chance(1, 10)) continue;
      subject_->crash(prng);
      if (HasFatalFailure()) return;
      bool found = false;
      for (std::size_t kept = 0; kept <= model.pending() && !found; ++kept) {
        MemoryLogStore candidate = model;
        candidate.restart(kept);
        found = agrees(store(), candidate);
        if (found) model = candidate;
      }
      ASSERT_TRUE(found) << step;
      state = model.summary().hard_state;
      // What was recovered is durable.
      subject_->crash(prng);
      ASSERT_TRUE(agrees(store(), model)) << step;
    }
  }
}

// Goal: no sequence of operations makes a store differ from the model. Method: random batches,
// syncs, purges, reads and restarts against both.
TEST_P(LogStoreContract, RandomOperationsGiveWhatTheModelGives) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SetUp();
    Prng prng(seed);
    MemoryLogStore model;
    HardState state;
    for (int step = 0; step < 150; ++step) {
      const LogBatch batch = random_batch(prng, model, state);
      ASSERT_TRUE(model.append(batch).has_value());
      append_synced(batch);
      model.sync([](Result<void>) {});
      ASSERT_EQ(store().last(), model.last());
      const Index floor = model.summary().purged.index;
      if (model.last() > floor) {
        const Index lo(prng.between(floor.value + 1, model.last().value));
        const Index hi(prng.between(lo.value, model.last().value));
        const std::uint64_t bytes = prng.below(10'000);
        ASSERT_EQ(store().read(lo, hi, bytes).value(), model.read(lo, hi, bytes).value()) << step;
        if (prng.chance(1, 15)) {
          ASSERT_TRUE(store().purge(lo).has_value());
          ASSERT_TRUE(model.purge(lo).has_value());
        }
      }
      if (!prng.chance(1, 30)) continue;
      reopen();
      const LogRecovered& found = store().recovered();
      const LogRecovered expected = model.summary();
      ASSERT_EQ(found.hard_state, expected.hard_state) << step;
      ASSERT_EQ(found.last, expected.last) << step;
      ASSERT_LE(found.purged.index, expected.purged.index) << step;
      if (found.purged == expected.purged) {
        ASSERT_EQ(found.runs, expected.runs) << step;
      }
      std::vector<Entry> configs = found.config_entries;
      std::erase_if(configs, [&](const Entry& e) { return e.id.index <= expected.purged.index; });
      ASSERT_EQ(configs, expected.config_entries) << step;
    }
  }
}

}  // namespace
}  // namespace aspen::contract
