// One run of rung S2: whole nodes with their clients, disks, network and faults in one thread and
// in virtual time. What happens next is decided by the event heap of actor::SimWorld and by streams
// of one seed, each with its own name, so that a run replays exactly.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "node/actor/sim_system.h"
#include "tests/contract/sim_transport.h"
#include "tests/sim/node/coverage.h"
#include "tests/sim/node/history.h"
#include "tests/sim/node/host.h"
#include "tests/sim/node/plan.h"
#include "tests/sim/node/trace.h"

namespace aspen::sim::node {

class Workload;
class Faults;
class Operator;

struct Violation {
  const char* check = "";
  std::string text;
};

// Operations that clients began, in memory that outlives a failed assertion.
struct Begun {
  static constexpr std::size_t most = 100'000;
  std::size_t count = 0;
  std::array<std::uint64_t, most> ids{};
};

struct WorldOptions {
  Trace::Print print = Trace::Print::no;
  Begun* begun = nullptr;
};

struct Report {
  std::uint64_t seed = 0;
  std::optional<Violation> violation;
  std::uint64_t trace_hash = 0;
  Counters counters;
  Coverage coverage;
};

class World {
 public:
  World(const Plan& plan, const Reduction& reduction, WorldOptions options);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // Runs to the horizon, heals, and checks that all is well again; or to the first violation.
  [[nodiscard]] Report run();
  [[nodiscard]] std::string trace_tail() const { return trace_.tail(); }

  // ---- for the parts of the world
  [[nodiscard]] Time now() const noexcept;
  void after(Time delay, std::function<void()> event);
  void trace(std::size_t node, std::string text) { trace_.add(now(), node, std::move(text)); }
  // The first one is kept and ends the run.
  void violate(const char* check, std::string text);
  [[nodiscard]] bool violated() const noexcept { return violation_.has_value(); }
  [[nodiscard]] const Plan& plan() const noexcept { return plan_; }
  [[nodiscard]] const Reduction& reduction() const noexcept { return reduction_; }
  [[nodiscard]] Prng stream(std::string_view name, std::uint64_t number = 0) const {
    return root_.split(name, number);
  }
  [[nodiscard]] actor::SimWorld& sim() noexcept { return sim_; }
  [[nodiscard]] SimNetwork& network() noexcept { return network_; }
  [[nodiscard]] History& history() noexcept { return history_; }
  [[nodiscard]] Workload& workload() noexcept { return *workload_; }
  [[nodiscard]] Operator& cluster_operator() noexcept { return *operator_; }
  [[nodiscard]] Coverage& coverage() noexcept { return coverage_; }
  [[nodiscard]] Counters& counters() noexcept { return counters_; }
  [[nodiscard]] Host& host(std::size_t number) { return *hosts_[number]; }
  [[nodiscard]] std::size_t nodes() const noexcept { return hosts_.size(); }
  // Who leads in the highest term, as last observed; nothing if nobody does.
  [[nodiscard]] std::optional<std::size_t> leader() const;
  [[nodiscard]] bool initialised() const noexcept { return initialised_; }
  void note_operation(std::uint64_t id);
  // After everything healed: one of those among whom all is well.
  [[nodiscard]] bool in_core(std::size_t number) const;

  // Directed cuts between machines; they overlap, and a pair is open when none is left.
  void cut(std::size_t from, std::size_t to);
  void join(std::size_t from, std::size_t to);

 private:
  void initialise();
  void on_initialised(const Result<gateway::Reply<gateway::InitResult>>& reply);
  void observe_all();
  void count_leader();
  // Runs until `done()` holds or the time is over; false in the second case, and on a violation.
  bool run_until(Time end, const std::function<bool()>& done);
  void heal();
  void leave_one_outside();
  void check_recovery();
  void check_equal();
  void check_hashes();
  // Into the trace, for whoever looks for the reason of a failure.
  void describe_nodes();
  [[nodiscard]] bool all_equal() const;
  void finish(Report& report);

  Plan plan_;
  Reduction reduction_;
  Begun* begun_;
  Prng root_;
  actor::SimWorld sim_;
  SimNetwork network_;
  Trace trace_;
  History history_;
  Coverage coverage_;
  Counters counters_;
  std::optional<Violation> violation_;
  bool initialised_ = false;
  std::size_t outside_ = nobody;
  Term led_;  // the newest term that was seen to have a leader
  std::vector<std::vector<int>> cuts_;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::unique_ptr<Workload> workload_;
  std::unique_ptr<Faults> faults_;
  std::unique_ptr<Operator> operator_;
};

}  // namespace aspen::sim::node
