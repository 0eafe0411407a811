// Runs seeds: one with its story, many in worker processes, so that an assertion that fails ends a
// worker and is reported with its seed. Not deterministic itself: it measures real time.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "tests/sim/world.h"

namespace aspen::sim {

struct RunOptions {
  Profile profile = Profile::swarm;
  Time horizon = 60 * second;
  Insight insight = Insight::full;
  Families without = 0;     // of faults
  std::string mutant = {};  // the mistake in force, for the command that replays a run
};

// One run in this process. An assertion that fails prints the trace's tail and the command that
// replays it, and ends the process with status 1.
[[nodiscard]] Report run_seed(std::uint64_t seed, const RunOptions& options);

// The same, and prints the plan, the end and, of a failure, the last events (or all events, as they
// happen). True if clean.
[[nodiscard]] bool tell_seed(std::uint64_t seed, const RunOptions& options, Trace::Print print);

struct BatchOptions {
  RunOptions run;
  std::uint64_t first = 1;
  std::uint64_t seeds = 100;
  unsigned jobs = 1;
  double budget_s = 0;   // real time after which no seed is begun; 0: none
  std::string campaign;  // a file that remembers how far it came; empty: none
};

struct Failure {
  std::uint64_t seed = 0;
  std::string check;  // or the assertion
  std::string text;
};

struct BatchResult {
  std::uint64_t seeds = 0;  // clean ones
  std::uint64_t twice = 0;  // of them executed twice
  double real_s = 0;
  double cpu_s = 0;  // of all workers
  Counters counters;
  std::optional<Failure> failure;
};

// Stops at the first failure. Every hundredth seed is executed twice and the trace hashes compared.
[[nodiscard]] BatchResult run_batch(const BatchOptions& options);
[[nodiscard]] std::string table_of(const BatchResult& result, const BatchOptions& options);
// Makes the failing run of a seed smaller: leaves out families of faults, then its end, as long as
// the same check fails. Prints what it does and, last, the story of the smallest. The exit status:
// 1 if the seed fails, 0 if it is clean.
[[nodiscard]] int minimise(std::uint64_t seed, const RunOptions& options);
// "aspen-sim run --seed 17 --profile storm"
[[nodiscard]] std::string replay_command(std::uint64_t seed, const RunOptions& options);

}  // namespace aspen::sim
