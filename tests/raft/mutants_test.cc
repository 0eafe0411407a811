// Every known mistake of node/raft/mutants.h that a random run can show must be noticed by the
// random runs: by an assertion, by a broken promise or by a cluster that does not heal.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "node/raft/mutants.h"
#include "tests/raft/random_run.h"

namespace aspen::raft {
namespace {

constexpr std::uint64_t seeds_max = 3000;
constexpr auto first_of_the_simulator =
    static_cast<std::size_t>(Mutant::lost_reported_as_refused) + 1;

// In a process of its own; an assertion ends it with a signal.
[[noreturn]] void hunt(Mutant mutant) {
  mutant_in_force = mutant;
  for (std::uint64_t seed = 1; seed <= seeds_max; ++seed) {
    std::fprintf(stderr, "seed %llu\n", static_cast<unsigned long long>(seed));
    random_run(seed % 4 == 0 ? 5 : 3, seed);
    if (testing::Test::HasFailure()) std::abort();
  }
  std::exit(0);
}

class MutantTest : public testing::TestWithParam<std::size_t> {};

TEST_P(MutantTest, IsKilled) {
  EXPECT_EXIT(hunt(static_cast<Mutant>(GetParam())), testing::KilledBySignal(SIGABRT), "");
}

std::string mutant_name(const testing::TestParamInfo<std::size_t>& mutant) {
  return mutant_names.at(mutant.param);
}

INSTANTIATE_TEST_SUITE_P(All, MutantTest, testing::Range(std::size_t{1}, first_of_the_simulator),
                         mutant_name);

}  // namespace
}  // namespace aspen::raft
