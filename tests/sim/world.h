// One run: a cluster of cores with their drivers, disks and network, clients and faults, in one
// thread and in virtual time. What happens next is decided by a heap ordered by (time, sequence)
// and by streams of one seed, each with its own name, so that a run replays exactly.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "node/base/prng.h"
#include "tests/sim/model_state.h"
#include "tests/sim/network.h"
#include "tests/sim/oracle.h"
#include "tests/sim/plan.h"
#include "tests/sim/trace.h"

namespace aspen::sim {

class Replica;
class Workload;
class Faults;
class Operator;

enum class Task : std::uint8_t {
  tick,
  turn,
  disk_done,
  durable,        // LogDurable reaches the driver; argument: the LogIo
  apply_done,     //
  state_durable,  //
  late_append,    // an append whose log read was held back; argument: its place
  deliver,        // argument: place of the message
  restart,        //
  resume,         //
  client,         // subject: the client; argument: its turn
  fault,          // subject: the family
  fault_end,      // argument: place of what ends
  snapshot_here,  // argument: its place
  snapshot_end,   // its sender learns how it ended; argument: its place
};

struct Event {
  Time time = 0;
  std::uint64_t sequence = 0;
  std::uint64_t argument = 0;
  std::uint32_t subject = 0;
  Task task = Task::tick;
};

// Plain numbers, so that a child process can hand them over.
struct Counters {
  std::uint64_t simulated_us = 0;
  std::uint64_t events = 0;
  std::uint64_t inputs = 0;  // steps of a core
  std::uint64_t messages = 0;
  std::uint64_t messages_lost = 0;
  std::uint64_t elections = 0;
  std::uint64_t entries = 0;
  std::uint64_t writes_done = 0;
  std::uint64_t reads_done = 0;
  std::uint64_t refused = 0;
  std::uint64_t unknown = 0;
  std::uint64_t crashes = 0;
  std::uint64_t crashes_with_loss = 0;
  std::uint64_t pauses = 0;
  std::uint64_t cuts = 0;
  std::uint64_t stalls = 0;
  std::uint64_t hints = 0;
  std::uint64_t purges = 0;
  std::uint64_t changes = 0;  // of the configuration, committed
  std::uint64_t changes_refused = 0;
  std::uint64_t transfers = 0;  // that succeeded
  std::uint64_t removed = 0;    // nodes that learned of their removal
  std::uint64_t lost_disks = 0;
  std::uint64_t snapshots = 0;  // installed
  std::uint64_t wgl_steps = 0;
  std::uint64_t wgl_undecided = 0;

  void add(const Counters& other);
};

struct Report {
  std::uint64_t seed = 0;
  std::optional<Violation> violation;
  std::uint64_t trace_hash = 0;
  Counters counters;
};

struct WorldOptions {
  Trace::Print print = Trace::Print::no;
  Insight insight = Insight::full;
};

class World {
 public:
  World(const Plan& plan, WorldOptions options);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // Runs to the horizon, heals, and checks that all is well again; or to the first violation.
  [[nodiscard]] Report run();
  [[nodiscard]] std::string trace_tail() const { return trace_.tail(); }

  // ---- for the parts of the world
  [[nodiscard]] Time now() const noexcept { return now_; }
  [[nodiscard]] const Plan& plan() const noexcept { return plan_; }
  [[nodiscard]] Prng stream(std::string_view name, std::uint64_t number = 0) const {
    return root_.split(name, number);
  }
  [[nodiscard]] bool healed() const noexcept { return healed_; }
  void schedule(Time at, Task task, std::uint64_t subject, std::uint64_t argument = 0);
  void record(Record record);
  // Puts a message on the network.
  void send(std::size_t from, const PeerId& to, raft::Message message);
  // The driver of `from` was asked for a snapshot. The state goes as it is now.
  void send_snapshot(std::size_t from, const raft::SnapshotRequest& request);
  // How it ended, as the receiver says.
  void snapshot_ended(std::size_t place, raft::SnapshotResult result);
  [[nodiscard]] Oracle& oracle() noexcept { return oracle_; }
  [[nodiscard]] Network& network() noexcept { return network_; }
  [[nodiscard]] Workload& workload() noexcept { return *workload_; }
  [[nodiscard]] Operator& operators() noexcept { return *operator_; }
  [[nodiscard]] Counters& counters() noexcept { return counters_; }
  [[nodiscard]] Replica& replica(std::size_t node) { return *replicas_[node]; }
  [[nodiscard]] std::size_t nodes() const noexcept { return replicas_.size(); }
  // Who leads in the highest term; node 0 if nobody does.
  [[nodiscard]] std::size_t leader() const;
  // After heal(): one of those among whom all is well.
  [[nodiscard]] bool in_core(std::size_t node) const noexcept {
    return ((outside_ >> node) & 1U) == 0;
  }

 private:
  struct Flight {
    std::uint8_t from = 0;
    std::uint8_t to = 0;
    PeerId sender{};
    PeerId receiver{};
    raft::Message message;
    Bytes encoded;
  };

  struct Snapshot {
    std::size_t from = 0;
    std::uint32_t boot = 0;  // of the sender
    raft::SnapshotRequest request;
    raft::SnapshotMeta meta;
    ModelState state;
    bool here = false;  // or broken off
    bool ended = false;
    raft::SnapshotResult result = raft::SnapshotResult::failed;
  };

  void snapshot_arrives(std::size_t place);
  void start();
  void dispatch(const Event& event);
  void deliver(std::size_t place);
  void put_in_flight(Flight flight, Time at);
  // Runs until `done()` holds or the time is over; false in the second case.
  template <class Done>
  bool run_until(Time end, Done done);
  void record_cores();
  void heal();
  void leave_one_outside(Dice& dice);
  [[nodiscard]] bool leave_a_bridge(Dice& dice);
  [[nodiscard]] LogId log_of(std::size_t node) const;
  void check_recovery();
  [[nodiscard]] std::uint64_t progress() const;
  [[nodiscard]] bool recovers(std::uint64_t elections, const std::function<bool()>& condition);
  void check_equal();
  void check_transfer();
  void check_end();
  [[nodiscard]] bool has_leader() const;
  // Whether a node has to be like all others: a member by what is committed, and not outside.
  [[nodiscard]] bool belongs(std::size_t node) const;
  [[nodiscard]] bool at_rest() const;
  [[nodiscard]] bool all_equal() const;

  Plan plan_;
  Prng root_;
  Time now_ = 0;
  std::uint64_t sequence_ = 0;
  std::vector<Event> heap_;
  std::vector<Flight> flights_;
  std::vector<std::size_t> free_flights_;
  bool healed_ = false;
  std::uint32_t outside_ = 0;  // bits of those who stay cut off when all else heals
  std::uint64_t spread_ = 0;   // what the longest log held then
  Cut outside_cut_{};
  Counters counters_;
  Trace trace_;
  Oracle oracle_;
  Network network_;
  std::vector<std::unique_ptr<Replica>> replicas_;
  std::unique_ptr<Workload> workload_;
  std::unique_ptr<Faults> faults_;
  std::unique_ptr<Operator> operator_;
  std::vector<Snapshot> snapshots_;
};

// How the node at a place is named at first.
[[nodiscard]] PeerId peer_of(std::size_t node);
// The place of a node.
[[nodiscard]] inline std::size_t place_of(NodeId id) noexcept {
  return (id.value - 1) % id_stride;
}

}  // namespace aspen::sim
