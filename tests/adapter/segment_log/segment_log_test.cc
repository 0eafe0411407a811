// What the contract does not say: readers beside the writer, memory, options.
#include "node/adapter/segment_log/segment_log.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "node/adapter/posix/file_system.h"
#include "tests/adapter/segment_log/segment_log_subject.h"
#include "tests/contract/log_store_samples.h"
#include "tests/contract/sim_file_system.h"
#include "tests/support/temporary_folder.h"

namespace aspen::adapter::segment_log {
namespace {

using contract::make_entries;
using contract::SimFileSystem;

// Goal: reads are right while the writer appends, truncates, purges, resets and files get a new
// life. Method: payloads tell their index; readers check what they get. TSan watches.
TEST(SegmentLog, ReadersRunBesideTheWriter) {
  // The machine's files: the lock of simulated ones would order what must not need it.
  const support::TemporaryFolder directory;
  posix::PosixFileSystem files;
  auto log = SegmentLog::open(files, small_options(directory.path() + "/log"));
  ASSERT_TRUE(log.has_value());
  std::atomic<std::uint64_t> newest = 0;
  std::atomic<std::uint64_t> reads = 0;
  std::atomic<bool> stop = false;
  const auto reader = [&](std::uint64_t back) {
    while (!stop) {
      const std::uint64_t at = newest.load();
      if (at <= back) continue;
      const auto got = (*log)->read(Index(at - back), Index(at), 4'000);
      if (!got) {
        EXPECT_EQ(got.error().code, Code::not_found) << got.error().what;
        continue;
      }
      for (std::size_t i = 0; i < got->size(); ++i) {
        const Entry& entry = got->at(i);
        ASSERT_EQ(entry.id.index, Index(at - back + i));
        ASSERT_EQ(entry, make_entries(entry.id, entry.id.index, 700).front());
      }
      reads += 1;
    }
  };
  std::thread near(reader, 5);
  std::thread far(reader, 40);
  std::uint64_t reset_at = 0;
  for (std::uint64_t i = 1; i <= 1'500 || reads < 100; ++i) {
    const LogId id{Term(1 + i / 50), Index(i)};
    // Every tenth entry replaces the one before it as well.
    LogBatch batch{{}, {}, make_entries(id, id.index, 700)};
    if (i % 10 == 0)
      batch = {id.index - 1, {}, make_entries({id.term, id.index - 1}, id.index, 700)};
    ASSERT_TRUE((*log)->append(batch).has_value());
    newest = i;
    if (i % 10 != 0) continue;
    (*log)->sync([](Result<void> done) { ASSERT_TRUE(done.has_value()); });
    if (i > 100) {
      ASSERT_TRUE((*log)->purge(Index(i - 30)).has_value());
    }
    if (i % 200 != 0 || i == reset_at) continue;
    // What it drops is written again, so that readers ask for it all the while.
    reset_at = i;
    i -= 20;
    const LogReset reset{{Term(1 + i / 50), Index(i)}, {}};
    ASSERT_TRUE((*log)->append({{}, {}, {}, reset}).has_value());
    (*log)->sync([](Result<void> done) { ASSERT_TRUE(done.has_value()); });
  }
  stop = true;
  near.join();
  far.join();
}

TEST(SegmentLog, ASpareIsReadyBeforeItIsNeeded) {
  SimFileSystem files;
  SegmentLogOptions options = small_options("log");
  auto log = SegmentLog::open(files, options);
  ASSERT_TRUE(log.has_value());
  // The helper thread makes them without being asked.
  std::size_t spares = 0;
  while (spares < limits::log_spares_ready) {
    spares = 0;
    const std::vector<std::string> names = files.list("log").value();
    for (const std::string& name : names) {
      spares += SegmentPool::owns(name) && !name.ends_with(".new") ? 1 : 0;
    }
    std::this_thread::yield();
  }
}

// Segments of another size that a purge sets free must not become segments of the new size: each
// round purges what the one before wrote, and uses what the purge gave back.
TEST(SegmentLog, AnotherSegmentSizeHoldsForNewSegments) {
  SimFileSystem files;
  SegmentLogOptions options = small_options("log");
  options.preparation = Preparation::in_line;
  Index purged;
  for (std::uint64_t size : {16u, 64u, 64u, 32u, 16u, 16u}) {
    SCOPED_TRACE(size);
    options.segment_bytes = size * 1024 + 5;  // rounded down to whole blocks
    LogDamage damage;
    auto log = SegmentLog::open(files, options, &damage);
    ASSERT_TRUE(log.has_value()) << log.error().what << "; " << describe(damage);
    const Index before = (*log)->last();
    if (before > purged + 40) {
      ASSERT_TRUE((*log)->purge(before - 3).has_value());
      purged = before - 3;
    }
    for (int i = 0; i < 60; ++i) {
      const LogId id{Term(1), (*log)->last() + 1};
      ASSERT_TRUE((*log)->append({{}, {}, make_entries(id, id.index, 2'000)}).has_value());
    }
    (*log)->sync([](Result<void> done) { ASSERT_TRUE(done.has_value()); });
    const auto all = (*log)->read(purged + 1, (*log)->last(), UINT64_MAX);
    ASSERT_EQ(all.value().size(), (*log)->last().value - purged.value);
  }
  options.segment_bytes = 8 * 1024;
  EXPECT_EQ(SegmentLog::open(files, options).error().code, Code::invalid_argument);
}

// The largest entry that a request can make, in the smallest segments that are meant for it.
TEST(SegmentLog, TheLargestEntryFits) {
  SimFileSystem files;
  SegmentLogOptions options = small_options("log");
  options.preparation = Preparation::in_line;
  options.segment_bytes = 16 * 1024 * 1024;
  auto log = SegmentLog::open(files, options);
  ASSERT_TRUE(log.has_value());
  const Bytes payload(std::string(limits::entry_bytes_max, 'x'));
  std::vector<Entry> entries;
  for (std::uint64_t i = 1; i <= 20; ++i) {
    entries.push_back({{Term(1), Index(i)}, EntryKind::command, payload});
  }
  ASSERT_TRUE((*log)->append({{}, {}, entries}).has_value());
  EXPECT_EQ((*log)->read(Index(1), Index(20), UINT64_MAX).value(), entries);
}

}  // namespace
}  // namespace aspen::adapter::segment_log
