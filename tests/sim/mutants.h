// The simulator judged by the mistakes it notices: the core is built with known bugs of other
// implementations, one in force at a time, where ASPEN_MUTANTS is defined; those of its driver and
// disk are the simulator's own (slips.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "node/raft/mutants.h"
#include "tests/sim/runner.h"
#include "tests/sim/slips.h"

namespace aspen::sim {

[[nodiscard]] constexpr bool mutants_compiled_in() noexcept {
#ifdef ASPEN_MUTANTS
  return true;
#else
  return false;
#endif
}

struct MutantOptions {
  std::uint64_t seeds = 1000;  // at most as many for each
  Insight insight = Insight::full;
  std::string only = {};  // a name; empty: all
};

struct Kill {
  std::uint64_t seeds = 0;  // how many were needed
  Failure failure;
};

// Makes the mistake in this process, until another is chosen. False if there is none of that name.
inline bool activate_mutant(std::string_view name) {
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

// Runs seeds from 1 on with the mistake in force; nothing if all are clean. Longer histories are
// run than a campaign's when the short ones notice nothing.
inline std::optional<Kill> kill_mutant(std::string_view name, const MutantOptions& options) {
  BatchOptions batch;
  batch.seeds = options.seeds;
  batch.run.insight = options.insight;
  if (!activate_mutant(name)) return std::nullopt;
  const BatchResult result = run_batch(batch);
  activate_mutant("none");
  if (!result.failure) return std::nullopt;
  return Kill{result.failure->seed, *result.failure};
}

// Prints the table; 0 if every mutant is noticed.
[[nodiscard]] inline int tell_mutants(const MutantOptions& options) {
  std::printf("%-30s %6s  %s\n", "mutant", "seed", "noticed by");
  int survivors = 0;
  std::vector<const char*> names(raft::mutant_names.begin() + 1, raft::mutant_names.end());
  names.insert(names.end(), slip_names.begin() + 1, slip_names.end());
  for (const char* name : names) {
    if (!options.only.empty() && options.only != name) continue;
    const auto kill = kill_mutant(name, options);
    if (!kill) {
      ++survivors;
      std::printf("%-30s %6s  nothing in %lu seeds\n", name, "-", options.seeds);
      continue;
    }
    const Failure& f = kill->failure;
    const std::string& by = f.check == "assertion" ? f.text : f.check;
    std::printf("%-30s %6lu  %s\n", name, f.seed, by.c_str());
  }
  return survivors == 0 ? 0 : 1;
}

}  // namespace aspen::sim
