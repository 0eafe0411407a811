// Goal: a full disk refuses entries, not votes, and nothing has to be restarted when there is room
// again. Method: a capacity of the simulated file system.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "tests/adapter/segment_log/segment_log_subject.h"
#include "tests/contract/log_store_samples.h"
#include "tests/contract/sim_file_system.h"

namespace aspen::adapter::segment_log {
namespace {

using contract::make_entries;
using contract::make_hard_state;
using contract::SimFileSystem;

constexpr std::uint64_t segment = limits::log_segment_bytes_min;

SegmentLogOptions options(Preparation preparation) {
  SegmentLogOptions chosen = small_options("log");
  chosen.preparation = preparation;
  return chosen;
}

std::unique_ptr<SegmentLog> open(SimFileSystem& files, Preparation preparation) {
  auto log = SegmentLog::open(files, options(preparation));
  EXPECT_TRUE(log.has_value());
  return log ? std::move(*log) : nullptr;
}

Code append_entry(SegmentLog& log) {
  const LogId id{Term(1), log.last() + 1};
  const auto appended = log.append({{}, {}, make_entries(id, id.index, 1'000)});
  log.sync([](Result<void> done) { EXPECT_TRUE(done.has_value()); });
  return appended ? Code::ok : appended.error().code;
}

// Appends until the disk is full; gives the number of entries.
std::uint64_t fill(SegmentLog& log) {
  for (std::uint64_t i = 0; i < 1'000; ++i) {
    const Code code = append_entry(log);
    if (code == Code::ok) continue;
    EXPECT_EQ(code, Code::no_space);
    return i;
  }
  ADD_FAILURE() << "the disk never filled";
  return 0;
}

TEST(SegmentLogFullDisk, VotesAndReadsGoOnWhenEntriesAreRefused) {
  SimFileSystem files;
  files.set_capacity(4 * segment);
  auto log = open(files, Preparation::in_line);
  const std::uint64_t count = fill(*log);
  ASSERT_GT(count, 20u);
  // More votes than the rest of a segment holds: they use the one in reserve.
  for (std::uint64_t term = 2; term < 100; ++term) {
    ASSERT_TRUE(log->append({{}, make_hard_state(Term(term), NodeId(1)), {}}).has_value()) << term;
    log->sync([](Result<void> done) { ASSERT_TRUE(done.has_value()); });
  }
  EXPECT_EQ(log->read(Index(1), log->last(), UINT64_MAX).value().size(), count);
  EXPECT_EQ(append_entry(*log), Code::no_space);
  log.reset();
  log = open(files, Preparation::in_line);
  EXPECT_EQ(log->recovered().hard_state.term, Term(99));
  EXPECT_EQ(log->last(), Index(count));
}

TEST(SegmentLogFullDisk, ARefusedBatchLeavesNothingBehind) {
  SimFileSystem files;
  files.set_capacity(3 * segment);
  auto log = open(files, Preparation::in_line);
  const std::uint64_t count = fill(*log);
  // Larger than what is left, and than a segment.
  const LogId id{Term(1), log->last() + 1};
  const auto large = make_entries(id, id.index + 30, 1'000);
  const LogBatch batch{Index(count), make_hard_state(Term(7), NodeId(3)), large};
  LogBatch shifted = batch;
  shifted.entries = make_entries({Term(7), Index(count)}, Index(count + 30), 1'000);
  EXPECT_EQ(log->append(shifted).error().code, Code::no_space);
  EXPECT_EQ(log->last(), Index(count));
  log.reset();
  log = open(files, Preparation::in_line);
  EXPECT_EQ(log->last(), Index(count));
  EXPECT_EQ(log->recovered().hard_state, HardState{});
}

TEST(SegmentLogFullDisk, RoomMadeByAPurgeIsUsed) {
  SimFileSystem files;
  files.set_capacity(4 * segment);
  auto log = open(files, Preparation::in_line);
  for (int round = 0; round < 20; ++round) {
    fill(*log);
    ASSERT_TRUE(log->purge(log->last()).has_value());
    ASSERT_EQ(append_entry(*log), Code::ok) << round;
  }
}

TEST(SegmentLogFullDisk, RoomMadeElsewhereIsUsed) {
  SimFileSystem files;
  files.set_capacity(4 * segment);
  auto log = open(files, Preparation::in_line);
  fill(*log);
  files.set_capacity(8 * segment);
  EXPECT_EQ(append_entry(*log), Code::ok);
}

// The helper thread tries again by itself.
TEST(SegmentLogFullDisk, TheHelperThreadNoticesRoom) {
  SimFileSystem files;
  files.set_capacity(4 * segment);
  auto log = open(files, Preparation::background);
  fill(*log);
  files.set_capacity(8 * segment);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (append_entry(*log) == Code::no_space) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    std::this_thread::yield();
  }
}

TEST(SegmentLogFullDisk, SpaceIsKeptForOthers) {
  SimFileSystem files;
  files.set_capacity(10 * segment);
  SegmentLogOptions chosen = options(Preparation::in_line);
  chosen.keep_free_bytes = 6 * segment;
  auto log = SegmentLog::open(files, chosen);
  ASSERT_TRUE(log.has_value());
  fill(**log);
  EXPECT_GE(files.free_bytes("log").value(), 6 * segment);
}

TEST(SegmentLogFullDisk, ALogThatCannotBeginSaysSo) {
  SimFileSystem files;
  files.set_capacity(segment / 2);
  EXPECT_EQ(SegmentLog::open(files, options(Preparation::in_line)).error().code, Code::no_space);
  EXPECT_EQ(SegmentLog::open(files, options(Preparation::background)).error().code, Code::no_space);
  files.set_capacity(2 * segment);
  EXPECT_TRUE(SegmentLog::open(files, options(Preparation::in_line)).has_value());
}

}  // namespace
}  // namespace aspen::adapter::segment_log
