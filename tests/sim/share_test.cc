// A share of the simulator in every test run, with other seeds each time.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <random>

#include "tests/sim/runner.h"

namespace aspen::sim {
namespace {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// As many fresh seeds as fit into the budget (ASPEN_SIM_SECONDS of real time, ASPEN_SIM_SEEDS at
// most) are clean.
TEST(Simulator, FreshSeedsAreClean) {
  BatchOptions options;
  options.first =
      from_environment("ASPEN_SIM_FIRST", 1'000'000 + std::random_device{}() % 1'000'000'000);
  options.seeds = from_environment("ASPEN_SIM_SEEDS", 2000);
  options.budget_s = static_cast<double>(from_environment("ASPEN_SIM_SECONDS", 60));
  std::cout << "seeds from " << options.first << "\n";
  const BatchResult result = run_batch(options);
  std::cout << table_of(result, options);
  EXPECT_GT(result.seeds, 0U);
  if (!result.failure) return;
  FAIL() << "seed " << result.failure->seed << " violates: " << result.failure->check << "\n  "
         << result.failure->text
         << "\nreplay: " << replay_command(result.failure->seed, options.run);
}

TEST(Simulator, StormyAndCalmSeedsAreClean) {
  for (const Profile profile : {Profile::storm, Profile::calm}) {
    BatchOptions options;
    options.run.profile = profile;
    options.run.horizon = 20 * second;
    options.first = 1 + std::random_device{}() % 1'000'000'000;
    options.seeds = 20;
    options.budget_s = 10;
    const BatchResult result = run_batch(options);
    ASSERT_FALSE(result.failure) << replay_command(result.failure->seed, options.run) << ": "
                                 << result.failure->check << ": " << result.failure->text;
  }
}

TEST(Simulator, SameSeedTakesSameCourse) {
  const RunOptions options{.horizon = 20 * second};
  std::uint64_t previous = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const Report once = run_seed(seed, options);
    const Report again = run_seed(seed, options);
    EXPECT_EQ(once.trace_hash, again.trace_hash) << "seed " << seed;
    EXPECT_EQ(once.counters.events, again.counters.events) << "seed " << seed;
    EXPECT_NE(once.trace_hash, previous) << "two seeds took one course";
    previous = once.trace_hash;
  }
}

// Every family of faults and every kind of end really occurs.
TEST(Simulator, SeedsCoverFaultsAndEnds) {
  Counters sum;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    sum.add(run_seed(seed, {.horizon = 10 * second}).counters);
  }
  EXPECT_GT(sum.writes_done, 1000U);
  EXPECT_GT(sum.reads_done, 1000U);
  EXPECT_GT(sum.refused, 100U);
  EXPECT_GT(sum.unknown, 10U);
  EXPECT_GT(sum.elections, 60U);
  EXPECT_GT(sum.crashes, 50U);
  EXPECT_GT(sum.crashes_with_loss, 5U);
  EXPECT_GT(sum.pauses, 10U);
  EXPECT_GT(sum.cuts, 10U);
  EXPECT_GT(sum.stalls, 10U);
  EXPECT_GT(sum.purges, 10U);
  EXPECT_GT(sum.changes, 50U);
  EXPECT_GT(sum.changes_refused, 20U);
  EXPECT_GT(sum.removed, 5U);
  EXPECT_GT(sum.transfers, 5U);
  EXPECT_GT(sum.lost_disks, 2U);
  EXPECT_GT(sum.snapshots, 10U);
}

}  // namespace
}  // namespace aspen::sim
