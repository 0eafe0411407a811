// The driver of one core, as the RaftActor drives it: inputs wait in lanes, a turn steps them all
// and flushes once, sends wait for the disk, committed ranges go to the state machine. It can crash
// between any two of these, stop for a while, and boot from what its disk kept.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "node/raft/core.h"
#include "tests/sim/dice.h"
#include "tests/sim/model_disk.h"
#include "tests/sim/model_state.h"
#include "tests/sim/world.h"

namespace aspen::sim {

// Places at which an armed replica crashes.
enum class CrashPoint : std::uint8_t {
  none,
  before_sends,       // a turn was flushed, nothing left yet
  before_io,          // sends that need no disk left, the LogIo was not submitted
  after_io,           // the LogIo was submitted
  at_durable,         // the disk is done, the core does not know
  after_release,      // the sends that waited for the disk left
  at_apply,           // a range was applied, nobody was answered
  at_state,           // the state became durable
  as_leader,          // just elected
  at_commit,          // a leader knows that something is committed, and told nobody
  snapshot_staged,    // all its files are here, the state is the old one
  snapshot_switched,  // the state is the new one, the log does not know
};
inline constexpr std::uint64_t crash_points = 11;  // but none

class Replica {
 public:
  Replica(World& world, std::size_t node);

  // Before the first boot: the disk of a node that knows the configuration, or an empty one.
  void format(const std::vector<Entry>& entries);
  void boot();
  // Precondition: up.
  void crash();
  void pause(Time duration);
  void arm(CrashPoint point) noexcept { armed_ = point; }
  void heal();
  // Its disk is lost: it is another node, under this name. Precondition: down.
  void wipe(const PeerId& self);

  [[nodiscard]] const PeerId& self() const noexcept { return self_; }
  [[nodiscard]] bool up() const noexcept { return core_.has_value(); }
  [[nodiscard]] bool running() const noexcept { return up() && !paused_; }
  [[nodiscard]] std::uint32_t boots() const noexcept { return boots_; }
  [[nodiscard]] const raft::Core& core() const { return *core_; }
  [[nodiscard]] const ModelDisk& disk() const noexcept { return disk_; }
  [[nodiscard]] ModelDisk& disk() noexcept { return disk_; }
  [[nodiscard]] const ModelState& state() const noexcept { return state_; }
  [[nodiscard]] raft::SoftState soft() const noexcept { return soft_; }

  // Inputs from outside; they are lost if the replica is down.
  void receive(const PeerId& from, raft::Message message);
  // What an operator asks for, or the sender of a snapshot learns.
  void tell(raft::Input input);
  // A snapshot is here as a whole; it switches to it if it is ahead of the own state.
  void install(std::size_t place, const raft::SnapshotMeta& meta, const ModelState& state);
  void propose(std::uint64_t operation, Bytes payload);
  void read(std::uint64_t operation);
  void link(std::size_t peer, bool up);
  void campaign();
  // An event of its own. Those of a former boot are dropped.
  void on(Task task, std::uint32_t boot, std::uint64_t argument);

 private:
  enum class Lane : std::uint8_t { disk, messages, reads, proposals };
  struct WaitingRead {
    Index index;
    std::uint64_t operation;
  };

  void schedule(Time at, Task task, std::uint64_t argument = 0);
  void enqueue(Lane lane, raft::Input input);
  void turn();
  void act(raft::Effects& effects);
  // The core's, with what is known of single inputs (replica_checks.cc).
  void step(raft::Input input);
  void step_transfer_result(raft::SnapshotSent sent);
  void check_tick();
  void check_change(const std::vector<Entry>& append);
  void submit(const raft::LogIo& io);
  void open_state();
  void start_disk();
  void on_disk_done();
  void on_durable(raft::IoId io);
  void dispatch_send(raft::Send& send);
  void send_append(const PeerId& to, const raft::AppendSpec& spec);
  void on_commit(const raft::CommitRange& range);
  void start_apply();
  void on_apply_done();
  void serve_reads();
  void on_state_durable();
  void on_tick();
  void purge(Index through);
  void on_soft(const raft::SoftState& soft);
  void check_leader_commit();
  // True if it crashed here.
  bool crash_at(CrashPoint point);

  World& world_;
  std::size_t node_;
  Dice dice_;
  ModelDisk disk_;
  ModelState state_;          // as applied
  ModelState state_durable_;  // as it would be after a crash
  Index snapshot_;            // where the newest snapshot stands that it switched to
  PeerId self_;
  std::optional<raft::Core> core_;
  raft::SoftState soft_;
  bool transfers_ = false;            // it was asked to hand over, in this life
  std::uint32_t transfer_ticks_ = 0;  // since the transfer under way was first seen
  std::uint32_t boots_ = 0;
  bool paused_ = false;
  CrashPoint armed_ = CrashPoint::none;
  Time tick_period_;

  std::array<std::vector<raft::Input>, 4> lanes_;
  bool turn_due_ = false;
  std::uint64_t writes_started_ = 0;  // of the disk; an end of another one is stale
  raft::IoId durable_;                // told to the core
  std::vector<raft::Send> parked_;    // until the disk is done
  struct LateAppend {
    PeerId to;
    raft::AppendSpec spec;
  };
  std::vector<LateAppend> late_;
  Index elected_commit_;  // the commit index when it became the leader
  Index commit_;          // end of the last range
  Index applying_;        // end of the range being applied, 0 if none
  std::vector<WaitingRead> reads_;
};

}  // namespace aspen::sim
