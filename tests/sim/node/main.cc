// aspen-sim --profile node: runs seeds of the whole node, replays one, and makes a failure smaller.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <climits>
#include <cstdio>
#include <string>

#include "tests/sim/node/minimise.h"
#include "tests/sim/node/mutants.h"
#include "tests/sim/node/runner.h"

namespace {

using namespace aspen::sim::node;

struct Arguments {
  std::uint64_t seed = 0;
  double seconds = 30;
  std::uint64_t millis = 0;
  std::string profile = "node";
  std::string without_faults;
  std::string without_operations;
  std::uint64_t salt = 0;
  bool trace = false;
  BatchOptions batch;
  std::string mutant;
  std::uint64_t mutant_seeds = 1000;
};

void declare_common(CLI::App& app, Arguments& a) {
  app.add_option("--profile", a.profile, "node, node-storm or node-calm");
  app.add_option("--seconds", a.seconds, "simulated seconds of faults, before all heals");
  app.add_option("--millis", a.millis, "the same in milliseconds");
  app.add_option("--without-faults", a.without_faults, "leave out these, such as 3,7-12");
  app.add_option("--without-operations", a.without_operations, "leave out these of clients");
  app.add_option("--salt", a.salt, "another order of turns and other delays");
  app.add_option("--mutant", a.mutant, "with this mistake");
}

void declare_run(CLI::App& run, Arguments& a) {
  declare_common(run, a);
  auto* seed = run.add_option("--seed", a.seed, "replay this one and tell its story");
  run.add_option("--seeds", a.batch.seeds, "run as many")->excludes(seed);
  run.add_option("--first", a.batch.first, "from this one on");
  run.add_option("--jobs", a.batch.jobs, "worker processes")->check(CLI::Range(1U, 64U));
  run.add_option("--budget", a.batch.budget_s, "real seconds after which no seed is begun");
  run.add_option("--campaign", a.batch.campaign, "file that remembers the next seed");
  run.add_flag("--trace", a.trace, "with --seed: print every line");
}

int run_many(const BatchOptions& options) {
  const BatchResult result = run_batch(options);
  std::fputs(table_of(result, options).c_str(), stdout);
  if (!result.failure) return 0;
  const Failure& f = *result.failure;
  std::printf("\nseed %lu violates: %s\n  %s\nreplay: %s\n", f.seed, f.check.c_str(),
              f.text.c_str(), replay_command(f.seed, options.run).c_str());
  return 1;
}

// What the arguments say of a run; false if they contradict themselves.
bool read_options(Arguments& a) {
  const auto profile = profile_named(a.profile);
  const auto faults = parse_ranges(a.without_faults);
  const auto operations = parse_ranges(a.without_operations);
  if (!profile) {
    std::fprintf(stderr, "aspen-sim: no profile %s; there are node, node-storm and node-calm\n",
                 a.profile.c_str());
    return false;
  }
  if (!faults || !operations) {
    std::fprintf(stderr, "aspen-sim: expected a list of numbers and ranges, such as 3,7-12\n");
    return false;
  }
  if (!a.mutant.empty() && !activate(a.mutant)) {
    std::fprintf(stderr, "aspen-sim: no mutant %s\n", a.mutant.c_str());
    return false;
  }
  const Time horizon =
      a.millis != 0 ? a.millis * millisecond : static_cast<Time>(a.seconds * second);
  a.batch.run = {*profile, horizon, {*faults, *operations, a.salt}, a.mutant};
  return true;
}

// The mutants are another build of the core, hence another program, which lies beside this one.
int exec_mutants(char** argv) {
  std::array<char, PATH_MAX> self{};
  if (::readlink("/proc/self/exe", self.data(), self.size() - 1) < 0) return 2;
  const std::string path = std::string(self.data()) + "-mutants";
  ::execv(path.c_str(), argv);
  std::perror(path.c_str());
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  CLI::App app("Deterministic simulator of Aspen: the whole node (rung S2)");
  app.require_subcommand(1);
  Arguments a;
  CLI::App* run = app.add_subcommand("run", "run seeds; exit 1 on a violation");
  declare_run(*run, a);
  CLI::App* minimise_command = app.add_subcommand("minimise", "make the failure of a seed smaller");
  declare_common(*minimise_command, a);
  minimise_command->add_option("--seed", a.seed, "which fails")->required();
  minimise_command->add_option("--budget", a.batch.budget_s, "real seconds");
  CLI::App* mutants = app.add_subcommand("mutants", "which seed notices which known mistake");
  declare_common(*mutants, a);
  mutants->add_option("--seeds", a.mutant_seeds, "at most as many for each");
  mutants->add_option("--jobs", a.batch.jobs, "worker processes")->check(CLI::Range(1U, 64U));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const bool wants_mutants = mutants->parsed() || (!a.mutant.empty() && !activate(a.mutant));
  if (wants_mutants && !mutants_compiled_in()) return exec_mutants(argv);
  if (mutants->parsed()) {
    const std::string only = std::exchange(a.mutant, {});
    if (!read_options(a)) return 2;
    a.batch.seeds = a.mutant_seeds;
    return tell_mutants(a.batch, only);
  }
  if (!read_options(a)) return 2;
  if (minimise_command->parsed()) return minimise(a.seed, a.batch.run, a.batch.budget_s);
  if (a.seed == 0) return run_many(a.batch);
  const auto print = a.trace ? Trace::Print::yes : Trace::Print::no;
  return tell_seed(a.seed, a.batch.run, print) ? 0 : 1;
}
