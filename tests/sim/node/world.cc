#include "tests/sim/node/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "node/base/assert.h"
#include "tests/sim/node/faults.h"
#include "tests/sim/node/operator.h"
#include "tests/sim/node/workload.h"

namespace aspen::sim::node {

namespace {

constexpr Time step = 20 * millisecond;  // between two looks at the nodes
constexpr Time init_limit = 60 * second;
// What healing may take besides elections: links are dialled again, supervisors wait.
constexpr Time healing_slack = 15 * second;
constexpr Time equal_limit = 60 * second;

NetworkTuning tuning_of(const NetworkPlan& plan) {
  NetworkTuning tuning;
  tuning.delay_min = to_duration(plan.delay_least);
  tuning.delay_max = to_duration(plan.delay_most);
  tuning.split_one_in = plan.split_one_in;
  return tuning;
}

}  // namespace

World::World(const Plan& plan, const Reduction& reduction, WorldOptions options)
    : plan_(plan),
      reduction_(reduction),
      begun_(options.begun),
      root_(plan.seed),
      sim_(root_.split("world", reduction.salt).next()),
      network_(
          [this](Duration delay, std::function<void()> event) {
            sim_.schedule(sim_.now() + delay, std::move(event));
          },
          root_.split("network", reduction.salt), tuning_of(plan.network)),
      trace_(options.print),
      cuts_(plan.machines(), std::vector<int>(plan.machines())) {
  ASPEN_ASSERT(plan.nodes >= 1 && plan.machines() <= nodes_max);
  for (std::size_t i = 0; i < plan.machines(); ++i)
    hosts_.push_back(std::make_unique<Host>(*this, i));
  workload_ = std::make_unique<Workload>(*this);
  faults_ = std::make_unique<Faults>(*this);
  operator_ = std::make_unique<Operator>(*this);
}

// What ends with a process may still speak to the workload.
World::~World() {
  hosts_.clear();
}

Time World::now() const noexcept {
  return static_cast<Time>(sim_.now().ns) / 1000;
}

void World::after(Time delay, std::function<void()> event) {
  sim_.schedule(sim_.now() + to_duration(delay), std::move(event));
}

void World::violate(const char* check, std::string text) {
  trace(nobody, fmt::format("VIOLATION {}: {}", check, text));
  if (!violation_) violation_ = Violation{check, std::move(text)};
}

std::optional<std::size_t> World::leader() const {
  std::optional<std::size_t> best;
  Term term;
  for (const auto& host : hosts_) {
    const Term its = host->view().raft.soft.term;
    if (!host->leads() || its <= term) continue;
    best = host->number();
    term = its;
  }
  return best;
}

void World::cut(std::size_t from, std::size_t to) {
  if (from != to && cuts_[from][to]++ == 0) {
    network_.block(hosts_[from]->name(), hosts_[to]->name());
  }
}

void World::join(std::size_t from, std::size_t to) {
  if (from == to) return;
  ASPEN_ASSERT(cuts_[from][to] > 0);
  if (--cuts_[from][to] == 0) network_.open(hosts_[from]->name(), hosts_[to]->name());
}

void World::note_operation(std::uint64_t id) {
  if (begun_ != nullptr && begun_->count < Begun::most) begun_->ids[begun_->count++] = id;
}

// ---- the course of a run

bool World::run_until(Time end, const std::function<bool()>& done) {
  while (!violated()) {
    observe_all();
    if (done()) return true;
    if (now() >= end) return false;
    sim_.run_for(to_duration(step));
  }
  return false;
}

void World::observe_all() {
  for (const auto& host : hosts_) host->observe();
  sim_.run_until_idle();
  count_leader();
}

void World::count_leader() {
  for (const auto& host : hosts_) {
    if (!host->leads() || host->view().raft.soft.term <= led_) continue;
    led_ = host->view().raft.soft.term;
    coverage_.hit(Site::leader_elected);
  }
}

// An operator who repeats Init until it is done.
void World::initialise() {
  if (initialised_) return;
  after(second, [this] { initialise(); });
  if (!hosts_[0]->serves()) return;
  gateway::InitRequest request;
  for (std::size_t i = 0; i < plan_.nodes; ++i) {
    const std::string& name = hosts_[i]->name();
    request.members.push_back({name, hosts_[i]->peer_address(), {name + ":2379"}});
  }
  trace(0, "Init is asked for");
  hosts_[0]->gateway().init(std::move(request), {sim_.now() + to_duration(5 * second)},
                            [this](auto&& reply) { on_initialised(reply); });
}

void World::on_initialised(const Result<gateway::Reply<gateway::InitResult>>& reply) {
  if (reply) {
    initialised_ = true;
    trace(0, "Init is done");
    return;
  }
  trace(0, fmt::format("Init failed: {}: {}", to_string(reply.error().code), reply.error().what));
}

Report World::run() {
  for (const auto& host : hosts_) host->start();
  initialise();
  workload_->start();
  if (plan_.faults_from_start) faults_->start();
  const bool begun =
      run_until(init_limit, [this] { return plan_.faults_from_start || leader().has_value(); });
  if (!begun && !violated()) violate("Init gives a leader", "there is none after a minute");
  if (!plan_.faults_from_start) faults_->start();
  const Time begin = now();
  static_cast<void>(run_until(begin + plan_.horizon, [] { return false; }));
  counters_.healthy_us = now() - begin;
  if (!violated()) heal();
  if (!violated()) check_recovery();
  if (!violated()) check_equal();
  if (!violated()) check_hashes();
  if (!violated()) workload_->check_end();
  Report report;
  finish(report);
  return report;
}

void World::finish(Report& report) {
  counters_.simulated_us = now();
  counters_.changes = static_cast<std::uint64_t>(history_.newest());
  counters_.bytes = network_.bytes_delivered();
  for (const auto& host : hosts_) {
    counters_.disk_operations += host->disk_operations();
    trace_.fold(host->disk_operations());
  }
  trace_.fold(counters_.bytes);
  report.seed = plan_.seed;
  report.violation = violation_;
  report.trace_hash = trace_.hash();
  report.counters = counters_;
  report.coverage = coverage_;
}

// ---- the end

bool World::in_core(std::size_t number) const {
  return number != outside_ && operator_->is_member(number);
}

void World::leave_one_outside() {
  Dice dice(root_.split("outside"));
  const std::size_t chosen = dice.below(nodes());
  if (!operator_->settled() || !operator_->dispensable(chosen)) return;
  outside_ = chosen;
  coverage_.hit(Site::one_outside_at_the_end);
  const std::uint64_t how = dice.below(4);
  trace(outside_, "stays broken");
  hosts_[outside_]->retire();
  if (how == 0) return hosts_[outside_]->crash(contract::Crash::process, 0);
  for (std::size_t i = 0; i < nodes(); ++i) {
    if (how != 1) cut(outside_, i);
    if (how != 2) cut(i, outside_);
  }
}

void World::heal() {
  trace(nobody, "all heals");
  faults_->heal();
  operator_->heal();
  if (plan_.one_outside && initialised_) leave_one_outside();
  for (const auto& host : hosts_) {
    if (host->number() != outside_) host->heal();
  }
  workload_->heal();
}

void World::check_recovery() {
  const Time from = now();
  const Time election = plan_.election_max();
  const auto led = [this] { return leader().has_value() && in_core(*leader()); };
  if (!run_until(from + 10 * election + healing_slack, led)) {
    return violate("liveness: a leader after healing", "there is none");
  }
  const auto wrote = [this] { return workload_->all_wrote(); };
  if (run_until(from + 20 * election + 2 * healing_slack, wrote)) return;
  violate("liveness: a write of each client after healing", "some client could not");
}

void World::check_equal() {
  workload_->stop();
  const auto quiet = [this] {
    return workload_->all_answered() && operator_->settled() && all_equal();
  };
  if (run_until(now() + equal_limit, quiet)) return;
  describe_nodes();
  violate("liveness: all nodes equal and nothing pending",
          workload_->all_answered() ? "nodes differ" : "answers are owed");
}

void World::describe_nodes() {
  for (const auto& host : hosts_) {
    const replica::ReplicaView& view = host->view();
    const raft::Metrics& raft = view.raft;
    trace(host->number(),
          fmt::format("up {}, role {}, term {}, leader {:x}, last {}, stable {}, commit {}, "
                      "applied {}",
                      host->up(), static_cast<int>(raft.soft.role), raft.soft.term.value,
                      raft.soft.leader.value, raft.last.index.value, raft.stable.value,
                      raft.commit.index.value, view.applied.value));
    for (const raft::PeerMetrics& peer : raft.peers) {
      trace(host->number(),
            fmt::format("  peer {:x}: match {}, next {}, {}, in flight {}{}", peer.peer.id.value,
                        peer.match.value, peer.next.value, peer.active ? "active" : "silent",
                        peer.in_flight_bytes, peer.lost_data ? ", lost data" : ""));
    }
  }
}

void World::check_hashes() {
  std::vector<gateway::HashResult> hashes;
  std::size_t asked = 0;
  for (const auto& host : hosts_) {
    if (!in_core(host->number()) || !host->serves()) continue;
    ++asked;
    host->gateway().hash_kv(0, {sim_.now() + to_duration(10 * second)},
                            [&hashes](Result<gateway::Reply<gateway::HashResult>>&& reply) {
                              if (reply) hashes.push_back(reply->body);
                            });
  }
  const auto all = [&] { return hashes.size() == asked; };
  if (!run_until(now() + 20 * second, all)) {
    return violate("equal hashes", "a node did not answer with its hash");
  }
  for (const gateway::HashResult& each : hashes) {
    const gateway::HashResult& first = hashes.front();
    if (each.hash == first.hash && each.hash_revision == first.hash_revision &&
        each.compact_revision == first.compact_revision) {
      continue;
    }
    violate("equal hashes", fmt::format("{:08x} at {} and {:08x} at {}", each.hash,
                                        each.hash_revision, first.hash, first.hash_revision));
  }
}

bool World::all_equal() const {
  const kv::State* first = nullptr;
  std::size_t members = 0;
  kv::State states[nodes_max];
  for (const auto& host : hosts_) {
    if (!in_core(host->number())) continue;
    ++members;
    const replica::ReplicaView& view = host->view();
    if (!host->up() || !view.running || view.raft.last.index != view.applied) return false;
    kv::State& state = states[host->number()];
    state = state_of(host->rows());
    if (first == nullptr) first = &state;
    if (state.applied != first->applied || state.revision != first->revision) return false;
    if (state.compact_revision != first->compact_revision) return false;
  }
  return members > 0;
}

}  // namespace aspen::sim::node
