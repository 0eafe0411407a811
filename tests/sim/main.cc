// aspen-sim: runs seeds of the simulator, replays one, and shows which known mistakes it notices.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/mutants.h"
#include "tests/sim/runner.h"

namespace {

using namespace aspen::sim;

struct Arguments {
  std::uint64_t seed = 0;
  std::uint64_t seconds = 60;
  std::uint64_t millis = 0;
  std::string without;
  std::string profile = "swarm";
  bool trace = false;
  bool outside = false;
  BatchOptions batch;
  std::uint64_t mutant_seeds = 1000;
  std::string mutant;
};

// What a run is, beside its seed.
void declare_common(CLI::App& app, Arguments& a) {
  app.add_option("--seconds", a.seconds, "simulated seconds of a run, before all heals")
      ->check(CLI::Range(1U, 100'000U));
  app.add_option("--millis", a.millis, "the same in milliseconds");
  app.add_option("--profile", a.profile, "swarm, storm or calm; node: the whole node");
  app.add_option("--without", a.without, "leave out families of faults, such as pause,disk-slow");
  app.add_flag("--outside", a.outside, "without the checks that look at single messages");
  if (mutants_compiled_in()) app.add_option("--mutant", a.mutant, "with this mistake");
}

void declare_run(CLI::App& run, Arguments& a) {
  declare_common(run, a);
  auto* seed = run.add_option("--seed", a.seed, "replay this one and tell its story");
  run.add_option("--seeds", a.batch.seeds, "run as many")->excludes(seed);
  run.add_option("--first", a.batch.first, "from this one on");
  run.add_option("--jobs", a.batch.jobs, "worker processes")->check(CLI::Range(1U, 64U));
  run.add_option("--budget", a.batch.budget_s, "real seconds after which no seed is begun");
  run.add_option("--campaign", a.batch.campaign, "file that remembers the next seed");
  run.add_flag("--trace", a.trace, "with --seed: print every event");
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

// Other programs, which lie beside this one: the mutants are another build of the core, and the
// simulator of the whole node consists of far more.
int exec_beside(char** argv, const char* suffix) {
  std::array<char, PATH_MAX> self{};
  if (::readlink("/proc/self/exe", self.data(), self.size() - 1) < 0) return 2;
  const std::string path = std::string(self.data()) + suffix;
  ::execv(path.c_str(), argv);
  std::perror(path.c_str());
  return 2;
}

bool asks_for_node(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const bool named = i > 1 && std::string_view(argv[i - 1]) == "--profile";
    if ((named && word.starts_with("node")) || word.starts_with("--profile=node")) return true;
  }
  return false;
}

// False if the arguments contradict themselves.
bool read_options(Arguments& a) {
  const auto profile = profile_named(a.profile);
  const auto without = parse_families(a.without);
  if (!profile) {
    std::fprintf(stderr, "aspen-sim: no profile %s; there are swarm, storm and calm\n",
                 a.profile.c_str());
    return false;
  }
  if (!without) {
    std::fprintf(stderr, "aspen-sim: the families of faults are %s\n",
                 to_names((Families{1} << families) - 1).c_str());
    return false;
  }
  if (!a.mutant.empty() && !activate_mutant(a.mutant)) {
    std::fprintf(stderr, "aspen-sim: no mutant %s\n", a.mutant.c_str());
    return false;
  }
  const Time horizon = a.millis != 0 ? a.millis * millisecond : a.seconds * second;
  a.batch.run = {*profile, horizon, a.outside ? Insight::outside : Insight::full, *without,
                 a.mutant};
  return true;
}

int run(Arguments& a) {
  if (a.seed == 0) return run_many(a.batch);
  const auto print = a.trace ? Trace::Print::yes : Trace::Print::no;
  return tell_seed(a.seed, a.batch.run, print) ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  if (asks_for_node(argc, argv)) return exec_beside(argv, "-node");
  CLI::App app("Deterministic simulator of Aspen's consensus (rung S1)");
  app.set_version_flag("--version", "aspen-sim 0.1.0");
  app.require_subcommand(1);
  Arguments a;
  CLI::App* run_command = app.add_subcommand("run", "run seeds; exit 1 on a violation");
  declare_run(*run_command, a);
  CLI::App* minimise_command = app.add_subcommand("minimise", "make the failure of a seed smaller");
  declare_common(*minimise_command, a);
  minimise_command->add_option("--seed", a.seed, "which fails")->required();
  CLI::App* mutants = app.add_subcommand("mutants", "which seed notices which known mistake");
  mutants->add_option("--seeds", a.mutant_seeds, "at most as many for each");
  mutants->add_option("--mutant", a.mutant, "only this one");
  mutants->add_flag("--outside", a.outside, "without the checks that look at single messages");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (run_command->parsed() || minimise_command->parsed()) {
    if (!read_options(a)) return 2;
    return run_command->parsed() ? run(a) : minimise(a.seed, a.batch.run);
  }
  if (!mutants_compiled_in()) return exec_beside(argv, "-mutants");
  return tell_mutants({a.mutant_seeds, a.outside ? Insight::outside : Insight::full, a.mutant});
}
