// A seeded random run of a cluster of cores: drops, duplicates, reordering, slow disks that lose
// what was not synced, crashes, cut links and odd tunings. At its end everything heals, and the
// cluster has to become one again. Failures are those of GoogleTest.
#pragma once

#include <cstddef>
#include <cstdint>

namespace aspen::raft {

// Returns how many entries were committed.
std::size_t random_run(std::uint64_t nodes, std::uint64_t seed);

}  // namespace aspen::raft
