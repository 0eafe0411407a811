// The simulator of the whole node judged by the mistakes it notices, one in force at a time: those
// of the core (node/raft/mutants.h, only where ASPEN_MUTANTS is defined) and those of slips.h.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "node/raft/mutants.h"
#include "tests/sim/node/runner.h"
#include "tests/sim/node/slips.h"

namespace aspen::sim::node {

[[nodiscard]] constexpr bool mutants_compiled_in() noexcept {
#ifdef ASPEN_MUTANTS
  return true;
#else
  return false;
#endif
}

// Makes the mistake in this process, until another is chosen. False if there is none of that name.
inline bool activate(std::string_view name) {
  slip_in_force = Slip::none;
  for (std::size_t i = 0; i < slip_names.size(); ++i) {
    if (name != slip_names[i]) continue;
    slip_in_force = static_cast<Slip>(i);
#ifdef ASPEN_MUTANTS
    raft::mutant_in_force = raft::Mutant::none;
#endif
    return true;
  }
#ifdef ASPEN_MUTANTS
  for (std::size_t i = 0; i < raft::mutant_names.size(); ++i) {
    if (name != raft::mutant_names[i]) continue;
    raft::mutant_in_force = static_cast<raft::Mutant>(i);
    return true;
  }
#endif
  return false;
}

// One row of the table; false if nothing notices the mistake.
[[nodiscard]] inline bool tell_mutant(const BatchOptions& options, const char* name) {
  const BatchResult result = run_batch(options);
  if (!result.failure) {
    std::printf("%-30s %6s  nothing in %lu seeds\n", name, "-", options.seeds);
    return false;
  }
  const Failure& f = *result.failure;
  const std::string& by = f.check == "assertion" ? f.text : f.check;
  std::printf("%-30s %6lu  %s\n", name, f.seed, by.c_str());
  return true;
}

// Prints the table; 0 if every mistake is noticed.
[[nodiscard]] inline int tell_mutants(const BatchOptions& options, const std::string& only) {
  std::printf("%-30s %6s  %s\n", "mutant", "seed", "noticed by");
  std::vector<const char*> names(slip_names.begin() + 1, slip_names.end());
  names.insert(names.end(), raft::mutant_names.begin() + 1, raft::mutant_names.end());
  int survivors = 0;
  for (const char* name : names) {
    if (!only.empty() && only != name) continue;
    if (!activate(name)) return 2;
    survivors += tell_mutant(options, name) ? 0 : 1;
  }
  return survivors == 0 ? 0 : 1;
}

}  // namespace aspen::sim::node
