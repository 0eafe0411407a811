#include "tests/sim/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "node/base/assert.h"
#include "node/base/membership.h"
#include "node/wire/raft_codec.h"
#include "tests/sim/faults.h"
#include "tests/sim/operator.h"
#include "tests/sim/replica.h"
#include "tests/sim/workload.h"

namespace aspen::sim {

namespace {

// Of a run; the busiest need a hundredth.
constexpr std::uint64_t events_max = 10'000'000;

bool later(const Event& a, const Event& b) {
  return a.time != b.time ? a.time > b.time : a.sequence > b.sequence;
}

Entry configuration(std::size_t nodes) {
  Config config;
  for (std::size_t i = 0; i < nodes; ++i) {
    Member member;
    member.peer = peer_of(i);
    member.name = fmt::format("n{}", i);
    config.members.push_back(member);
  }
  return {LogId{Term(1), Index(1)}, EntryKind::config, Bytes(encode(config))};
}

}  // namespace

PeerId peer_of(std::size_t node) {
  return {NodeId(node + 1), Incarnation{0xa5, node + 1}};
}

void Counters::add(const Counters& other) {
  static_assert(sizeof(Counters) % sizeof(std::uint64_t) == 0);
  simulated_us += other.simulated_us;
  events += other.events;
  inputs += other.inputs;
  messages += other.messages;
  messages_lost += other.messages_lost;
  elections += other.elections;
  entries += other.entries;
  writes_done += other.writes_done;
  reads_done += other.reads_done;
  refused += other.refused;
  unknown += other.unknown;
  crashes += other.crashes;
  crashes_with_loss += other.crashes_with_loss;
  pauses += other.pauses;
  cuts += other.cuts;
  stalls += other.stalls;
  hints += other.hints;
  purges += other.purges;
  changes += other.changes;
  changes_refused += other.changes_refused;
  transfers += other.transfers;
  removed += other.removed;
  lost_disks += other.lost_disks;
  snapshots += other.snapshots;
  wgl_steps += other.wgl_steps;
  wgl_undecided += other.wgl_undecided;
}

World::World(const Plan& plan, WorldOptions options)
    : plan_(plan),
      root_(plan.seed),
      trace_(options.print),
      oracle_(plan.nodes, options.insight),
      network_(plan.network, plan.nodes, Dice(root_.split("network"))) {
  ASPEN_ASSERT(plan.nodes >= plan.members && plan.nodes <= nodes_max);
  for (std::size_t i = 0; i < plan.nodes; ++i) {
    replicas_.push_back(std::make_unique<Replica>(*this, i));
    oracle_.watch(i, &replicas_[i]->disk());
    oracle_.identify(i, peer_of(i));
  }
  oracle_.expect_early_purges(plan.purges_early());
  workload_ = std::make_unique<Workload>(*this);
  operator_ = std::make_unique<Operator>(*this);
  faults_ = std::make_unique<Faults>(*this);
}

World::~World() = default;

void World::schedule(Time at, Task task, std::uint64_t subject, std::uint64_t argument) {
  ASPEN_ASSERT(at >= now_);
  heap_.push_back({at, ++sequence_, argument, static_cast<std::uint32_t>(subject), task});
  std::push_heap(heap_.begin(), heap_.end(), later);
}

void World::record(Record record) {
  record.time = now_;
  trace_.add(record);
}

std::size_t World::leader() const {
  std::size_t best = 0;
  Term term;
  for (std::size_t i = 0; i < replicas_.size(); ++i) {
    const auto soft = replicas_[i]->soft();
    if (soft.role != raft::RoleState::leader || soft.term <= term) continue;
    best = i;
    term = soft.term;
  }
  return best;
}

// ---- messages

void World::send(std::size_t from, const PeerId& receiver, raft::Message message) {
  const std::size_t to = place_of(receiver.id);
  oracle_.sent(from, to, message);
  ++counters_.messages;
  const auto at = network_.arrival(from, to, now_);
  Record r = record_of(at ? What::sent : What::dropped, message);
  r.node = static_cast<std::uint8_t>(from);
  r.peer = static_cast<std::uint8_t>(to);
  record(r);
  if (!at) {
    ++counters_.messages_lost;
    return;
  }
  Flight flight{r.node, r.peer, replicas_[from]->self(), receiver, {}, {}};
  if (network_.encoded()) {
    flight.encoded = wire::encode(message);
  } else {
    flight.message = std::move(message);
  }
  if (network_.twice()) {
    if (const auto again = network_.arrival(from, to, now_)) put_in_flight(flight, *again);
  }
  put_in_flight(std::move(flight), *at);
}

void World::put_in_flight(Flight flight, Time at) {
  std::size_t place = flights_.size();
  if (free_flights_.empty()) {
    flights_.push_back(std::move(flight));
  } else {
    place = free_flights_.back();
    free_flights_.pop_back();
    flights_[place] = std::move(flight);
  }
  schedule(at, Task::deliver, 0, place);
}

void World::deliver(std::size_t place) {
  Flight flight = std::move(flights_[place]);
  flights_[place] = {};
  free_flights_.push_back(place);
  if (flight.to == nobody) return;
  if (network_.encoded()) {
    auto decoded = wire::decode_raft(flight.encoded);
    if (!decoded) return oracle_.violate("what is encoded decodes", decoded.error().what);
    flight.message = std::move(*decoded);
  }
  Replica& replica = *replicas_[flight.to];
  // A link is authenticated: it leads to the node that it was made for.
  const bool arrives = replica.up() && network_.open(flight.from, flight.to) &&
                       replica.self().id == flight.receiver.id;
  Record r = record_of(arrives ? What::received : What::dropped, flight.message);
  r.node = arrives ? flight.to : flight.from;
  r.peer = arrives ? flight.from : flight.to;
  record(r);
  if (arrives) replica.receive(flight.sender, std::move(flight.message));
}

// ---- snapshots

void World::send_snapshot(std::size_t from, const raft::SnapshotRequest& request) {
  const Replica& sender = *replicas_[from];
  const ModelState& state = sender.state();
  ASPEN_ASSERT(state.applied >= request.at_least);
  snapshots_.push_back(
      {from, sender.boots(), request, {state.id(), sender.core().config_at(state.applied)}, state});
  record({.what = What::snapshot,
          .node = static_cast<std::uint8_t>(from),
          .values = {snapshots_.size() - 1, 0, state.applied.value}});
  Dice dice(root_.split("snapshot", snapshots_.size()));
  // When all has healed nothing is that slow any more.
  const Time mean =
      healed_ ? std::min(plan_.snapshots.transfer, 20 * millisecond) : plan_.snapshots.transfer;
  const Time takes = dice.exponential(mean) + 1;
  const bool breaks = !healed_ && dice.percent(plan_.snapshots.fail_percent);
  snapshots_.back().here = breaks;
  schedule(now_ + takes, breaks ? Task::snapshot_end : Task::snapshot_here, from,
           snapshots_.size() - 1);
}

void World::snapshot_arrives(std::size_t place) {
  if (std::exchange(snapshots_[place].here, true)) return;
  const Snapshot& snapshot = snapshots_[place];
  const std::size_t to = place_of(snapshot.request.to.id);
  Replica& receiver = *replicas_[to];
  const bool linked = network_.open(snapshot.from, to) && network_.open(to, snapshot.from);
  const bool right = snapshot.request.to.incarnation.empty()
                         ? receiver.self().id == snapshot.request.to.id
                         : receiver.self() == snapshot.request.to;
  if (!receiver.running() || !linked || !right) {
    return snapshot_ended(place, raft::SnapshotResult::failed);
  }
  receiver.install(place, snapshot.meta, snapshot.state);
}

void World::snapshot_ended(std::size_t place, raft::SnapshotResult result) {
  snapshots_[place].result = result;
  schedule(now_ + 50 * millisecond, Task::snapshot_end, snapshots_[place].from, place);
}

// ---- the run

void World::start() {
  const std::vector<Entry> first{configuration(plan_.members)};
  for (std::size_t i = 0; i < replicas_.size(); ++i) {
    const bool knows = i == 0 || (!plan_.initialised_by_one && i < plan_.members);
    replicas_[i]->format(knows ? first : std::vector<Entry>{});
    oracle_.disk_changed(i);
  }
  oracle_.appended(0, first[0].id);
  for (auto& replica : replicas_) replica->boot();
  if (plan_.initialised_by_one) replicas_[0]->campaign();
  workload_->start();
  faults_->start();
}

void World::dispatch(const Event& event) {
  switch (event.task) {
    case Task::deliver:
      return deliver(event.argument);
    case Task::restart: {
      Replica& replica = *replicas_[event.subject];
      if (!replica.up() && replica.boots() == event.argument) replica.boot();
      return;
    }
    case Task::client:
      return workload_->on_turn(event.subject, event.argument);
    case Task::fault:
      return faults_->on_fault(static_cast<Family>(event.subject));
    case Task::fault_end:
      return faults_->on_end(event.argument);
    case Task::snapshot_here:
      return snapshot_arrives(event.argument);
    case Task::snapshot_end: {
      Snapshot& s = snapshots_[event.argument];
      if (std::exchange(s.ended, true)) return;
      Replica& sender = *replicas_[s.from];
      const bool installed = s.result == raft::SnapshotResult::installed;
      record({.what = What::snapshot,
              .node = static_cast<std::uint8_t>(s.from),
              .values = {event.argument, installed ? 2U : 1U, s.meta.id.index.value}});
      if (!sender.up() || sender.boots() != s.boot) return;
      return sender.tell(raft::SnapshotSent{s.request.to, s.request.epoch, s.meta.id, s.result});
    }
    case Task::tick:
    case Task::turn:
    case Task::disk_done:
    case Task::durable:
    case Task::apply_done:
    case Task::state_durable:
    case Task::late_append:
    case Task::resume:
      return replicas_[event.subject % 8]->on(event.task, event.subject / 8, event.argument);
  }
}

template <class Done>
bool World::run_until(Time end, Done done) {
  while (!oracle_.violated() && !done()) {
    if (heap_.empty() || heap_.front().time > end) {
      now_ = end;
      return false;
    }
    std::pop_heap(heap_.begin(), heap_.end(), later);
    const Event event = heap_.back();
    heap_.pop_back();
    now_ = event.time;
    if (++counters_.events > events_max) {
      oracle_.violate("the work of a run is bounded",
                      "events without end: messages beget messages");
    }
    dispatch(event);
  }
  return true;
}

template bool World::run_until(Time, std::function<bool()>);

// A core that differs between two executions of a seed shows even if it did the same so far.
void World::record_cores() {
  for (std::size_t i = 0; i < replicas_.size(); ++i) {
    if (!replicas_[i]->up()) continue;
    record({.what = What::checked,
            .node = static_cast<std::uint8_t>(i),
            .values = {replicas_[i]->core().hash()}});
  }
}

void World::heal() {
  record_cores();
  healed_ = true;
  record({.what = What::healed});
  network_.heal();
  Dice dice(root_.split("outside"));
  const std::uint64_t how = dice.below(100);
  const bool bridged = how < 15 && leave_a_bridge(dice);
  if (!bridged && how < 50) leave_one_outside(dice);
  for (auto& replica : replicas_) {
    replica->heal();
    if (!replica->up()) replica->boot();
    spread_ = std::max(spread_, replica->disk().view().last().value);
  }
  // Nothing is slow any more.
  for (std::size_t i = 0; i < snapshots_.size(); ++i) {
    const Task next = snapshots_[i].here ? Task::snapshot_end : Task::snapshot_here;
    schedule(now_ + 20 * millisecond, next, snapshots_[i].from, i);
  }
  workload_->heal();
  operator_->heal();
}

Report World::run() {
  start();
  run_until(plan_.horizon, [] { return false; });
  if (!oracle_.violated()) heal();
  if (!oracle_.violated()) check_recovery();
  if (!oracle_.violated()) check_end();
  counters_.simulated_us = now_;
  counters_.elections = oracle_.elections();
  counters_.entries = oracle_.committed_last().value;
  Report report;
  report.seed = plan_.seed;
  report.violation = oracle_.violation();
  report.trace_hash = trace_.hash();
  report.counters = counters_;
  return report;
}

}  // namespace aspen::sim
