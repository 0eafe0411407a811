// The simulator of the whole node judged by the mistakes it notices, one in force at a time
// (node/raft/mutants.h). Only where ASPEN_MUTANTS is defined.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

#include "node/raft/mutants.h"
#include "tests/sim/node/runner.h"

namespace aspen::sim::node {

[[nodiscard]] constexpr bool mutants_compiled_in() noexcept {
#ifdef ASPEN_MUTANTS
  return true;
#else
  return false;
#endif
}

// Makes the mistake in this process, until another is chosen. False if there is none of that name.
inline bool activate([[maybe_unused]] std::string_view name) {
#ifdef ASPEN_MUTANTS
  for (std::size_t i = 0; i < raft::mutant_names.size(); ++i) {
    if (name != raft::mutant_names[i]) continue;
    raft::mutant_in_force = static_cast<raft::Mutant>(i);
    return true;
  }
#endif
  return false;
}

// Prints the table; 0 if every mutant is noticed.
[[nodiscard]] inline int tell_mutants(const BatchOptions& options, const std::string& only) {
  std::printf("%-30s %6s  %s\n", "mutant", "seed", "noticed by");
  int survivors = 0;
  for (const char* name : raft::mutant_names) {
    if (std::string_view(name) == "none" || (!only.empty() && only != name)) continue;
    if (!activate(name)) return 2;
    const BatchResult result = run_batch(options);
    if (!result.failure) {
      ++survivors;
      std::printf("%-30s %6s  nothing in %lu seeds\n", name, "-", options.seeds);
      continue;
    }
    const Failure& f = *result.failure;
    const std::string& by = f.check == "assertion" ? f.text : f.check;
    std::printf("%-30s %6lu  %s\n", name, f.seed, by.c_str());
  }
  return survivors == 0 ? 0 : 1;
}

}  // namespace aspen::sim::node
