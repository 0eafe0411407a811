// Reader and LogReader alone: scans that end early, and reads of the log that are asked for often.
#include "node/replica/reader.h"

#include <gtest/gtest.h>

#include "node/actor/sim_system.h"
#include "node/kv/command.h"
#include "node/kv/store.h"
#include "node/replica/log_reader.h"
#include "node/replica/log_reads.h"
#include "tests/contract/memory_log_store.h"
#include "tests/contract/memory_state_store.h"
#include "tests/replica/probe.h"
#include "tests/replica/sim_cluster.h"

namespace aspen::replica {
namespace {

using std::chrono::seconds;

// A clock on which each look takes a second.
class HastyClock final : public Clock {
 public:
  [[nodiscard]] Instant now() const noexcept override { return now_ = now_ + seconds(1); }
  [[nodiscard]] WallTime wall() const noexcept override { return {}; }

 private:
  mutable Instant now_{};
};

void fill(StateStore& state, std::uint64_t keys) {
  kv::Store store = kv::Store::open(state).value();
  for (std::uint64_t i = 1; i <= keys; ++i) {
    kv::PutRequest put;
    put.key = "key" + std::to_string(i);
    const Entry entry{LogId{Term(1), Index(i)}, EntryKind::command,
                      kv::encode_command({{1, i}, 0}, Bytes(kv::encode_request(put)).view())};
    ASSERT_TRUE(store.apply(std::span(&entry, 1)).has_value());
  }
}

struct ReaderLaw : testing::Test {
  void SetUp() override { fill(state, keys); }
  void hash(Instant deadline) {
    const kv::Revision revision = kv::Store::open(state).value().revision();
    ReadResponder responder =
        ReadResponder::calling([this](Result<ReadReply>&& reply) { answer = std::move(reply); });
    told(reader.tell(ScanRead{state.snapshot(),
                              {HashRead{}, std::move(responder), deadline},
                              ReplyHeader{ClusterId(1), NodeId(1), revision, Term(1)}}));
  }

  static constexpr std::uint64_t keys = 5000;
  contract::MemoryStateStore state;
  HastyClock clock;
  NullTelemetry telemetry;
  actor::SimSystem system;
  actor::Ref<ReaderProtocol> reader =
      system.spawn<Reader>({}, Reader::Parts{clock, telemetry}).value();
  std::optional<Result<ReadReply>> answer;
};

TEST_F(ReaderLaw, AScanInTimeIsAnswered) {
  hash(Instant::never());
  system.run_until_idle();
  ASSERT_TRUE(answer.has_value());
  EXPECT_TRUE(answer->has_value());
}

// Method: each look at the clock takes a second, and there is one look in a few hundred steps.
TEST_F(ReaderLaw, AScanEndsSoonAfterItsDeadline) {
  hash(clock.now() + seconds(8));
  system.run_until_idle();
  ASSERT_TRUE(answer.has_value());
  ASSERT_FALSE(answer->has_value());
  EXPECT_EQ(answer->error().code, Code::deadline_before_send);
  EXPECT_LT(clock.now(), Instant{} + seconds(20));
}

TEST_F(ReaderLaw, AScanWhoseDeadlinePassedInTheQueueIsNotExecuted) {
  hash(Instant{});
  system.run_until_idle();
  ASSERT_TRUE(answer.has_value());
  ASSERT_FALSE(answer->has_value());
  EXPECT_LE(clock.now(), Instant{} + seconds(3));
}

raft::AppendSpec spec(std::uint64_t lo, std::uint64_t hi, std::uint64_t commit) {
  return {Term(2), LogId{Term(1), Index(lo - 1)}, Index(lo), Index(hi), Term(1), Index(commit), {}};
}

// Goal: what a lagging follower's leader asks for at every heartbeat is read once.
TEST(LogReads, TheSameEntriesAreReadOnceAndSentWithTheNewestCommitIndex) {
  LogReads reads;
  EXPECT_TRUE(reads.begin(NodeId(2), spec(5, 9, 10), Instant{}));
  EXPECT_FALSE(reads.begin(NodeId(2), spec(5, 9, 20), Instant{}));
  EXPECT_TRUE(reads.begin(NodeId(2), spec(10, 19, 20), Instant{}));
  EXPECT_TRUE(reads.begin(NodeId(3), spec(5, 9, 20), Instant{}));
  EXPECT_EQ(reads.finish(NodeId(2), spec(5, 9, 10)), spec(5, 9, 20));
  EXPECT_EQ(reads.finish(NodeId(2), spec(5, 9, 10)), std::nullopt);
  EXPECT_TRUE(reads.begin(NodeId(2), spec(5, 9, 30), Instant{}));
}

TEST(LogReads, AreBoundedAndALostOneIsForgotten) {
  LogReads reads;
  for (std::uint64_t i = 1; i <= limits::log_reads_per_peer_max; ++i) {
    EXPECT_TRUE(reads.begin(NodeId(2), spec(i, i, 1), Instant{}));
  }
  EXPECT_FALSE(reads.begin(NodeId(2), spec(1000, 1000, 1), Instant{}));
  EXPECT_TRUE(reads.begin(NodeId(2), spec(1000, 1000, 1), Instant{} + seconds(60)));
}

TEST(LogReader, AnswersWithWhatIsThereAndWithNothingIfThatIsGone) {
  actor::SimSystem system;
  Told noted;
  const auto raft = system.spawn<Probe>({}, std::ref(noted)).value();
  auto log = std::make_shared<contract::MemoryLogStore>();
  LogBatch batch;
  for (std::uint64_t i = 1; i <= 9; ++i) {
    batch.entries.push_back({LogId{Term(1), Index(i)}, EntryKind::blank, {}});
  }
  told(log->append(batch));
  const auto reader = system.spawn<LogReader>({}, LogReader::Parts{log, raft, 7}).value();
  const PeerId to{NodeId(2), {}};
  told(reader.tell(ReadLog{to, spec(5, 9, 1)}));
  told(reader.tell(ReadLog{to, spec(8, 12, 1)}));
  system.run_until_idle();
  ASSERT_EQ(noted.read.size(), 2U);
  EXPECT_EQ(noted.read[0].entries.size(), 5U);
  EXPECT_EQ(noted.read[0].boot, 7U);
  EXPECT_TRUE(noted.read[1].entries.empty());
  EXPECT_EQ(noted.read[1].spec, spec(8, 12, 1));
}

}  // namespace
}  // namespace aspen::replica
