// What a run of aspen-chaos is told, and its runs.
#pragma once

#include <cstdint>
#include <string>

namespace aspen::e2e {

struct Settings {
  std::string binary;
  std::string directory;  // empty: a new one, removed after a clean run
  std::size_t nodes = 3;
  std::size_t cycles = 30;
  std::size_t clients = 32;
  std::size_t rounds = 1;    // of changes of the membership
  std::uint64_t seed = 0;    // 0: another one each time
  bool all_at_once = false;  // kill every node in each cycle
  bool actors = false;       // kill one actor in each cycle instead
};

// Changes of the membership under load. The exit status.
[[nodiscard]] int run_members_chaos(const Settings& settings);

}  // namespace aspen::e2e
