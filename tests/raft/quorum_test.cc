#include "node/raft/quorum.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <vector>

#include "node/base/prng.h"
#include "tests/raft/cluster.h"

namespace aspen::raft {
namespace {

// Goal: the tally equals its definition. Method: every assignment of {none, yes, no} to up to seven
// voters, compared with counting over all ways in which the missing answers could come.
TEST(Quorum, TallyEqualsBruteForce) {
  for (std::uint64_t n = 1; n <= 7; ++n) {
    const Quorum quorum(voters(n));
    std::uint64_t cases = 1;
    for (std::uint64_t i = 0; i < n; ++i) cases *= 3;
    for (std::uint64_t code = 0; code < cases; ++code) {
      std::vector<Ballot> ballots;
      std::uint64_t yes = 0;
      std::uint64_t missing = 0;
      for (std::uint64_t i = 0, rest = code; i < n; ++i, rest /= 3) {
        if (rest % 3 == 0) ++missing;
        if (rest % 3 == 1) ++yes;
        if (rest % 3 != 0) ballots.push_back({NodeId(i + 1), rest % 3 == 1});
      }
      VoteResult expected = VoteResult::pending;
      if (2 * yes > n) expected = VoteResult::won;
      if (2 * (yes + missing) <= n) expected = VoteResult::lost;
      ASSERT_EQ(quorum.tally(ballots), expected) << n << " voters, case " << code;
    }
  }
}

// The largest value such that more than half of the voters have reached it.
TEST(Quorum, ReachedEqualsBruteForce) {
  Prng dice(1);
  for (std::uint64_t n = 1; n <= 7; ++n) {
    const Quorum quorum(voters(n));
    for (int round = 0; round < 500; ++round) {
      std::vector<std::uint64_t> values(n);
      for (auto& value : values) value = dice.below(6);
      std::uint64_t expected = 0;
      for (std::uint64_t candidate = 0; candidate < 6; ++candidate) {
        const auto count = std::count_if(values.begin(), values.end(),
                                         [&](std::uint64_t v) { return v >= candidate; });
        if (2 * static_cast<std::uint64_t>(count) > n) expected = candidate;
      }
      ASSERT_EQ(quorum.reached([&](NodeId voter) { return values[voter.value - 1]; }), expected);
    }
  }
}

// Safety of everything: two majorities of one configuration share a voter.
TEST(Quorum, AnyTwoMajoritiesMeet) {
  for (std::uint64_t n = 1; n <= 7; ++n) {
    const Quorum quorum(voters(n));
    std::vector<std::uint64_t> winners;
    for (std::uint64_t set = 0; set < (1U << n); ++set) {
      std::vector<Ballot> ballots;
      for (std::uint64_t i = 0; i < n; ++i) {
        if ((set >> i & 1U) != 0) ballots.push_back({NodeId(i + 1), true});
      }
      if (quorum.tally(ballots) == VoteResult::won) winners.push_back(set);
    }
    for (std::uint64_t a : winners) {
      for (std::uint64_t b : winners) ASSERT_NE(a & b, 0U);
    }
  }
}

TEST(Quorum, LearnersAndStrangersDoNotCount) {
  Config config = voters(3);
  config.members[2].role = Role::learner;
  const Quorum quorum(config);
  EXPECT_FALSE(quorum.contains(NodeId(3)));
  EXPECT_EQ(quorum.tally({{NodeId(1), true}, {NodeId(3), true}, {NodeId(9), true}}),
            VoteResult::pending);
  EXPECT_EQ(quorum.tally({{NodeId(1), true}, {NodeId(2), true}}), VoteResult::won);
}

TEST(Quorum, NobodyDecidesWithoutVoters) {
  const Quorum quorum{Config{}};
  EXPECT_EQ(quorum.tally({{NodeId(1), true}}), VoteResult::pending);
  EXPECT_EQ(quorum.reached([](NodeId) { return 9U; }), 0U);
  EXPECT_FALSE(quorum.is_only(NodeId(1)));
  EXPECT_TRUE(Quorum(voters(1)).is_only(NodeId(1)));
}

}  // namespace
}  // namespace aspen::raft
