#include "tests/sim/wgl.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <numeric>
#include <random>

#include "node/base/prng.h"

namespace aspen::sim {
namespace {

using enum RegisterAction;

Operation write_of(std::uint64_t value, std::uint64_t invoked, std::uint64_t returned) {
  return {.action = write,
          .answer = Answer::done,
          .value = value,
          .invoked = invoked,
          .returned = returned};
}
Operation read_of(std::uint64_t seen, std::uint64_t invoked, std::uint64_t returned) {
  return {.action = read,
          .answer = Answer::done,
          .seen = seen,
          .invoked = invoked,
          .returned = returned};
}
Operation lost_write(std::uint64_t value, std::uint64_t invoked) {
  return {.action = write, .value = value, .invoked = invoked};
}
Operation swap_of(std::uint64_t expected, std::uint64_t value, std::uint64_t invoked,
                  std::uint64_t returned) {
  return {.action = cas,
          .answer = Answer::done,
          .value = value,
          .expected = expected,
          .invoked = invoked,
          .returned = returned};
}
Operation failed_swap(Operation swap, std::optional<std::uint64_t> seen) {
  swap.answer = Answer::mismatch;
  swap.seen = seen;
  return swap;
}

Linearizable judge(const std::vector<Operation>& history) {
  return check_linearizable(history).linearizable;
}

TEST(Wgl, AcceptsSequentialHistory) {
  EXPECT_EQ(judge({}), Linearizable::yes);
  EXPECT_EQ(judge({read_of(0, 1, 2), write_of(5, 3, 4), read_of(5, 5, 6)}), Linearizable::yes);
}

TEST(Wgl, RejectsStaleRead) {
  EXPECT_EQ(judge({write_of(5, 1, 2), read_of(0, 3, 4)}), Linearizable::no);
}

TEST(Wgl, RejectsReadsThatGoBack) {
  // Both reads overlap the write, but the second one follows the first.
  EXPECT_EQ(judge({write_of(5, 1, 10), read_of(5, 2, 3), read_of(0, 4, 5)}), Linearizable::no);
  EXPECT_EQ(judge({write_of(5, 1, 10), read_of(0, 2, 3), read_of(5, 4, 5)}), Linearizable::yes);
}

TEST(Wgl, TakesEqualTimesAsOverlapping) {
  EXPECT_EQ(judge({write_of(5, 1, 2), read_of(0, 2, 3)}), Linearizable::yes);
}

TEST(Wgl, LetsUnknownWriteHappenLateOrNever) {
  EXPECT_EQ(judge({lost_write(5, 1), read_of(0, 10, 11)}), Linearizable::yes);
  EXPECT_EQ(judge({lost_write(5, 1), read_of(0, 10, 11), read_of(5, 12, 13)}), Linearizable::yes);
  EXPECT_EQ(judge({lost_write(5, 1), read_of(5, 10, 11), read_of(0, 12, 13)}), Linearizable::no);
  EXPECT_EQ(judge({read_of(5, 1, 2), lost_write(5, 3)}), Linearizable::no);
}

TEST(Wgl, ChecksBothAnswersOfSwap) {
  EXPECT_EQ(judge({swap_of(0, 5, 1, 2), read_of(5, 3, 4)}), Linearizable::yes);
  EXPECT_EQ(judge({swap_of(7, 5, 1, 2)}), Linearizable::no);
  EXPECT_EQ(judge({swap_of(0, 5, 1, 2), swap_of(0, 6, 3, 4)}), Linearizable::no);
  EXPECT_EQ(judge({failed_swap(swap_of(0, 5, 1, 2), std::nullopt)}), Linearizable::no);
  EXPECT_EQ(judge({write_of(3, 1, 2), failed_swap(swap_of(0, 5, 3, 4), 3)}), Linearizable::yes);
  EXPECT_EQ(judge({write_of(3, 1, 2), failed_swap(swap_of(0, 5, 3, 4), 4)}), Linearizable::no);
}

TEST(Wgl, KeepsUnseenUnknownWriteThatBlindMismatchNeeds) {
  // Nobody saw 9, but only it explains why the swap failed.
  EXPECT_EQ(judge({lost_write(9, 1), failed_swap(swap_of(0, 5, 3, 4), std::nullopt)}),
            Linearizable::yes);
}

TEST(Wgl, UnknownSwapThatHappenedProvesWhatItExpected) {
  // 2 was seen, so the swap of 1 for 2 happened, so 1 was written, although nobody saw it.
  Operation lost_swap = swap_of(1, 2, 2, never);
  lost_swap.answer = Answer::unknown;
  EXPECT_EQ(judge({lost_write(1, 1), lost_swap, read_of(2, 3, 4)}), Linearizable::yes);
  EXPECT_EQ(judge({lost_swap, read_of(2, 3, 4)}), Linearizable::no);
}

TEST(Wgl, NamesRegisterAndBlockedOperations) {
  std::vector<Operation> history{write_of(5, 1, 2), read_of(5, 3, 4)};
  Operation stale = read_of(0, 5, 6);
  Operation other = write_of(8, 1, 2);
  other.key = stale.key = 4;
  history.push_back(other);
  history.push_back(stale);
  const WglVerdict verdict = check_linearizable(history);
  ASSERT_EQ(verdict.linearizable, Linearizable::no);
  EXPECT_EQ(verdict.key, 4U);
  ASSERT_FALSE(verdict.blocked.empty());
  EXPECT_EQ(to_string(verdict.blocked[0]), "client 0 reads of register 4, sees 0 [5, 6]");
}

TEST(Wgl, GivesUpUndecidedAtItsLimit) {
  std::vector<Operation> history;
  for (std::uint64_t i = 0; i < 30; ++i) history.push_back(write_of(1 + i % 2, 1, 1000));
  history.push_back(read_of(9, 1, 1000));
  EXPECT_EQ(check_linearizable(history, {.steps_max = 100}).linearizable, Linearizable::undecided);
}

// ---- against brute force

// Tries every order of every choice of which unknown operations happened.
bool brute_force(const std::vector<Operation>& history) {
  std::vector<std::size_t> order(history.size());
  std::iota(order.begin(), order.end(), 0U);
  do {
    std::uint64_t value = 0;
    bool fits = true;
    std::uint64_t latest_invoked = 0;
    for (std::size_t at = 0; fits && at < order.size(); ++at) {
      const Operation& o = history[order[at]];
      fits = o.returned >= latest_invoked;
      latest_invoked = std::max(latest_invoked, o.invoked);
      const bool equal = value == o.expected;
      if (o.answer == Answer::unknown) {
        // Last in an order is as good as never.
        if (o.action == write || (o.action == cas && equal)) value = o.value;
      } else if (o.action == read) {
        fits = fits && *o.seen == value;
      } else if (o.action == write) {
        value = o.value;
      } else if (o.answer == Answer::done) {
        fits = fits && equal;
        value = o.value;
      } else {
        fits = fits && !equal && (!o.seen || *o.seen == value);
      }
    }
    if (fits) return true;
  } while (std::next_permutation(order.begin(), order.end()));
  return false;
}

enum class Values : std::uint8_t { unique, repeated };

Operation any_operation(Prng& prng, std::uint64_t number, Values values) {
  Operation o;
  o.client = number;
  o.action = static_cast<RegisterAction>(prng.below(3));
  o.value = values == Values::unique ? number + 1 : 1 + prng.below(2);
  o.expected = prng.below(4);
  o.invoked = prng.below(12);
  if (o.action != read && prng.chance(1, 4)) return o;
  o.returned = o.invoked + prng.below(8);
  o.answer = o.action == cas && prng.chance(1, 2) ? Answer::mismatch : Answer::done;
  if (o.action == read || (o.answer == Answer::mismatch && prng.chance(3, 4))) {
    o.seen = prng.below(4);
  }
  return o;
}

TEST(Wgl, AgreesWithBruteForceOnRandomHistories) {
  const std::uint64_t seed = std::random_device{}();
  std::cout << "seed " << seed << "\n";
  Prng prng(seed);
  int yes = 0;
  constexpr int rounds = 60'000;
  for (int round = 0; round < rounds; ++round) {
    const auto values = round % 2 == 0 ? Values::unique : Values::repeated;
    std::vector<Operation> history;
    const std::uint64_t count = 1 + prng.below(6);
    for (std::uint64_t i = 0; i < count; ++i) history.push_back(any_operation(prng, i, values));
    const bool expected = brute_force(history);
    yes += expected ? 1 : 0;
    if (judge(history) == (expected ? Linearizable::yes : Linearizable::no)) continue;
    for (const Operation& o : history) ADD_FAILURE() << to_string(o);
    FAIL() << "seed " << seed << ", round " << round << ", brute force says " << expected;
  }
  EXPECT_GT(yes, rounds / 20);
  EXPECT_LT(yes, rounds * 19 / 20);
}

}  // namespace
}  // namespace aspen::sim
