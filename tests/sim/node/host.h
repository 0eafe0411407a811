// One machine and the node's process on it, wired as production wires it (node/assembly.cc) over
// simulated ports: a file system that forgets what was not synced, a state store that loses what
// was not flushed, a disk that takes its time, and clocks. The disk outlives the process. A process
// that ends by itself is started again after a while, as a service manager does.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "node/actor/sim_system.h"
#include "node/cluster/node_server.h"
#include "node/cluster_peers.h"
#include "node/file_identity_store.h"
#include "node/gateway/gateway.h"
#include "node/replica/node_actor.h"
#include "node/replica/raft_actor.h"
#include "tests/cluster/toy_authenticator.h"
#include "tests/contract/memory_state_store.h"
#include "tests/contract/sim_file_system.h"
#include "tests/sim/dice.h"
#include "tests/sim/node/history.h"
#include "tests/sim/node/plan.h"

namespace aspen::sim::node {

class World;

[[nodiscard]] constexpr Duration to_duration(Time time) noexcept {
  return std::chrono::microseconds(time);
}

class HostEntropy final : public Entropy {
 public:
  explicit HostEntropy(const Prng& prng) : prng_(prng) {}
  void fill(std::span<std::byte> space) noexcept override {
    for (std::byte& byte : space) byte = static_cast<std::byte>(prng_.next());
  }

 private:
  Prng prng_;
};

class HostClock final : public Clock {
 public:
  explicit HostClock(const Clock& world) : world_(world) {}
  [[nodiscard]] Instant now() const noexcept override { return world_.now(); }
  [[nodiscard]] WallTime wall() const noexcept override { return world_.wall() + offset; }
  Duration offset{};

 private:
  const Clock& world_;
};

class Host final : private Fatal, private LogSink {
 public:
  Host(World& world, std::size_t number);
  ~Host() override;
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  void start();
  // The process dies at once; with `power` the machine too. It starts again after `down`.
  void crash(contract::Crash kind, Time down);
  // The same after so many turns of its actors.
  void crash_after(std::uint64_t turns, Time down);
  // The machine loses power in the so many-th call of the file system from now.
  void crash_at_io(std::uint64_t calls, Time down);
  // That call fails.
  void fail_at_io(std::uint64_t calls, Time down);
  // An ordered stop, and the next start after `down`.
  void stop(Time down);
  void pause(Time duration);
  // An actor of it, chosen by `choice`, fails as if by a mistake of its own.
  void kill_actor(std::uint64_t choice);
  // The machine is exchanged: it starts again after `down` with an empty disk.
  void lose_disk(Time down);
  void stall(Time duration);
  void slow_down(std::uint64_t factor, Time duration);
  // No room but `bytes` for a while.
  void fill(std::uint64_t bytes, Time duration);
  void set_clock(Duration offset) { clock_.offset = offset; }
  // All faults of this machine end; if it is down it starts.
  void heal();
  // It never starts again.
  void retire() { retired_ = true; }

  [[nodiscard]] bool up() const noexcept { return process_ != nullptr; }
  // It takes connections.
  [[nodiscard]] bool serves() const noexcept;
  [[nodiscard]] std::uint32_t boots() const noexcept { return boots_; }
  // Precondition: up().
  [[nodiscard]] gateway::Gateway& gateway() noexcept;
  [[nodiscard]] std::size_t number() const noexcept { return number_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] std::string peer_address() const { return name_ + ":2380"; }
  [[nodiscard]] std::uint64_t disk_operations() const {
    return lost_operations_ + disk_->files.operations();
  }
  // What its state store holds.
  [[nodiscard]] const History::Rows& rows() const noexcept { return disk_->state.rows(); }
  // Of its data directory, as of the last start; empty before the first one of this disk.
  [[nodiscard]] const Incarnation& incarnation() const noexcept { return incarnation_; }
  // The cluster removed it, and it knows.
  [[nodiscard]] bool sealed() const noexcept { return sealed_; }

  // Compares what its state store has new with the history, and asks the replica for its view.
  void observe();
  // As of the last observation of this life; empty if there is none.
  [[nodiscard]] const replica::ReplicaView& view() const noexcept { return view_; }
  [[nodiscard]] bool leads() const noexcept {
    return up() && view_.running && view_.raft.soft.role == raft::RoleState::leader;
  }

 private:
  struct Process;
  struct Disk {
    Disk();
    contract::SimFileSystem files;
    contract::MemoryStateStore state{files};
    FileIdentityStore identity;
  };

  void fail(std::string_view component, const Error& error) noexcept override;
  void write(LogLevel level, std::string_view component, std::string_view message,
             std::initializer_list<LogField> fields) override;

  void take(replica::ReplicaView&& view);
  void note(std::string_view message, std::initializer_list<LogField> fields);
  // False, and the process is over, if it could not start.
  [[nodiscard]] bool begin();
  [[nodiscard]] Result<void> load_identity();
  void spawn();
  [[nodiscard]] Result<std::shared_ptr<LogStore>> open_log(const replica::Identity& identity);
  [[nodiscard]] Duration turn_delay(std::size_t worker);
  // The process must end, for a reason of its own; it is not run any further.
  void end_itself(const Error& error);
  void end_process(contract::Crash kind);
  enum class Dark : std::uint8_t { no, yes };
  void set_dark(Dark dark);
  void start_after(Time down);
  void await_stop(Time down, Time deadline);
  void flush_sometimes();
  [[nodiscard]] bool io_fault_struck() const;

  World& world_;
  const std::size_t number_;
  const std::string name_;
  Dice disk_dice_;
  Prng crash_prng_;
  HostClock clock_;
  HostEntropy entropy_;
  cluster::ToyAuthenticator authenticator_;
  NullTelemetry telemetry_;
  std::unique_ptr<Disk> disk_;
  std::uint64_t lost_operations_ = 0;  // of disks that are gone
  Incarnation incarnation_;
  bool sealed_ = false;
  std::unique_ptr<Process> process_;
  std::uint32_t boots_ = 0;
  Time started_at_ = 0;
  std::uint64_t replicas_started_ = 0;  // in this life
  Cursor cursor_;
  replica::ReplicaView view_;
  bool actor_killed_ = false;  // in this life
  bool ending_ = false;        // the process is over, its end is an event of this instant
  bool retired_ = false;
  bool healed_ = false;
  Dark dark_ = Dark::no;  // without power: nothing goes to it or comes from it
  Time stalled_until_ = 0;
  Time slow_until_ = 0;
  std::uint64_t slowness_ = 1;
  Time full_until_ = 0;
  std::uint64_t io_fault_at_ = 0;  // the call that fails, 0: none
  bool io_failed_ = false;         // an earlier one has, in this life
  Time down_after_end_ = 0;
};

}  // namespace aspen::sim::node
