#include "tests/sim/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "node/base/assert.h"
#include "node/base/membership.h"
#include "node/wire/raft_codec.h"
#include "tests/sim/faults.h"
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
  wgl_steps += other.wgl_steps;
  wgl_undecided += other.wgl_undecided;
}

World::World(const Plan& plan, WorldOptions options)
    : plan_(plan),
      root_(plan.seed),
      trace_(options.print),
      oracle_(plan.nodes, options.insight),
      network_(plan.network, plan.nodes, Dice(root_.split("network"))) {
  ASPEN_ASSERT(plan.nodes >= 1 && plan.nodes <= nodes_max);
  for (std::size_t i = 0; i < plan.nodes; ++i) {
    replicas_.push_back(std::make_unique<Replica>(*this, i));
    oracle_.watch(i, &replicas_[i]->disk());
  }
  workload_ = std::make_unique<Workload>(*this);
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

void World::send(std::size_t from, std::size_t to, raft::Message message) {
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
  Flight flight{r.node, r.peer, {}, {}};
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
  const bool arrives = replica.up() && network_.open(flight.from, flight.to);
  Record r = record_of(arrives ? What::received : What::dropped, flight.message);
  r.node = arrives ? flight.to : flight.from;
  r.peer = arrives ? flight.from : flight.to;
  record(r);
  if (arrives) replica.receive(flight.from, std::move(flight.message));
}

// ---- the run

void World::start() {
  const std::vector<Entry> first{configuration(plan_.nodes)};
  for (std::size_t i = 0; i < replicas_.size(); ++i) {
    const bool knows = i == 0 || !plan_.initialised_by_one;
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
  workload_->heal();
}

// A majority that is whole has to make progress even if somebody else can only hear, or only be
// heard: an old leader that nobody answers must not hold up the others.
void World::leave_one_outside(Dice& dice) {
  if (nodes() < 3) return;
  const std::size_t one = dice.percent(60) ? leader() : dice.below(nodes());
  // Those inside need not know the membership yet, and then they cannot elect.
  std::size_t informed = 0;
  for (std::size_t i = 0; i < nodes(); ++i) {
    if (i != one && log_of(i) != LogId{}) ++informed;
  }
  if (informed <= nodes() / 2) return;
  outside_ = 1U << one;
  constexpr std::array shapes{CutShape::leader_sends_only, CutShape::leader_hears_only};
  const std::uint64_t spared = dice.below(shapes.size() + 1);
  for (std::size_t shape = 0; shape < shapes.size(); ++shape) {
    if (shape == spared) continue;
    const Cut cut = draw_cut(shapes[shape], nodes(), one, dice);
    for (std::size_t i = 0; i < nodes_max; ++i) {
      outside_cut_[i] = static_cast<std::uint8_t>(outside_cut_[i] | cut[i]);
    }
  }
  network_.add(outside_cut_);
}

LogId World::log_of(std::size_t node) const {
  return replicas_[node]->disk().durable().last_id();
}

// As many dead as can be, and a broken link between two of the others: only who reaches all that
// are left can lead, and must not be held up by the two. All start anew, without a message under
// way, so that nobody has a log that those who can lead lack.
bool World::leave_a_bridge(Dice& dice) {
  if (nodes() < 4) return false;
  for (auto& replica : replicas_) {
    if (replica->up()) replica->crash();
  }
  for (Flight& flight : flights_) flight.to = nobody;
  const std::size_t dead_first = dice.below(nodes());
  const std::size_t dead = (nodes() - 1) / 2;
  std::vector<std::size_t> alive;
  for (std::size_t i = dead; i < nodes(); ++i) alive.push_back((dead_first + i) % nodes());
  const std::size_t one = alive[dice.below(alive.size())];
  const std::size_t other = alive[dice.below(alive.size())];
  LogId bridge;
  LogId pair;
  for (const std::size_t i : alive) {
    if (log_of(i) == LogId{}) return false;
    LogId& longest = i == one || i == other ? pair : bridge;
    longest = std::max(longest, log_of(i));
  }
  if (pair > bridge) return false;
  outside_cut_[one] = static_cast<std::uint8_t>(one == other ? 0U : 1U << other);
  outside_cut_[other] = static_cast<std::uint8_t>(one == other ? 0U : 1U << one);
  for (std::size_t i = 0; i < dead; ++i) {
    const std::size_t node = (dead_first + i) % nodes();
    outside_ |= 1U << node;
    for (std::size_t j = 0; j < nodes(); ++j) {
      outside_cut_[node] = static_cast<std::uint8_t>(outside_cut_[node] | (1U << j));
      outside_cut_[j] = static_cast<std::uint8_t>(outside_cut_[j] | (1U << node));
    }
  }
  network_.add(outside_cut_);
  return true;
}

bool World::has_leader() const {
  for (std::size_t i = 0; i < replicas_.size(); ++i) {
    if (in_core(i) && replicas_[i]->soft().role == raft::RoleState::leader) return true;
  }
  return false;
}

bool World::all_equal() const {
  std::size_t some = 0;
  while (!in_core(some)) ++some;
  const LogId last = replicas_[some]->disk().durable().last_id();
  for (std::size_t i = 0; i < replicas_.size(); ++i) {
    if (!in_core(i)) continue;
    const Replica& r = *replicas_[i];
    if (r.disk().durable().last_id() != last || r.state().applied != last.index) return false;
  }
  return true;
}

std::uint64_t World::progress() const {
  std::uint64_t sum = 0;
  for (const auto& replica : replicas_) {
    // A log that only grows is no progress: entries that nobody commits beget more of them.
    const std::uint64_t wanted = std::max(spread_, oracle_.committed_last().value);
    sum += std::min(replica->disk().durable().last().value, wanted);
    sum += replica->state().applied.value;
  }
  return sum;
}

// What piled up while all was broken may be large, and the tuning slow to work it off: a few bytes
// an append, one append a round trip, one fsync an entry. As long as it goes on, that is no hang.
bool World::recovers(std::uint64_t elections, const std::function<bool()>& condition) {
  constexpr int extensions_max = 40;
  const Time election = plan_.election_max();
  if (run_until(now_ + elections * election, condition)) return true;
  for (int i = 0; i < extensions_max && !oracle_.violated(); ++i) {
    const std::uint64_t before = progress();
    if (run_until(now_ + 5 * election, condition)) return true;
    if (progress() == before) return false;
  }
  return false;
}

void World::check_recovery() {
  if (!recovers(10, [this] { return has_leader(); })) {
    oracle_.violate("a leader within 10 election timeouts after all healed", "there is none");
  }
  if (!recovers(10, [this] { return workload_->all_wrote(); })) {
    oracle_.violate("a write of each client within 20 election timeouts after all healed",
                    "a client has none");
  }
  workload_->stop();
  check_equal();
  if (oracle_.violated() || outside_ == 0) return;
  network_.remove(outside_cut_);
  outside_ = 0;
  check_equal();
}

void World::check_equal() {
  if (!recovers(20, [this] { return all_equal(); })) {
    std::string text;
    for (std::size_t i = 0; i < replicas_.size(); ++i) {
      text +=
          fmt::format("n{}: log {}, applied {}; ", i, replicas_[i]->disk().durable().last().value,
                      replicas_[i]->state().applied.value);
    }
    oracle_.violate("all nodes equal after all healed", text);
  }
}

void World::check_end() {
  record_cores();
  for (const auto& replica : replicas_) {
    if (replica->state() == replicas_[0]->state()) continue;
    oracle_.violate("all nodes equal after all healed", "the states differ");
  }
  workload_->check_end();
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
