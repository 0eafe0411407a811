// Makes a failing run smaller: leaves out faults, then operations of clients, then the end of the
// run, as long as the same check fails (delta debugging).
#pragma once

#include <cstdint>

#include "tests/sim/node/runner.h"

namespace aspen::sim::node {

// Prints what it does and, last, the command of the smallest run that it found and that run's
// story. The exit status: 1 if the seed fails, 0 if it is clean. `budget_s`: 0 is no bound.
[[nodiscard]] int minimise(std::uint64_t seed, const RunOptions& options, double budget_s);

}  // namespace aspen::sim::node
