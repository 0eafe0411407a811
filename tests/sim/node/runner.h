// Runs seeds of the whole node: one with its story, many in worker processes, so that an assertion
// that fails ends a worker and is reported with its seed. Not deterministic itself: it measures
// real time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tests/sim/node/world.h"

namespace aspen::sim::node {

struct RunOptions {
  Profile profile = Profile::swarm;
  Time horizon = 30 * second;
  Reduction reduction = {};
  std::string mutant = {};  // the mistake in force, for the command that replays a run
};

// One run in this process.
[[nodiscard]] Report run_seed(std::uint64_t seed, const RunOptions& options,
                              Begun* begun = nullptr);
// The same, and prints the plan, the end and, of a failure, the last lines of its story (or all of
// it, as it happens). True if clean. An assertion that fails prints that and ends the process with
// status 1.
[[nodiscard]] bool tell_seed(std::uint64_t seed, const RunOptions& options, Trace::Print print);

struct Failure {
  std::uint64_t seed = 0;
  std::string check;  // or "assertion"
  std::string text;
};
// One run in a process of its own; nothing if it is clean. `begun` must be shared with it.
[[nodiscard]] std::optional<Failure> run_apart(std::uint64_t seed, const RunOptions& options,
                                               Begun* begun = nullptr);

struct BatchOptions {
  RunOptions run;
  std::uint64_t first = 1;
  std::uint64_t seeds = 100;
  unsigned jobs = 1;
  double budget_s = 0;   // real time after which no seed is begun; 0: none
  std::string campaign;  // a file that remembers how far it came; empty: none
};

struct BatchResult {
  std::uint64_t seeds = 0;  // clean ones
  std::uint64_t twice = 0;  // of them executed twice
  double real_s = 0;
  double cpu_s = 0;  // of all workers
  Counters counters;
  Coverage coverage;
  std::optional<Failure> failure;
};

// Stops at the first failure. Every hundredth seed is executed twice and the trace hashes compared.
[[nodiscard]] BatchResult run_batch(const BatchOptions& options);
[[nodiscard]] std::string table_of(const BatchResult& result, const BatchOptions& options);
// "aspen-sim run --profile node --seed 17"
[[nodiscard]] std::string replay_command(std::uint64_t seed, const RunOptions& options);

}  // namespace aspen::sim::node
