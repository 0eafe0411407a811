// How a run ends: all heals, or nearly all, and whoever can go on has to.
#include <fmt/format.h>

#include <algorithm>

#include "node/base/assert.h"
#include "node/base/membership.h"
#include "tests/sim/operator.h"
#include "tests/sim/replica.h"
#include "tests/sim/workload.h"
#include "tests/sim/world.h"

namespace aspen::sim {

// A majority that is whole has to make progress even if somebody else can only hear, or only be
// heard: an old leader that nobody answers must not hold up the others.
void World::leave_one_outside(Dice& dice) {
  if (nodes() < 3 || plan_.changes_members()) return;
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
  if (nodes() < 4 || plan_.changes_members()) return false;
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

bool World::belongs(std::size_t node) const {
  if (!in_core(node)) return false;
  const Member* member = oracle_.config().find(replicas_[node]->self().id);
  return member != nullptr && member->peer.incarnation == replicas_[node]->self().incarnation;
}

// Nothing is left open: no joint configuration, no transfer.
bool World::at_rest() const {
  const std::size_t who = leader();
  if (replicas_[who]->soft().role != raft::RoleState::leader) return false;
  const raft::Metrics metrics = replicas_[who]->core().metrics();
  return !metrics.joint && !metrics.transfer_to && metrics.config.index <= metrics.commit.index;
}

bool World::all_equal() const {
  const std::size_t who = leader();
  // One that was removed does not count, nor is anybody equal as long as nobody leads.
  if (replicas_[who]->soft().role != raft::RoleState::leader || !belongs(who)) return false;
  const LogId last = replicas_[who]->disk().durable().last_id();
  for (std::size_t i = 0; i < replicas_.size(); ++i) {
    if (!belongs(i)) continue;
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
  if (!recovers(10, [this] { return at_rest(); })) {
    oracle_.violate("no change and no transfer stays open after all healed", "one does");
  }
  if (!recovers(10, [this] { return workload_->all_wrote(); })) {
    oracle_.violate("a write of each client within 20 election timeouts after all healed",
                    "a client has none");
  }
  workload_->stop();
  check_equal();
  if (oracle_.violated()) return;
  if (outside_ != 0) {
    network_.remove(outside_cut_);
    outside_ = 0;
    check_equal();
  }
  if (!oracle_.violated()) check_transfer();
  if (!oracle_.violated()) check_equal();
}

// Where all is well a leader can hand over. An attempt is given up after an election timeout, which
// a slow disk may take: a few are made.
void World::check_transfer() {
  constexpr int attempts_max = 10;
  const std::function<bool()> violated = [this] { return oracle_.violated(); };
  for (int attempt = 0; attempt < attempts_max; ++attempt) {
    const std::size_t from = leader();
    NodeId to;
    for (const Member& member : oracle_.config().members) {
      const std::size_t place = place_of(member.peer.id);
      const bool fit = member.role == Role::voter && belongs(place) && place != from;
      if (fit && replicas_[place]->self() == member.peer) to = member.peer.id;
    }
    if (!to) return;  // there is nobody else
    const raft::RequestId id = operator_->hand_over(from, to);
    const std::function<bool()> ended = [this, id] {
      return operator_->outcome(id) != Operator::Outcome::open || oracle_.violated();
    };
    static_cast<void>(run_until(now_ + 4 * plan_.election_max(), ended));
    if (operator_->outcome(id) == Operator::Outcome::done) return;
    // Who was cut off until now is heard soon.
    static_cast<void>(run_until(now_ + plan_.election_max(), violated));
    static_cast<void>(recovers(10, [this] { return has_leader() && at_rest(); }));
  }
  oracle_.violate("a leader can hand over after all healed",
                  fmt::format("{} attempts led to nothing", attempts_max));
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
    const std::size_t node = place_of(replica->self().id);
    if (!belongs(node) || replica->state() == replicas_[leader()]->state()) continue;
    oracle_.violate("all nodes equal after all healed", "the states differ");
  }
  workload_->check_end();
  operator_->check_end();
}

}  // namespace aspen::sim
