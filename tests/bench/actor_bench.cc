// What the actor runtime costs, as a table beside its targets. Figures are the best of several
// runs: the rest is what else the machine was doing.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <ctime>
#include <fstream>
#include <iterator>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "node/actor/thread_poller.h"
#include "node/actor/thread_system.h"

namespace aspen::actor {
namespace {

using namespace std::chrono_literals;

constexpr int runs = 5;
constexpr std::size_t spawns = 100'000;

class SteadyClock final : public Clock {
 public:
  [[nodiscard]] Instant now() const noexcept override {
    return Instant{std::chrono::steady_clock::now().time_since_epoch().count()};
  }
  [[nodiscard]] WallTime wall() const noexcept override { return WallTime{now().ns}; }
};

const SteadyClock the_clock;

// Where an actor tells the main thread that it is done.
class Gate {
 public:
  void open() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      open_ = true;
    }
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return open_; });
    open_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

// Tells when its worker has fallen asleep.
class WatchedPoller final : public Poller {
 public:
  void wait(Duration longest) override {
    thread_.store(::gettid());
    if (longest > Duration::zero()) waits_.fetch_add(1);
    inner_.wait(longest);
  }
  void wake() noexcept override { inner_.wake(); }

  // Returns when the worker sleeps in a wait that began after the last call's.
  void await_sleep() {
    while (waits_.load() == seen_ || !sleeps(thread_.load())) std::this_thread::yield();
    seen_ = waits_.load();
  }

 private:
  static bool sleeps(pid_t thread) {
    std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/stat");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const std::size_t name_end = text.rfind(") ");
    return name_end != std::string::npos && text[name_end + 2] == 'S';
  }

  ThreadPoller inner_;
  std::atomic<pid_t> thread_{0};
  std::atomic<std::uint64_t> waits_{0};
  std::uint64_t seen_ = 0;
};

struct Number {
  std::uint64_t value;
};
struct Go {
  std::uint64_t left;
};
struct Echo {
  using Reply = std::uint64_t;
  std::uint64_t value;
};

// Counts what it gets, answers what it is asked, and opens the gate at the last number.
using TargetProtocol = Protocol<Number, Echo>;
class Target final : public Actor<Target, TargetProtocol> {
 public:
  explicit Target(Gate& gate) : gate_(gate) {}
  void on(Number&& number, Context<Target>&) noexcept {
    sum_ += number.value;
    if (number.value == 0) gate_.open();
  }
  void on(Echo&& echo, Responder<std::uint64_t>&& responder, Context<Target>&) noexcept {
    responder.reply(echo.value + sum_);
  }

 private:
  Gate& gate_;
  std::uint64_t sum_ = 0;
};

// Sends numbers down to 0, some in each turn, as many as the target takes.
class Teller final : public Actor<Teller, Protocol<Go>> {
 public:
  explicit Teller(Ref<TargetProtocol> target) : target_(target) {}
  void on(Go&& go, Context<Teller>& context) noexcept {
    std::uint64_t left = go.left;
    for (int i = 0; i < 256 && left > 0; ++i) {
      if (!target_.tell(Number{left - 1})) break;
      --left;
    }
    if (left > 0) static_cast<void>(context.self().tell(Go{left}));
  }

 private:
  Ref<TargetProtocol> target_;
};

class Asker final : public Actor<Asker, Protocol<Go>> {
 public:
  Asker(Ref<TargetProtocol> target, Gate& gate) : target_(target), gate_(gate) {}
  void on(Go&& go, Context<Asker>& context) noexcept {
    left_ = go.left;
    ask(context);
  }

 private:
  void ask(Context<Asker>& context) noexcept {
    static_cast<void>(
        context.ask(target_, Echo{1}, 10s,
                    [](Asker& self, Result<std::uint64_t>&&, Context<Asker>& c) noexcept {
                      if (--self.left_ == 0) {
                        self.gate_.open();
                      } else {
                        self.ask(c);
                      }
                    }));
  }
  Ref<TargetProtocol> target_;
  Gate& gate_;
  std::uint64_t left_ = 0;
};

class Idle final : public Actor<Idle, Protocol<Number>> {
 public:
  void on(Number&&, Context<Idle>&) noexcept {}
};

// Time and processor time per operation.
struct Cost {
  double wall_ns = 1e18;
  double cpu_ns = 1e18;
};
class Stopwatch {
 public:
  // Keeps the lower figures.
  void add_to(Cost& cost, std::uint64_t operations) const {
    const auto count = static_cast<double>(operations);
    cost.wall_ns =
        std::min(cost.wall_ns, static_cast<double>((the_clock.now() - wall_).count()) / count);
    cost.cpu_ns = std::min(cost.cpu_ns, static_cast<double>(cpu() - cpu_) / count);
  }

 private:
  [[nodiscard]] static std::int64_t cpu() {
    timespec time{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return time.tv_sec * 1'000'000'000 + time.tv_nsec;
  }
  Instant wall_ = the_clock.now();
  std::int64_t cpu_ = cpu();
};

struct Spawned {
  Cost call;
  Cost total;
  double bytes = 0;
};

[[nodiscard]] std::uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  statm >> size >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

class Parent final : public Actor<Parent, Protocol<Go>> {
 public:
  Parent(Spawned& spawned, Gate& gate) : spawned_(spawned), gate_(gate) {}
  void on(Go&& go, Context<Parent>& context) noexcept {
    if (go.left == 0) {  // all children have had their turn
      gate_.open();
      return;
    }
    const Stopwatch watch;
    for (std::uint64_t i = 0; i < go.left; ++i) {
      static_cast<void>(context.spawn<Idle>({.restart = Restart::temporary}));
    }
    watch.add_to(spawned_.call, go.left);
    static_cast<void>(context.self().tell(Go{0}));
  }

 private:
  Spawned& spawned_;
  Gate& gate_;
};

struct Line {
  const char* what;
  Cost cost;
  const char* unit;
  double target;
};

void print(const Line& line) {
  const std::string target = line.target > 0 ? fmt::format("{:.0f}", line.target) : "-";
  fmt::print("{:<42} {:>10.1f} {:>10.1f} {:<6} {:>8}\n", line.what, line.cost.wall_ns,
             line.cost.cpu_ns, line.unit, target);
}

[[nodiscard]] Cost tell_cost(std::size_t target_worker, Duration spin) {
  Cost best;
  for (int run = 0; run < runs; ++run) {
    constexpr std::uint64_t count = 2'000'000;
    Gate gate;
    ThreadSystem system(ThreadOptions{.system = {.workers = 2}, .spin = spin}, the_clock);
    const auto target =
        system.spawn<Target>({.mailbox_capacity = 65'536, .worker = target_worker}, std::ref(gate))
            .value();
    const auto teller = system.spawn<Teller>({.worker = 0}, target).value();
    system.start();
    const Stopwatch watch;
    static_cast<void>(teller.tell(Go{count}));
    gate.wait();
    watch.add_to(best, count);
  }
  return best;
}

[[nodiscard]] Cost ask_cost(std::size_t target_worker, Duration spin, std::uint64_t count) {
  Cost best;
  for (int run = 0; run < runs; ++run) {
    Gate gate;
    ThreadSystem system(ThreadOptions{.system = {.workers = 2}, .spin = spin}, the_clock);
    const auto target = system.spawn<Target>({.worker = target_worker}, std::ref(gate)).value();
    const auto asker = system.spawn<Asker>({.worker = 0}, target, std::ref(gate)).value();
    system.start();
    const Stopwatch watch;
    static_cast<void>(asker.tell(Go{count}));
    gate.wait();
    watch.add_to(best, count);
  }
  return best;
}

// The last of `foreign` asks from this thread, each sent after the worker has fallen asleep.
[[nodiscard]] Cost foreign_ask_cost() {
  Gate gate;
  WatchedPoller poller;
  ThreadSystem system(ThreadOptions{.system = {.workers = 1}, .pollers = {&poller}}, the_clock);
  const auto target = system.spawn<Target>({}, std::ref(gate)).value();
  system.start();
  Cost best;
  for (int i = 0; i < 200; ++i) {
    poller.await_sleep();
    const Stopwatch watch;
    target.ask_from_outside(Echo{1}, [&](Result<std::uint64_t>&&) { gate.open(); });
    gate.wait();
    watch.add_to(best, 1);
  }
  return best;
}

// Many idle children of two parents; children_max bounds one.
[[nodiscard]] Spawned spawn_many() {
  Gate gate;
  Spawned spawned;
  ThreadSystem system(ThreadOptions{.system = {.workers = 1}}, the_clock);
  system.start();
  const std::uint64_t before = resident_bytes();
  const Stopwatch watch;
  for (int i = 0; i < 2; ++i) {
    const auto parent = system.spawn<Parent>({}, std::ref(spawned), std::ref(gate)).value();
    static_cast<void>(parent.tell(Go{spawns / 2}));
    gate.wait();
  }
  watch.add_to(spawned.total, spawns);
  spawned.bytes = static_cast<double>(resident_bytes() - before) / spawns;
  return spawned;
}

int run() {
  fmt::print("{:<42} {:>10} {:>10} {:<6} {:>8}\n", "what", "time", "cpu", "", "target");
  // First of all, while no memory is kept for reuse.
  const Spawned spawned = spawn_many();
  print({"tell, same worker", tell_cost(0, {}), "ns", 15});
  print({"tell, cross worker", tell_cost(1, 1ms), "ns", 25});
  print({"ask round trip, same worker", ask_cost(0, {}, 1'000'000), "ns", 70});
  print({"ask round trip, cross worker, spinning", ask_cost(1, 1ms, 100'000), "ns", 400});
  print({"ask round trip, cross worker, sleeping", ask_cost(1, {}, 5'000), "ns", 0});
  print({"ask from outside, sleeping worker", foreign_ask_cost(), "ns", 35'000});
  print({"spawn (call)", spawned.call, "ns", 150});
  print({"spawn, start, first turn", spawned.total, "ns", 0});
  fmt::print("{:<42} {:>10.1f} {:>10} {:<6} {:>8}\n", "memory of an idle actor", spawned.bytes, "",
             "bytes", 192);
  fmt::print("{:<42} {:>10} {:>10} {:<6} {:>8}\n", "of which its cell", sizeof(Cell), "", "bytes",
             "-");
  return 0;
}

}  // namespace
}  // namespace aspen::actor

int main() {
  return aspen::actor::run();
}
