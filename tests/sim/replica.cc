#include "tests/sim/replica.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "node/base/assert.h"
#include "tests/sim/operator.h"
#include "tests/sim/slips.h"
#include "tests/sim/workload.h"

namespace aspen::sim {

namespace {

constexpr std::size_t lane_inputs_max = 20'000;

std::size_t number_of(const PeerId& peer) {
  return place_of(peer.id);
}

}  // namespace

Replica::Replica(World& world, std::size_t node)
    : world_(world),
      node_(node),
      dice_(world.stream("driver", node)),
      disk_(world.plan().disk, Dice(world.stream("disk", node))),
      self_(peer_of(node)),
      tick_period_(tick_period) {
  const std::uint64_t skew = world.plan().driver.tick_skew_ppm;
  const std::uint64_t parts = 1'000'000 - skew + dice_.below(2 * skew + 1);
  tick_period_ = tick_period * parts / 1'000'000;
}

void Replica::format(const std::vector<Entry>& entries) {
  HardState hard_state;
  if (!entries.empty()) hard_state.term = entries.back().id.term;
  disk_.format(hard_state, entries);
}

void Replica::boot() {
  ASPEN_ASSERT(!up());
  ++boots_;
  open_state();
  world_.oracle().booted(node_, state_durable_.applied);
  if (world_.oracle().violated()) return;
  state_ = state_durable_;
  raft::BootState boot = disk_.durable().recover();
  boot.self = self_;
  boot.applied = state_.applied;
  boot.seed = world_.stream("core", node_ + nodes_max * boots_).next();
  boot.tuning = world_.plan().tuning;
  world_.record({.what = What::booted,
                 .node = static_cast<std::uint8_t>(node_),
                 .values = {boot.hard_state.term.value, boot.last.value, boot.purged.index.value,
                            boot.applied.value}});
  core_.emplace(std::move(boot));
  soft_ = core_->soft();
  durable_ = {};
  commit_ = state_.applied;
  applying_ = {};
  schedule(world_.now() + dice_.below(tick_period_), Task::tick);
  schedule(world_.now() + dice_.below(world_.plan().driver.state_every) + 1, Task::state_durable);
}

// A crash between the switch of the state and the reset of the log leaves a state that the log does
// not lead to: then the log is reset now.
void Replica::open_state() {
  if (slips(Slip::log_not_reset_at_start)) return;
  const LogImage& log = disk_.durable();
  const LogId applied = state_durable_.id();
  if (applied.index != snapshot_ || applied.index < log.purged().index) return;
  if (applied.index.value == 0 || log.term_at(applied.index) == applied.term) return;
  disk_.adopt({applied, state_durable_.config}, state_durable_.chain);
  world_.oracle().disk_changed(node_);
}

void Replica::wipe(const PeerId& self) {
  ASPEN_ASSERT(!up());
  world_.oracle().lose(node_);
  self_ = self;
  disk_ = ModelDisk(world_.plan().disk, Dice(world_.stream("disk", node_ + nodes_max * ++boots_)));
  state_ = state_durable_ = {};
  snapshot_ = {};
  world_.oracle().identify(node_, self);
}

void Replica::crash() {
  ASPEN_ASSERT(up());
  const auto loss = disk_.crash();
  // The state store may have written more than it told.
  if (dice_.percent(30)) state_durable_ = state_;
  world_.record({.what = What::crashed,
                 .node = static_cast<std::uint8_t>(node_),
                 .values = {loss.kept, loss.waiting, state_durable_.applied.value}});
  ++world_.counters().crashes;
  if (loss.kept < loss.waiting) ++world_.counters().crashes_with_loss;
  world_.oracle().disk_changed(node_);
  core_.reset();
  soft_ = {};
  transfers_ = false;
  transfer_ticks_ = 0;
  for (auto& lane : lanes_) lane.clear();
  parked_.clear();
  late_.clear();
  reads_.clear();
  turn_due_ = false;
  paused_ = false;
  armed_ = CrashPoint::none;
}

bool Replica::crash_at(CrashPoint point) {
  if (armed_ != point || world_.healed()) return false;
  crash();
  const Time duration =
      world_.plan().faults[static_cast<std::size_t>(Family::crash_armed)].duration;
  world_.schedule(world_.now() + dice_.exponential(duration) + 1, Task::restart, node_, boots_);
  return true;
}

void Replica::pause(Time duration) {
  if (!running()) return;
  paused_ = true;
  world_.record(
      {.what = What::paused, .node = static_cast<std::uint8_t>(node_), .values = {duration}});
  schedule(world_.now() + duration, Task::resume);
}

void Replica::heal() {
  tick_period_ = tick_period;
  armed_ = CrashPoint::none;
  disk_.heal();
  if (up() && disk_.busy()) schedule(world_.now(), Task::disk_done, ++writes_started_);
  if (up() && paused_) on(Task::resume, boots_, 0);
}

void Replica::schedule(Time at, Task task, std::uint64_t argument) {
  world_.schedule(at, task, node_ + 8 * std::uint64_t{boots_}, argument);
}

// ---- inputs

void Replica::receive(const PeerId& from, raft::Message message) {
  enqueue(Lane::messages, raft::Received{from, std::move(message)});
}

void Replica::tell(raft::Input input) {
  if (up()) enqueue(Lane::proposals, std::move(input));
}

void Replica::propose(std::uint64_t operation, Bytes payload) {
  enqueue(Lane::proposals,
          raft::Propose{raft::RequestId(operation), EntryKind::command, std::move(payload)});
}

void Replica::read(std::uint64_t operation) {
  enqueue(Lane::reads, raft::Read{raft::RequestId(operation)});
}

void Replica::link(std::size_t peer, bool is_up) {
  if (up()) enqueue(Lane::messages, raft::PeerLink{world_.replica(peer).self(), is_up});
}

void Replica::campaign() {
  if (up()) enqueue(Lane::messages, raft::Campaign{});
}

void Replica::on(Task task, std::uint32_t boot, std::uint64_t argument) {
  if (!up() || boot != boots_) return;
  switch (task) {
    case Task::tick:
      return on_tick();
    case Task::turn:
      return turn();
    case Task::disk_done:
      if (argument == writes_started_) on_disk_done();
      return;
    case Task::durable:
      return enqueue(Lane::disk, raft::LogDurable{raft::IoId(argument)});
    case Task::apply_done:
      return on_apply_done();
    case Task::state_durable:
      return on_state_durable();
    case Task::late_append:
      return send_append(late_[argument].to, late_[argument].spec);
    case Task::resume:
      if (!paused_) return;
      paused_ = false;
      world_.record({.what = What::resumed, .node = static_cast<std::uint8_t>(node_)});
      if (applying_) on_apply_done();
      if (!up()) return;
      start_disk();
      return turn();
    case Task::deliver:
    case Task::restart:
    case Task::client:
    case Task::fault:
    case Task::fault_end:
    case Task::snapshot_here:
    case Task::snapshot_end:
      break;
  }
  ASPEN_UNREACHABLE();
}

void Replica::enqueue(Lane lane, raft::Input input) {
  if (!up()) return;
  auto& inputs = lanes_[static_cast<std::size_t>(lane)];
  if (inputs.size() >= lane_inputs_max && lane != Lane::disk) return;
  inputs.push_back(std::move(input));
  if (turn_due_ || paused_) return;
  const Time delay = world_.plan().driver.turn;
  if (delay == 0) return turn();
  turn_due_ = true;
  schedule(world_.now() + dice_.exponential(delay) + 1, Task::turn);
}

void Replica::on_tick() {
  schedule(world_.now() + tick_period_, Task::tick);
  if (!paused_) enqueue(Lane::messages, raft::Tick{});
}

// ---- a turn

void Replica::turn() {
  turn_due_ = false;
  if (paused_ || world_.oracle().violated()) return;
  raft::IoId durable = durable_;
  for (const raft::Input& input : lanes_[static_cast<std::size_t>(Lane::disk)]) {
    if (const auto* done = std::get_if<raft::LogDurable>(&input)) {
      durable = std::max(durable, done->io);
    }
  }
  if (durable > durable_) on_durable(durable);
  if (!up()) return;
  for (auto& lane : lanes_) {
    world_.counters().inputs += lane.size();
    for (raft::Input& input : lane) {
      step(std::move(input));
    }
    lane.clear();
  }
  raft::Effects effects = core_->flush();
  core_->invariants();
  if (effects.config) world_.operators().in_force(node_, *effects.config);
  act(effects);
}

void Replica::act(raft::Effects& effects) {
  if (effects.soft) on_soft(*effects.soft);
  if (!up() || crash_at(CrashPoint::before_sends)) return;
  if (effects.commit.through > effects.commit.after && soft_.role == raft::RoleState::leader) {
    check_leader_commit();
    if (armed_ == CrashPoint::at_commit) {
      on_commit(effects.commit);
      if (crash_at(CrashPoint::at_commit)) return;
      effects.commit.after = effects.commit.through;
    }
  }
  for (raft::Send& send : effects.sends) {
    if (send.after <= durable_) dispatch_send(send);
  }
  if (effects.io) {
    if (crash_at(CrashPoint::before_io)) return;
    submit(*effects.io);
    if (crash_at(CrashPoint::after_io)) return;
  }
  for (raft::Send& send : effects.sends) {
    if (send.after > durable_) parked_.push_back(std::move(send));
  }
  if (effects.commit.through > effects.commit.after) on_commit(effects.commit);
  for (const raft::ReadGrant& grant : effects.reads) {
    world_.record({.what = What::granted,
                   .node = static_cast<std::uint8_t>(node_),
                   .values = {grant.request.value, grant.index.value}});
    world_.workload().granted(grant.request.value, grant.index);
    reads_.push_back({grant.index, grant.request.value});
  }
  serve_reads();
  for (const raft::Completion& completion : effects.completions) {
    if (Operator::is_own(completion.request)) {
      world_.operators().completed(node_, completion);
    } else {
      world_.workload().completed(node_, completion);
    }
  }
  for (const raft::SnapshotRequest& request : effects.snapshots) {
    world_.send_snapshot(node_, request);
  }
  if (effects.purge) purge(*effects.purge);
}

void Replica::on_soft(const raft::SoftState& soft) {
  const bool elected = soft.role == raft::RoleState::leader && soft_.role != soft.role;
  if (soft.removed && !soft_.removed) ++world_.counters().removed;
  soft_ = soft;
  world_.record(
      {.what = What::role,
       .node = static_cast<std::uint8_t>(node_),
       .values = {static_cast<std::uint64_t>(soft.role), soft.term.value, soft.leader.value}});
  if (!elected) return;
  elected_commit_ = core_->metrics().commit.index;
  world_.oracle().became_leader(node_, soft.term);
  crash_at(CrashPoint::as_leader);
}

// Thesis 3.6.2: what a leader learns to be committed by counting ends with an entry of its term.
void Replica::check_leader_commit() {
  const Index commit = core_->metrics().commit.index;
  if (world_.oracle().insight() == Insight::outside) return;
  if (commit == elected_commit_ || core_->term_at(commit) == soft_.term) return;
  if (commit <= disk_.view().purged().index) return;
  world_.oracle().violate(
      "a leader counts entries of its own term (P5)",
      fmt::format("n{} leads in term {} and commits {} of term {}", node_, soft_.term.value,
                  commit.value, core_->term_at(commit).value_or(Term()).value));
}

void Replica::purge(Index through) {
  if (through <= disk_.view().purged().index) return;
  if (!dice_.percent(world_.plan().driver.purge_percent)) return;
  world_.record(
      {.what = What::purged, .node = static_cast<std::uint8_t>(node_), .values = {through.value}});
  world_.oracle().purged(node_, through, state_durable_.applied);
  if (world_.oracle().violated()) return;
  ++world_.counters().purges;
  disk_.purge(through);
  start_disk();
}

// ---- the disk

void Replica::submit(const raft::LogIo& io) {
  const auto& append = io.append;
  world_.record({.what = What::io,
                 .node = static_cast<std::uint8_t>(node_),
                 .values = {io.id.value, io.truncate_from ? io.truncate_from->value : 0,
                            io.hard_state ? io.hard_state->term.value : 0,
                            append.empty() ? 0 : append.front().id.index.value,
                            append.empty() ? 0 : append.back().id.index.value}});
  if (io.truncate_from && *io.truncate_from <= commit_) {
    return world_.oracle().violate("truncation stays above the commit index",
                                   fmt::format("n{} truncates from {}, it committed {}", node_,
                                               io.truncate_from->value, commit_.value));
  }
  if (io.reset) ASPEN_ASSERT(io.reset->id == state_.id() || io.reset->id.index < state_.applied);
  check_change(append);
  disk_.submit(io, io.reset ? state_.chain : 0);
  for (const Entry& entry : append) world_.oracle().appended(node_, entry.id);
  start_disk();
}

void Replica::start_disk() {
  if (paused_) return;
  if (const auto done = disk_.start(world_.now())) {
    schedule(*done, Task::disk_done, ++writes_started_);
  }
}

void Replica::on_disk_done() {
  raft::IoId last = disk_.finish();
  if (slips(Slip::completion_out_of_order) && disk_.newest()) last = disk_.newest();
  world_.oracle().disk_changed(node_);
  const LogImage& durable = disk_.durable();
  world_.record({.what = What::durable,
                 .node = static_cast<std::uint8_t>(node_),
                 .values = {last.value, durable.hard_state.term.value, durable.last().value}});
  if (crash_at(CrashPoint::at_durable)) return;
  start_disk();
  if (!last) return;
  const DriverPlan& driver = world_.plan().driver;
  if (dice_.ppm(driver.durable_twice_ppm)) {
    schedule(world_.now() + dice_.exponential(tick_period_), Task::durable, last.value);
  }
  if (driver.completion_late == 0) return enqueue(Lane::disk, raft::LogDurable{last});
  schedule(world_.now() + dice_.below(driver.completion_late) + 1, Task::durable, last.value);
}

void Replica::on_durable(raft::IoId io) {
  durable_ = io;
  std::size_t kept = 0;
  for (raft::Send& send : parked_) {
    if (send.after <= io) {
      dispatch_send(send);
    } else {
      parked_[kept++] = std::move(send);
    }
  }
  parked_.resize(kept);
  crash_at(CrashPoint::after_release);
}

// ---- sends

void Replica::dispatch_send(raft::Send& send) {
  ASPEN_ASSERT(number_of(send.to) < world_.nodes());
  if (number_of(send.to) == node_) return;  // a former node of this place
  if (auto* message = std::get_if<raft::Message>(&send.what)) {
    return world_.send(node_, send.to, std::move(*message));
  }
  const auto& spec = std::get<raft::AppendSpec>(send.what);
  ASPEN_ASSERT(spec.lo <= spec.hi && spec.prev.index + 1 == spec.lo);
  if (!dice_.ppm(world_.plan().driver.append_late_ppm)) return send_append(send.to, spec);
  late_.push_back({send.to, spec});
  schedule(world_.now() + dice_.exponential(2 * tick_period_) + 1, Task::late_append,
           late_.size() - 1);
}

void Replica::send_append(const PeerId& to, const raft::AppendSpec& spec) {
  const LogImage& log = disk_.view();
  if (paused_ || !core_->wants(to, spec)) return;
  if (log.term_at(spec.hi) != spec.term_hi || spec.lo <= log.purged().index) return;
  raft::Append append{spec.term, spec.prev, {}, spec.commit, spec.epoch};
  // The driver sends as many as it likes, at least one.
  std::uint64_t count = distance(spec.lo, spec.hi) + 1;
  if (dice_.ppm(world_.plan().driver.append_short_ppm)) count = dice_.between(1, count);
  append.entries.reserve(count);
  for (Index i = spec.lo; i < spec.lo + count; i = i + 1)
    append.entries.push_back(log.at(i)->entry);
  world_.send(node_, to, std::move(append));
}

}  // namespace aspen::sim
