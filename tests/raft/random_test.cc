// What clients and replicas may rely on, whatever network, disks and crashes do.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "tests/raft/random_run.h"

namespace aspen::raft {
namespace {

// ASPEN_RAFT_SEEDS: how many seeds more than usual, for a long run by hand.
std::uint64_t seeds_more() {
  const char* text = std::getenv("ASPEN_RAFT_SEEDS");
  return text == nullptr ? 0 : std::stoull(text);
}

void run_seeds(std::uint64_t nodes, std::uint64_t seeds) {
  seeds += seeds_more();
  std::size_t committed = 0;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    committed += random_run(nodes, seed);
    if (testing::Test::HasFailure()) return;
  }
  // The runs are worth something only if they commit.
  EXPECT_GT(committed, seeds * 20);
}

TEST(RandomCluster, OneNodeKeepsItsPromises) {
  run_seeds(1, 50);
}
TEST(RandomCluster, TwoNodesKeepTheirPromises) {
  run_seeds(2, 50);
}
TEST(RandomCluster, ThreeNodesKeepTheirPromises) {
  run_seeds(3, 300);
}
TEST(RandomCluster, FiveNodesKeepTheirPromises) {
  run_seeds(5, 100);
}

}  // namespace
}  // namespace aspen::raft
