// The Applier alone: deadlines of those who wait, and the length of its turns.
#include "node/replica/applier.h"

#include <gtest/gtest.h>

#include "node/actor/sim_system.h"
#include "node/kv/command.h"
#include "node/replica/reader.h"
#include "tests/contract/memory_log_store.h"
#include "tests/contract/memory_state_store.h"
#include "tests/replica/probe.h"
#include "tests/replica/sim_cluster.h"

namespace aspen::replica {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct ApplierLaw : testing::Test {
  ApplierLaw() {
    raft = system.spawn<Probe>({}, std::ref(noted)).value();
    actor::ChildOptions options;
    options.mailbox_capacity = limits::replica_mailbox_max;
    reader = system.spawn<Reader>(options, Reader::Parts{world, telemetry}).value();
    applier =
        system
            .spawn<Applier>(options,
                            Applier::Parts{log, state, raft, boot, reader, world, fatal, telemetry,
                                           [] { return UINT64_MAX; }, ClusterId(1), NodeId(1)})
            .value();
    world.run_until_idle();
  }

  // Puts at indexes 1 to `count`, in the log and committed.
  void commit(std::uint64_t count, std::vector<Waiting> waiting = {}) {
    LogBatch batch;
    for (std::uint64_t i = 1; i <= count; ++i) {
      kv::PutRequest put;
      put.key = "key" + std::to_string(i);
      batch.entries.push_back(
          {LogId{Term(1), Index(i)}, EntryKind::command,
           kv::encode_command({{boot, i}, 0}, Bytes(kv::encode_request(put)).view())});
    }
    told(log->append(batch));
    told(applier.tell(ApplyCommitted{{Index(), Index(count), {}}, std::move(waiting), Term(1)}));
  }
  Waiting waiting(std::uint64_t index, Duration timeout) {
    return {Index(index), CommandResponder::calling([this](Result<CommandReply>&& reply) {
              answers.push_back(reply ? Code::ok : reply.error().code);
            }),
            world.now() + timeout, false};
  }
  PendingRead read(Duration timeout) {
    kv::RangeRequest request;
    request.key = "key1";
    return {request, ReadResponder::calling([this](Result<ReadReply>&& reply) {
              answers.push_back(reply ? Code::ok : reply.error().code);
            }),
            world.now() + timeout};
  }
  void execute(Index index, std::vector<PendingRead> reads) {
    told(applier.tell(ExecuteReads{index, std::move(reads), Term(1), nullptr}));
  }
  template <class... R>
  std::vector<PendingRead> list(R... reads) {
    std::vector<PendingRead> all;
    (all.push_back(std::move(reads)), ...);
    return all;
  }

  static constexpr std::uint64_t boot = 9;
  std::vector<Code> answers;  // outlives the system, whose end answers
  actor::SimWorld world{5};
  actor::SimSystem system{{.seed = 5}, world};
  std::shared_ptr<contract::MemoryLogStore> log = std::make_shared<contract::MemoryLogStore>();
  contract::MemoryStateStore state;
  RecordedFatal fatal;
  NullTelemetry telemetry;
  Told noted;
  actor::Ref<RaftProtocol> raft;
  actor::Ref<ReaderProtocol> reader;
  actor::Ref<ApplierProtocol> applier;
};

// Goal: a store without room keeps nobody beyond his deadline, and what waits is worked off later.
TEST_F(ApplierLaw, WhoWaitsForAStoreWithoutRoomIsAnsweredAtHisDeadline) {
  state.set_write_error(Error{Code::no_space, "full"});
  std::vector<Waiting> writers;
  writers.push_back(waiting(1, seconds(2)));
  writers.push_back(waiting(2, seconds(60)));
  commit(2, std::move(writers));
  execute(Index(2), list(read(seconds(1)), read(seconds(60))));
  world.run_for(milliseconds(900));
  EXPECT_TRUE(answers.empty());
  world.run_for(milliseconds(300));
  EXPECT_EQ(answers, (std::vector<Code>{Code::deadline_before_send}));
  world.run_for(seconds(1));
  EXPECT_EQ(answers, (std::vector<Code>{Code::deadline_before_send, Code::timed_out}));
  state.set_write_error(std::nullopt);
  world.run_for(seconds(1));
  EXPECT_EQ(answers,
            (std::vector<Code>{Code::deadline_before_send, Code::timed_out, Code::ok, Code::ok}));
  EXPECT_TRUE(fatal.errors.empty());
}

TEST_F(ApplierLaw, ReadsBeyondTheBoundAreRefused) {
  for (std::size_t i = 0; i < limits::requests_pending_max; ++i) {
    execute(Index(1), list(read(seconds(60))));
    if (i % 1024 == 0) world.run_until_idle();
  }
  world.run_until_idle();
  EXPECT_TRUE(answers.empty());
  execute(Index(1), list(read(seconds(60))));
  world.run_until_idle();
  EXPECT_EQ(answers, (std::vector<Code>{Code::overloaded}));
}

// Goal: whatever is committed at once, reads and reports have their turns meanwhile.
TEST_F(ApplierLaw, ALongRangeIsAppliedInManyTurns) {
  commit(20 * 1024);
  execute(Index(1), list(read(seconds(60))));
  std::uint64_t written_at_answer = 0;
  while (answers.empty()) {
    ASSERT_TRUE(world.step());
    written_at_answer = state.writes();
  }
  EXPECT_LE(written_at_answer, 2 * limits::apply_batches_per_turn_max);
  world.run_for(seconds(1));
  ASSERT_FALSE(noted.applied.empty());
  EXPECT_EQ(noted.applied.back().applied, Index(20 * 1024));
  EXPECT_EQ(noted.applied.back().boot, boot);
}

}  // namespace
}  // namespace aspen::replica
