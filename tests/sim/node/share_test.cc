// A share of the whole node's simulator in every test run, with other seeds each time.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <random>

#include "tests/sim/node/faults.h"
#include "tests/sim/node/runner.h"

namespace aspen::sim::node {
namespace {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

std::string told(const Failure& failure, const RunOptions& options) {
  return "seed " + std::to_string(failure.seed) + " violates: " + failure.check + "\n  " +
         failure.text + "\nreplay: " + replay_command(failure.seed, options);
}

// As many fresh seeds as fit into the budget (ASPEN_SIM_SECONDS of real time, ASPEN_SIM_SEEDS at
// most) are clean.
TEST(NodeSimulator, FreshSeedsAreClean) {
  BatchOptions options;
  options.first =
      from_environment("ASPEN_SIM_FIRST", 1'000'000 + std::random_device{}() % 1'000'000'000);
  options.seeds = from_environment("ASPEN_SIM_SEEDS", 2000);
  options.budget_s = static_cast<double>(from_environment("ASPEN_SIM_SECONDS", 40));
  std::cout << "seeds from " << options.first << "\n";
  const BatchResult result = run_batch(options);
  std::cout << table_of(result, options);
  EXPECT_GT(result.seeds, 0U);
  if (result.failure) FAIL() << told(*result.failure, options.run);
}

TEST(NodeSimulator, StormySeedsAreClean) {
  BatchOptions options;
  options.run.profile = Profile::storm;
  options.run.horizon = 10 * second;
  options.first = 1 + std::random_device{}() % 1'000'000'000;
  options.seeds = 20;
  options.budget_s = 10;
  const BatchResult result = run_batch(options);
  if (result.failure) FAIL() << told(*result.failure, options.run);
}

TEST(NodeSimulator, SameSeedTakesSameCourse) {
  const RunOptions options{.horizon = 5 * second};
  std::uint64_t previous = 0;
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    const Report once = run_seed(seed, options);
    const Report again = run_seed(seed, options);
    EXPECT_EQ(once.trace_hash, again.trace_hash) << "seed " << seed;
    EXPECT_NE(once.trace_hash, previous) << "two seeds took one course";
    previous = once.trace_hash;
  }
}

TEST(NodeSimulator, RangesAreReadAsTheyAreWritten) {
  const std::set<std::uint64_t> numbers{1, 3, 4, 5, 9, 10};
  EXPECT_EQ(to_ranges(numbers), "1,3-5,9-10");
  EXPECT_EQ(parse_ranges("1,3-5,9-10"), numbers);
  EXPECT_EQ(parse_ranges(""), std::set<std::uint64_t>{});
  EXPECT_FALSE(parse_ranges("1,x"));
  EXPECT_FALSE(parse_ranges("5-3"));
}

}  // namespace
}  // namespace aspen::sim::node
