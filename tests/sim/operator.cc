#include "tests/sim/operator.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"
#include "tests/sim/replica.h"

namespace aspen::sim {

namespace {

std::uint64_t bit(const Member& member) {
  return std::uint64_t{1} << place_of(member.peer.id);
}

std::size_t voters_of(const Config& config) {
  return static_cast<std::size_t>(
      std::count_if(config.members.begin(), config.members.end(),
                    [](const Member& member) { return member.role == Role::voter; }));
}

Member* find(Config& config, std::size_t node) {
  for (Member& member : config.members) {
    if (place_of(member.peer.id) == node) return &member;
  }
  return nullptr;
}

}  // namespace

Operator::Operator(World& world) : world_(world), dice_(world.stream("operator")) {}

PeerId Operator::reborn(std::size_t node, std::uint64_t id_generation) {
  ASPEN_ASSERT(node < nodes_max);
  ++incarnations_[node];
  generations_[node] = id_generation;
  return {NodeId(node + 1 + id_stride * id_generation),
          Incarnation{0xa5 + incarnations_[node], node + 1}};
}

bool Operator::waits_for_change() const {
  return std::any_of(requests_.begin(), requests_.end(), [this](const Request& request) {
    const Replica& replica = world_.replica(request.node);
    return request.change && !request.ended && replica.up() && replica.boots() == request.boot;
  });
}

// The node at this place runs under another data directory than the member's.
bool Operator::lost(const PeerId& peer) const {
  const Replica& replica = world_.replica(place_of(peer.id));
  return replica.self() != peer;
}

// Each half can decide without those who lost their disks.
bool Operator::goes_on(const Config& config) const {
  std::array<std::size_t, 2> voters{};
  std::array<std::size_t, 2> gone{};
  for (const Member& member : config.members) {
    const bool away = lost(member.peer);
    const std::array votes{member.role == Role::voter, member.outgoing};
    for (std::size_t half = 0; half < 2; ++half) {
      if (!votes[half]) continue;
      ++voters[half];
      if (away) ++gone[half];
    }
  }
  for (std::size_t half = 0; half < 2; ++half) {
    if (gone[half] > 0 && 2 * (voters[half] - gone[half]) <= voters[half]) return false;
  }
  return true;
}

// One at a time, and only where every configuration that may still count can spare it: what it had
// acknowledged is on as many other disks as it takes.
bool Operator::can_lose(std::size_t node) const {
  // At first it may be the only one who knows the configuration.
  if (world_.oracle().config_id() == LogId{}) return false;
  const PeerId& self = world_.replica(node).self();
  for (std::size_t i = 0; i < world_.nodes(); ++i) {
    for (const raft::LoggedConfig& logged : world_.replica(i).disk().view().configs()) {
      std::array<std::size_t, 2> voters{};
      bool votes = false;
      for (const Member& member : logged.config.members) {
        if (lost(member.peer)) return false;
        if (member.role == Role::voter) ++voters[0];
        if (member.outgoing) ++voters[1];
        if (member.peer == self) votes = member.role == Role::voter || member.outgoing;
      }
      const bool few = voters[0] < 3 || (voters[1] > 0 && voters[1] < 3);
      if (votes && few) return false;
    }
  }
  return true;
}

void Operator::lose_disk(std::size_t node, Time down) {
  Replica& replica = world_.replica(node);
  if (healed_ || !replica.up() || waits_for_change() || !can_lose(node)) return;
  ++world_.counters().lost_disks;
  replica.crash();
  // Under the old name: nobody may take it for the old node.
  const PeerId self = reborn(node, generations_[node]);
  spent_[node] = true;
  replica.wipe(self);
  world_.record({.what = What::wiped,
                 .node = static_cast<std::uint8_t>(node),
                 .values = {self.incarnation.high}});
  world_.schedule(world_.now() + down, Task::restart, node, replica.boots());
}

// Who is in no configuration any more, and has no data of use, starts anew under a new id.
void Operator::replace_strangers(const Config& now) {
  for (std::size_t i = 0; i < world_.nodes(); ++i) {
    Replica& replica = world_.replica(i);
    bool named = now.find(replica.self().id) != nullptr;
    for (std::size_t j = 0; j < world_.nodes(); ++j) {
      for (const raft::LoggedConfig& logged : world_.replica(j).disk().view().configs()) {
        named = named || (logged.id.index >= world_.oracle().config_id().index &&
                          logged.config.find(replica.self().id) != nullptr);
      }
    }
    const bool empty = replica.disk().durable().last().value == 0;
    if (named || (empty && !spent_[i]) || !dice_.percent(50)) continue;
    if (replica.up()) replica.crash();
    spent_[i] = false;
    replica.wipe(reborn(i, generations_[i] + 1));
    world_.record({.what = What::wiped,
                   .node = static_cast<std::uint8_t>(i),
                   .values = {replica.self().id.value}});
    world_.schedule(world_.now() + 1, Task::restart, i, replica.boots());
  }
}

void Operator::draw_role(Config& config, std::size_t node) {
  Member* member = find(config, node);
  const Replica& replica = world_.replica(node);
  const bool stranger = member == nullptr || member->peer != replica.self();
  const std::uint64_t what = dice_.below(100);
  if (member != nullptr && (stranger || what < 30)) {
    config.members.erase(config.members.begin() + (member - config.members.data()));
    return;
  }
  if (member != nullptr) {
    member->role = what < 80 ? Role::voter : Role::learner;
    member->peer_address = fmt::format("h{}:{}", node, dice_.below(3));
    return;
  }
  // An id is never used twice.
  if (spent_[node] || world_.oracle().config().find(replica.self().id) != nullptr) return;
  Member fresh;
  fresh.peer = replica.self();
  fresh.name = fmt::format("n{}", node);
  fresh.role = what < 85 ? Role::learner : Role::voter;
  const auto at = std::lower_bound(config.members.begin(), config.members.end(), fresh.peer.id,
                                   [](const Member& m, NodeId id) { return m.peer.id < id; });
  config.members.insert(at, fresh);
}

// One member is changed, or all are thrown again.
std::optional<Config> Operator::target(const Config& now) {
  Config config = now;
  if (dice_.percent(30)) {
    for (std::size_t i = 0; i < world_.nodes(); ++i) draw_role(config, i);
  } else {
    draw_role(config, dice_.below(world_.nodes()));
  }
  if (voters_of(config) == 0 || voters_of(config) > limits::voters_max || !goes_on(config)) {
    return std::nullopt;
  }
  return config;
}

void Operator::change_membership() {
  if (healed_) return;
  const std::size_t leader = world_.leader();
  Replica& replica = world_.replica(leader);
  if (!replica.up()) return;
  const Config now = replica.core().config();
  if (!now.joint() && !waits_for_change()) replace_strangers(now);
  if (!replica.up() || now.joint()) return;
  // Two callers, one of them with the other's expectation.
  const std::uint64_t callers = dice_.percent(20) ? 2 : 1;
  for (std::uint64_t i = 0; i < callers; ++i) {
    const auto to = target(now);
    if (!to || !replica.up()) continue;
    Request request{true, false, leader, replica.boots(), *to, replica.core().metrics().config, {}};
    if (dice_.percent(15) && !followed_.empty()) request.expect = followed_.rbegin()->first;
    const bool at_once = dice_.percent(25);
    const raft::RequestId id = next();
    requests_.push_back(request);
    world_.record({.what = What::asked,
                   .node = static_cast<std::uint8_t>(leader),
                   .values = {id.value, 0, request.expect.index.value, to->members.size()}});
    replica.tell(
        raft::ChangeConfig{id, *to, request.expect,
                           at_once ? raft::Promotion::at_once : raft::Promotion::when_caught_up});
  }
}

void Operator::transfer() {
  if (healed_) return;
  const std::size_t leader = world_.leader();
  const std::size_t to = dice_.below(world_.nodes());
  const NodeId target = dice_.percent(30) ? NodeId() : world_.replica(to).self().id;
  static_cast<void>(hand_over(leader, target));
}

raft::RequestId Operator::hand_over(std::size_t leader, NodeId to) {
  const raft::RequestId id = next();
  requests_.push_back({});
  world_.record({.what = What::asked,
                 .node = static_cast<std::uint8_t>(leader),
                 .values = {id.value, 1, 0, to.value}});
  world_.replica(leader).tell(raft::Transfer{id, to});
  return id;
}

Operator::Outcome Operator::outcome(raft::RequestId id) const {
  const Request& request = requests_[id.value - first_request];
  if (!request.ended) return Outcome::open;
  return request.succeeded ? Outcome::done : Outcome::failed;
}

// ---- what a node says

void Operator::in_force(std::size_t node, const raft::LoggedConfig& logged) {
  world_.oracle().in_force(node, logged.config);
  std::uint64_t voters = 0;
  std::uint64_t outgoing = 0;
  std::uint64_t learners = 0;
  for (const Member& member : logged.config.members) {
    if (member.role == Role::voter) voters |= bit(member);
    if (member.role == Role::learner) learners |= bit(member);
    if (member.outgoing) outgoing |= bit(member);
  }
  world_.record({.what = What::config,
                 .node = static_cast<std::uint8_t>(node),
                 .values = {logged.id.index.value, logged.config.joint() ? 1U : 0U, voters,
                            outgoing, learners}});
}

void Operator::completed(std::size_t node, const raft::Completion& completion) {
  Request& request = at(completion.request);
  world_.record({.what = What::completed,
                 .node = static_cast<std::uint8_t>(node),
                 .values = {completion.request.value & 0xffffffffU,
                            static_cast<std::uint64_t>(completion.outcome),
                            completion.id.index.value, completion.id.term.value}});
  if (request.ended) {
    return world_.oracle().violate("one end for each request",
                                   fmt::format("n{} ends a change or transfer again", node));
  }
  request.ended = true;
  if (completion.outcome == raft::Outcome::refused) ++world_.counters().changes_refused;
  if (completion.outcome != raft::Outcome::committed) return;
  request.succeeded = true;
  if (!request.change) {
    ++world_.counters().transfers;
    return;
  }
  ++world_.counters().changes;
  request.done = completion.id;
  world_.oracle().acknowledged(node, completion.id, world_.replica(node).core());
  const auto [first, fresh] =
      followed_.try_emplace(request.expect, completion.request.value - first_request);
  if (fresh) return;
  world_.oracle().violate(
      "a change follows the configuration that it expects",
      fmt::format("two changes that expected {} are done", request.expect.index.value));
}

// What was said to be done is what is committed there.
void Operator::check_done(const Request& request) {
  ASPEN_ASSERT(request.change);
  for (std::size_t i = 0; i < world_.nodes(); ++i) {
    for (const raft::LoggedConfig& logged : world_.replica(i).disk().view().configs()) {
      if (logged.id != request.done || logged.config == request.to) continue;
      world_.oracle().violate("a change is what was asked for",
                              fmt::format("entry {} differs", request.done.index.value));
    }
  }
}

void Operator::check_end() {
  for (const Request& request : requests_) {
    if (request.done != LogId{}) check_done(request);
  }
}

}  // namespace aspen::sim
