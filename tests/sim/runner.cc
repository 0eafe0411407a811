#include "tests/sim/runner.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <set>
#include <string_view>
#include <vector>

#include "node/base/assert.h"

namespace aspen::sim {

namespace {

using Clock = std::chrono::steady_clock;

// CPU time of all children that ended.
double children_cpu_s() {
  rusage usage{};
  ::getrusage(RUSAGE_CHILDREN, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// ---- one run

// The run under way in this process, for the handler of a failed assertion.
const World* world_under_way = nullptr;
std::string command_under_way;
Trace::Print told = Trace::Print::no;

extern "C" void on_abort(int) {
  // A simulator has one thread and stands in its own code here, so the heap is whole.
  if (world_under_way != nullptr) {
    const World* world = world_under_way;
    world_under_way = nullptr;
    if (told == Trace::Print::no) std::fputs(world->trace_tail().c_str(), stdout);
    std::printf("\nviolation: an assertion failed (above, on stderr)\nreplay: %s\n",
                command_under_way.c_str());
    std::fflush(stdout);
  }
  ::_exit(1);
}

// ---- a worker's words to its parent

struct Line {
  std::uint64_t seed = 0;
  std::uint64_t twice = 0;
  std::uint64_t violated = 0;
  Counters counters;
  std::array<char, 96> check{};
  std::array<char, 1500> text{};
};
static_assert(sizeof(Line) <= PIPE_BUF, "written and read as a whole");

template <std::size_t N>
void copy_into(std::array<char, N>& to, std::string_view from) {
  const std::size_t length = std::min(from.size(), N - 1);
  std::copy_n(from.begin(), length, to.begin());
  to[length] = '\0';
}

Line line_of(const Report& report) {
  Line line;
  line.seed = report.seed;
  line.counters = report.counters;
  line.violated = report.violation ? 1 : 0;
  if (!report.violation) return line;
  copy_into(line.check, report.violation->check);
  copy_into(line.text, report.violation->text);
  return line;
}

Line run_line(std::uint64_t seed, const RunOptions& options) {
  const Report report = run_seed(seed, options);
  Line line = line_of(report);
  if (line.violated != 0 || seed % 100 != 0) return line;
  line.twice = 1;
  if (run_seed(seed, options).trace_hash == report.trace_hash) return line;
  line.violated = 1;
  copy_into(line.check, "same seed, same trace");
  copy_into(line.text, "a second execution took another course");
  return line;
}

[[noreturn]] void work(const BatchOptions& options, unsigned job, int out, int errors) {
  ::dup2(errors, STDERR_FILENO);
  std::signal(SIGABRT, SIG_DFL);
  const auto start = Clock::now();
  for (std::uint64_t i = job; i < options.seeds; i += options.jobs) {
    if (options.budget_s > 0 && seconds_since(start) > options.budget_s) break;
    const Line line = run_line(options.first + i, options.run);
    if (::write(out, &line, sizeof line) != static_cast<ssize_t>(sizeof line)) ::_exit(2);
    if (line.violated != 0) break;
  }
  ::_exit(0);
}

// ---- the parent

struct Worker {
  pid_t pid = 0;
  unsigned job = 0;
  std::uint64_t next = 0;  // the seed it is at
  int errors = -1;         // what it wrote to stderr
};

struct Pipe {
  int in = -1;
  int out = -1;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    std::perror("aspen-sim: pipe");
    ::_exit(2);
  }
  return {ends[0], ends[1]};
}

std::string read_all(int fd) {
  std::string text;
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
}

// How far a campaign came: seeds below `next` are clean.
class Campaign {
 public:
  explicit Campaign(BatchOptions& options) : file_(options.campaign) {
    if (file_.empty()) return;
    std::ifstream in(file_);
    std::string word;
    std::uint64_t next = 0;
    if (in >> word >> next && word == "next" && next > options.first) {
      const std::uint64_t done = next - options.first;
      options.seeds = done < options.seeds ? options.seeds - done : 0;
      options.first = next;
    }
    next_ = options.first;
  }
  void clean(std::uint64_t seed) {
    if (file_.empty()) return;
    ahead_.insert(seed);
    while (!ahead_.empty() && *ahead_.begin() == next_) {
      ahead_.erase(ahead_.begin());
      ++next_;
    }
    if (next_ % 50 == 0) save();
  }
  void save() const {
    if (file_.empty()) return;
    {
      std::ofstream out(file_ + ".new", std::ios::trunc);
      out << "next " << next_ << "\n";
    }
    std::rename((file_ + ".new").c_str(), file_.c_str());
  }

 private:
  std::string file_;
  std::uint64_t next_ = 0;
  std::set<std::uint64_t> ahead_;
};

std::string first_line_with(const std::string& text, std::string_view word) {
  const std::size_t at = text.find(word);
  if (at == std::string::npos) return text.substr(0, 300);
  return text.substr(at, text.find('\n', at) - at);
}

// The seed at which a worker died by a signal.
std::optional<Failure> reap(Worker& worker) {
  int status = 0;
  while (::waitpid(worker.pid, &status, 0) < 0 && errno == EINTR) {
  }
  const std::string errors = read_all(worker.errors);
  ::close(worker.errors);
  worker.pid = 0;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return std::nullopt;
  Failure failure{worker.next, "assertion", first_line_with(errors, "assertion failed")};
  if (WIFSIGNALED(status) && WTERMSIG(status) != SIGABRT) {
    failure.check = fmt::format("signal {}", WTERMSIG(status));
  }
  return failure;
}

std::vector<Worker> start_workers(const BatchOptions& options, int out) {
  std::vector<Worker> workers;
  std::fflush(nullptr);
  for (unsigned job = 0; job < options.jobs && job < options.seeds; ++job) {
    const Pipe errors = make_pipe();
    ::fcntl(errors.in, F_SETFL, O_NONBLOCK);
    const pid_t pid = ::fork();
    if (pid == 0) work(options, job, out, errors.out);
    ::close(errors.out);
    workers.push_back({pid, job, options.first + job, errors.in});
  }
  ::close(out);
  return workers;
}

void take(const Line& line, BatchResult& result) {
  result.counters.add(line.counters);
  if (line.violated != 0) {
    result.failure = Failure{line.seed, line.check.data(), line.text.data()};
    return;
  }
  ++result.seeds;
  result.twice += line.twice;
}

Plan plan_of(std::uint64_t seed, const RunOptions& options) {
  Plan plan = draw_plan(seed, options.profile, options.horizon);
  leave_out(plan, options.without);
  return plan;
}

// In a process of its own, as an assertion may end it.
std::optional<Failure> run_apart(std::uint64_t seed, const RunOptions& options) {
  BatchOptions batch;
  batch.run = options;
  batch.first = seed;
  batch.seeds = 1;
  return run_batch(batch).failure;
}

bool same(const Failure& a, const Failure& b) {
  return a.check == b.check && (a.check != "assertion" || a.text == b.text);
}

}  // namespace

int minimise(std::uint64_t seed, const RunOptions& options) {
  RunOptions best = options;
  const auto failure = run_apart(seed, best);
  if (!failure) {
    std::printf("seed %lu is clean\n", seed);
    return 0;
  }
  std::printf("fails: %s: %s\n", failure->check.c_str(), failure->text.c_str());
  const auto keep = [&](const RunOptions& candidate) {
    const auto found = run_apart(seed, candidate);
    const bool fails = found && same(*found, *failure);
    if (fails) best = candidate;
    return fails;
  };
  for (std::size_t i = 0; i < families; ++i) {
    if (plan_of(seed, best).faults[i].every == 0) continue;
    RunOptions candidate = best;
    candidate.without |= Families{1} << i;
    const char* name = to_string(static_cast<Family>(i));
    std::printf("%s is %s\n", name, keep(candidate) ? "left out" : "needed");
  }
  Time clean = 0;
  while (best.horizon - clean > 20 * millisecond) {
    RunOptions candidate = best;
    candidate.horizon = (clean + (best.horizon - clean) / 2) / millisecond * millisecond;
    if (!keep(candidate)) clean = candidate.horizon;
  }
  std::printf("ends at %.3f s\n\n", static_cast<double>(best.horizon) / second);
  std::fflush(stdout);
  return tell_seed(seed, best, Trace::Print::no) ? 0 : 1;
}

std::string replay_command(std::uint64_t seed, const RunOptions& options) {
  const char* program = options.mutant.empty() ? "aspen-sim" : "aspen-sim-mutants";
  std::string text = fmt::format("{} run --seed {}", program, seed);
  if (options.profile != Profile::swarm) {
    text += fmt::format(" --profile {}", to_string(options.profile));
  }
  if (options.horizon % second != 0) {
    text += fmt::format(" --millis {}", options.horizon / millisecond);
  } else if (options.horizon != 60 * second) {
    text += fmt::format(" --seconds {}", options.horizon / second);
  }
  if (options.without != 0) text += " --without " + to_names(options.without);
  if (options.insight == Insight::outside) text += " --outside";
  if (!options.mutant.empty()) text += " --mutant " + options.mutant;
  return text;
}

Report run_seed(std::uint64_t seed, const RunOptions& options) {
  World world(plan_of(seed, options), {.insight = options.insight});
  return world.run();
}

bool tell_seed(std::uint64_t seed, const RunOptions& options, Trace::Print print) {
  const Plan plan = plan_of(seed, options);
  std::printf("%s\n", describe(plan).c_str());
  World world(plan, {print, options.insight});
  world_under_way = &world;
  command_under_way = replay_command(seed, options);
  told = print;
  std::signal(SIGABRT, on_abort);
  const Report report = world.run();
  std::signal(SIGABRT, SIG_DFL);
  world_under_way = nullptr;
  if (report.violation && print == Trace::Print::no) {
    std::fputs(world.trace_tail().c_str(), stdout);
  }
  const Counters& c = report.counters;
  std::printf(
      "\n%.1f s simulated, %lu elections, %lu entries, %lu writes and %lu reads done, "
      "trace %016lx\n",
      static_cast<double>(c.simulated_us) / second, c.elections, c.entries, c.writes_done,
      c.reads_done, report.trace_hash);
  if (!report.violation) {
    std::printf("clean\n");
    return true;
  }
  std::printf("violation: %s: %s\nreplay: %s\n", report.violation->check,
              report.violation->text.c_str(), command_under_way.c_str());
  return false;
}

BatchResult run_batch(const BatchOptions& asked) {
  BatchOptions options = asked;
  Campaign campaign(options);
  BatchResult result;
  const auto start = Clock::now();
  const double cpu_before_s = children_cpu_s();
  const Pipe pipe = make_pipe();
  std::vector<Worker> workers = start_workers(options, pipe.out);
  Line line;
  // The pipe ends when the last worker is gone.
  while (!result.failure && ::read(pipe.in, &line, sizeof line) == ssize_t{sizeof line}) {
    workers[(line.seed - options.first) % options.jobs].next = line.seed + options.jobs;
    take(line, result);
    if (!result.failure) campaign.clean(line.seed);
  }
  for (Worker& worker : workers) {
    if (result.failure) ::kill(worker.pid, SIGTERM);
    const auto failure = reap(worker);
    if (!result.failure) result.failure = failure;
  }
  ::close(pipe.in);
  campaign.save();
  result.real_s = seconds_since(start);
  result.cpu_s = children_cpu_s() - cpu_before_s;
  return result;
}

std::string table_of(const BatchResult& result, const BatchOptions& options) {
  const Counters& c = result.counters;
  const double simulated_s = static_cast<double>(c.simulated_us) / second;
  const double cpu_s = std::max(result.cpu_s, 0.001);
  std::string text;
  const auto row = [&text](const char* name, const std::string& value) {
    text += fmt::format("  {:<22} {}\n", name, value);
  };
  row("seeds", fmt::format("{} clean from {} on, {} of them twice", result.seeds, options.first,
                           result.twice));
  row("simulated", fmt::format("{:.0f} s in {:.1f} s, {:.1f} s of CPU: {:.0f} : 1 per core",
                               simulated_s, result.real_s, result.cpu_s, simulated_s / cpu_s));
  row("steps", fmt::format("{} of cores, {:.0f} per second of CPU; {} events", c.inputs,
                           static_cast<double>(c.inputs) / cpu_s, c.events));
  row("messages", fmt::format("{}, {} lost", c.messages, c.messages_lost));
  row("leaders elected", fmt::format("{}", c.elections));
  row("entries committed", fmt::format("{}", c.entries));
  row("operations", fmt::format("{} writes and {} reads acknowledged ({:.0f} per simulated s), {} "
                                "refused, {} unknown",
                                c.writes_done, c.reads_done,
                                static_cast<double>(c.writes_done + c.reads_done) / simulated_s,
                                c.refused, c.unknown));
  row("crashes", fmt::format("{}, {} with loss", c.crashes, c.crashes_with_loss));
  row("other faults", fmt::format("{} pauses, {} cuts, {} disk stalls, {} wrong hints", c.pauses,
                                  c.cuts, c.stalls, c.hints));
  row("purges", fmt::format("{}, {} snapshots installed", c.purges, c.snapshots));
  row("membership", fmt::format("{} changes, {} refused (with transfers), {} removed learned of it",
                                c.changes, c.changes_refused, c.removed));
  row("", fmt::format("{} transfers, {} lost disks", c.transfers, c.lost_disks));
  row("histories", fmt::format("{} steps of WGL, {} undecided", c.wgl_steps, c.wgl_undecided));
  return text;
}

}  // namespace aspen::sim
