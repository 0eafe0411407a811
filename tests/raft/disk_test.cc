#include "node/raft/disk.h"

#include <gtest/gtest.h>

namespace aspen::raft {
namespace {

TEST(Disk, CompletionIsCumulative) {
  Disk disk(Index(3));
  EXPECT_EQ(disk.stable(), Index(3));
  const IoId first = disk.issue(Index(5));
  const IoId second = disk.issue(Index(5));  // a hard state alone
  const IoId third = disk.issue(Index(9));
  EXPECT_LT(first, second);
  disk.complete(second);
  EXPECT_EQ(disk.stable(), Index(5));
  disk.complete(third);
  EXPECT_EQ(disk.stable(), Index(9));
  disk.complete(first);  // late, and without effect
  EXPECT_EQ(disk.stable(), Index(9));
  EXPECT_EQ(disk.durable(), third);
}

// D2: a write that was issued before a truncation proves nothing of what was truncated, although
// the new log is as long as the old one was.
TEST(Disk, AWriteFromBeforeATruncationProvesOnlyWhatIsLeft) {
  Disk disk(Index(3));
  const IoId old = disk.issue(Index(10));
  EXPECT_TRUE(disk.truncate(Index(8)));
  const IoId renewed = disk.issue(Index(10));
  disk.complete(old);
  EXPECT_EQ(disk.stable(), Index(7));
  disk.complete(renewed);
  EXPECT_EQ(disk.stable(), Index(10));
}

TEST(Disk, TruncationLowersTheStableIndexAtOnce) {
  Disk disk(Index(10));
  EXPECT_FALSE(disk.truncate(Index(11)));  // never written
  EXPECT_TRUE(disk.truncate(Index(6)));
  EXPECT_EQ(disk.stable(), Index(5));
  EXPECT_EQ(disk.written(), Index(5));
}

}  // namespace
}  // namespace aspen::raft
