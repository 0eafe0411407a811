// The store against a naive model: every response, every error, every read at every revision, in
// batches of any size, with crashes, replays and physical deletion at any time.
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>

#include "node/adapter/rocksdb/rocksdb_state_store.h"
#include "tests/contract/memory_state_store.h"
#include "tests/kv/machine.h"
#include "tests/kv/model.h"
#include "tests/kv/random_requests.h"

namespace aspen::kv {
namespace {

using contract::MemoryStateStore;

void expect_same(const Result<Response>& got, const Result<Response>& expected) {
  ASSERT_EQ(got.has_value(), expected.has_value())
      << (got ? expected.error().what : got.error().what);
  if (!got) {
    EXPECT_EQ(got.error().code, expected.error().code);
    EXPECT_STREQ(got.error().what, expected.error().what);
    return;
  }
  EXPECT_EQ(*got, *expected);
}

Result<Response> as_response(Result<RangeResponse> range) {
  if (!range) return tl::unexpected(range.error());
  return Response(std::move(*range));
}

// Appends random requests, applies them in batches of random size, compares with the model.
void run_round(Machine& machine, Model& model, RandomRequests& requests) {
  std::vector<Result<Response>> expected;
  for (std::uint64_t i = 1 + requests.prng().below(12); i > 0; --i) {
    requests.around(model.compacted(), model.revision());
    const Request request = requests.any();
    machine.append(request);
    expected.push_back(model.apply(request));
  }
  const auto results = machine.apply_all(1 + requests.prng().below(8));
  ASSERT_EQ(results.size(), expected.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    SCOPED_TRACE("index " + std::to_string(results[i].id.index.value));
    EXPECT_EQ(results[i].origin, (Origin{7, results[i].id.index.value}));
    ASSERT_NO_FATAL_FAILURE(expect_same(results[i].response, expected[i]));
  }
  EXPECT_EQ(machine.store().revision(), model.revision());
  EXPECT_EQ(machine.store().compact_revision(), model.compacted());
  const Snapshot snapshot = machine.snapshot();
  for (int i = 0; i < 4; ++i) {
    const RangeRequest range = requests.range();
    ASSERT_NO_FATAL_FAILURE(
        expect_same(as_response(snapshot.range(range)), as_response(model.range(range))));
  }
}

TEST(Model, EveryResponseAndReadAgreesWithTheModel) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    MemoryStateStore state;
    Machine machine(state);
    Model model;
    RandomRequests requests{Prng(seed)};
    for (int round = 0; round < 20; ++round) {
      ASSERT_NO_FATAL_FAILURE(run_round(machine, model, requests));
      if (requests.prng().chance(1, 2)) {
        ASSERT_TRUE(machine.store().clean(1 + requests.prng().below(6)).has_value());
      }
    }
  }
}

// Goal: a crash at any time, then replay from what survived, ends in the same state as no crash.
// Method: two machines get the same log; one crashes, keeps a random prefix of its batches, cleans
// at random times.
TEST(Model, ReplayAfterAnyCrashGivesTheSameState) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    MemoryStateStore steady_state;
    MemoryStateStore state;
    Machine steady(steady_state);
    Machine machine(state);
    Model model;
    RandomRequests requests{Prng(seed)};
    Prng& prng = requests.prng();
    for (int round = 0; round < 15; ++round) {
      ASSERT_NO_FATAL_FAILURE(run_round(steady, model, requests));
      for (std::size_t i = machine.log().size(); i < steady.log().size(); ++i) {
        machine.append(steady.log()[i]);
      }
      machine.apply_all(1 + prng.below(5));
      if (prng.chance(1, 2)) {
        ASSERT_TRUE(machine.store().clean(1 + prng.below(6)).has_value());
      }
      if (prng.chance(1, 3)) state.flush_some(prng.below(state.unflushed() + 1));
      const LogId durable = *machine.store().applied_durable();
      if (prng.chance(1, 3)) {
        state.crash(prng.below(state.unflushed() + 1));
        machine.open();
        EXPECT_GE(machine.store().applied().index, durable.index);
        machine.apply_all(1 + prng.below(5));
      }
      EXPECT_EQ(machine.store().applied(), steady.store().applied());
      EXPECT_EQ(machine.hash(), steady.hash());
      EXPECT_EQ(*machine.snapshot().hash(), *steady.snapshot().hash());
      const Revision floor = std::max<Revision>(model.compacted(), 1);
      const auto span = static_cast<std::uint64_t>(model.revision() - floor + 1);
      const Revision any = floor + static_cast<Revision>(prng.below(span));
      EXPECT_EQ(machine.hash(any), steady.hash(any));
    }
  }
}

TEST(Model, RocksdbAgreesWithTheModelOverRestarts) {
  const std::string directory = testing::TempDir() + "aspen-kv-model-" + std::to_string(::getpid());
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::filesystem::remove_all(directory);
    adapter::rocksdb::RocksdbOptions options;
    options.directory = directory;
    options.memory_bytes = 32 * 1024 * 1024;
    options.on_close = adapter::rocksdb::RocksdbOptions::OnClose::abandon;
    MemoryStateStore steady_state;
    Machine steady(steady_state);
    Model model;
    RandomRequests requests{Prng(seed)};
    std::vector<Entry> log;
    for (int boot = 0; boot < 6; ++boot) {
      auto state = adapter::rocksdb::RocksdbStateStore::open(options);
      ASSERT_TRUE(state.has_value());
      Machine machine(**state);
      for (const Entry& entry : log) machine.append(entry);
      machine.apply_all(7);
      EXPECT_EQ(machine.hash(), steady.hash());
      for (int round = 0; round < 10; ++round) {
        ASSERT_NO_FATAL_FAILURE(run_round(steady, model, requests));
        for (std::size_t i = machine.log().size(); i < steady.log().size(); ++i) {
          machine.append(steady.log()[i]);
        }
        machine.apply_all(1 + requests.prng().below(20));
        ASSERT_TRUE(machine.store().clean(1 + requests.prng().below(6)).has_value());
        if (requests.prng().chance(1, 4)) {
          ASSERT_TRUE((*state)->flush().has_value());
        }
        const Snapshot snapshot = machine.snapshot();
        for (int i = 0; i < 4; ++i) {
          const RangeRequest range = requests.range();
          ASSERT_NO_FATAL_FAILURE(
              expect_same(as_response(snapshot.range(range)), as_response(model.range(range))));
        }
      }
      EXPECT_EQ(machine.hash(), steady.hash());
      log = machine.log();
    }
  }
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace aspen::kv
