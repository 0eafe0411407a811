// Aspen and etcd side by side: three nodes each on one machine, driven in alternation.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "node/base/time.h"
#include "tests/bench/aspen_bench_load.h"

namespace aspen::bench {

enum class Target { leader, all };

struct Comparison {
  std::string aspen_binary;
  std::string etcd_binary;  // empty: Aspen alone
  std::string directory;    // a folder of its own is made there and removed at the end
  std::vector<Operation> operations{Operation::put, Operation::get};
  std::vector<std::size_t> clients{1, 16, 64, 256};
  std::size_t rounds = 3;
  Target target = Target::leader;
  Load load;  // durations, sizes, connections
};

// Prints progress to stderr and the table to stdout. Fails with a text for people.
[[nodiscard]] tl::expected<void, std::string> compare(const Comparison& comparison);

}  // namespace aspen::bench
