// The simulator is judged by the mistakes it notices.
#include "tests/sim/mutants.h"

#include <gtest/gtest.h>

namespace aspen::sim {
namespace {

void expect_killed(const char* mutant, Insight insight) {
  const auto kill = kill_mutant(mutant, {.seeds = 1000, .insight = insight});
  ASSERT_TRUE(kill) << mutant << " is not noticed in 1,000 seeds";
  std::cout << mutant << ": seed " << kill->failure.seed << ", " << kill->failure.check << " "
            << kill->failure.text << "\n";
}

TEST(Mutants, VoteReplyBeforeFsyncIsNoticed) {
  expect_killed("vote_reply_before_fsync", Insight::full);
}

// Without looking at single messages: two votes, two leaders or a lost entry must show.
TEST(Mutants, VoteReplyBeforeFsyncIsNoticedFromOutside) {
  expect_killed("vote_reply_before_fsync", Insight::outside);
}

TEST(Mutants, CommitOfOlderTermIsNoticed) {
  expect_killed("commit_older_term", Insight::full);
}

// One of each sort: a membership, a transfer, a snapshot.
TEST(Mutants, MistakesOfChangesTransfersAndSnapshotsAreNoticed) {
  for (const char* mutant : {"joint_counts_the_union", "changes_overlap", "learner_counts",
                             "transfer_vote_refused", "snapshot_of_newest_config"}) {
    expect_killed(mutant, Insight::full);
  }
}

TEST(Mutants, CoreWithoutMistakeIsClean) {
  EXPECT_FALSE(kill_mutant("none", {.seeds = 100}));
}

}  // namespace
}  // namespace aspen::sim
