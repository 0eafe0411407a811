#include "tests/sim/node/operator.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "node/base/assert.h"
#include "tests/sim/node/world.h"

namespace aspen::sim::node {

namespace {

constexpr Time patience = 10 * second;          // of a request
constexpr Time settling = 5 * second;           // after an unknown outcome
constexpr Time round = 500 * millisecond;       // of an operator who tends to a cluster
constexpr Time fresh_disk = 300 * millisecond;  // until a new machine serves

std::vector<const Member*> voters_of(const Config& config) {
  std::vector<const Member*> voters;
  for (const Member& member : config.members) {
    if (member.role == Role::voter) voters.push_back(&member);
  }
  return voters;
}

}  // namespace

// ---- what is known

const Config* Operator::config() const {
  const auto leads = world_.leader();
  if (!leads) return nullptr;
  const replica::ReplicaView& view = world_.host(*leads).view();
  // A leader whose own term has committed something knows of every change that is committed.
  const bool current = view.raft.commit.term == view.raft.soft.term;
  if (!current || view.raft.config.index > view.raft.commit.index) return nullptr;
  return view.config.empty() ? nullptr : &view.config;
}

std::optional<std::size_t> Operator::machine_of(const Member& member) const {
  for (std::size_t i = 0; i < world_.nodes(); ++i) {
    if (member.peer_address == world_.host(i).peer_address()) return i;
  }
  return std::nullopt;
}

bool Operator::has_disk(const Member& member) const {
  const auto machine = machine_of(member);
  return machine && world_.host(*machine).incarnation() == member.peer.incarnation;
}

const Member* Operator::member_at(const Config& config, std::size_t machine) const {
  for (const Member& member : config.members) {
    if (machine_of(member) == machine && has_disk(member)) return &member;
  }
  return nullptr;
}

const Member* Operator::without_disk(const Config& config) const {
  for (const Member& member : config.members) {
    if (!has_disk(member)) return &member;
  }
  return nullptr;
}

bool Operator::settled() const {
  if (waiting_ > 0 || world_.now() < quiet_from_) return false;
  const Config* now = config();
  return now != nullptr && !now->joint() && without_disk(*now) == nullptr;
}

bool Operator::is_member(std::size_t machine) const {
  const Config* now = config();
  return now != nullptr && member_at(*now, machine) != nullptr;
}

bool Operator::dispensable(std::size_t machine) const {
  ASPEN_ASSERT(settled());
  const Member* member = member_at(*config(), machine);
  if (member == nullptr || member->role != Role::voter) return true;
  return voters_of(*config()).size() >= 3;
}

bool Operator::may_lose_disk(std::size_t machine) const {
  return world_.initialised() && settled() && dispensable(machine);
}

// ---- what is done

void Operator::act(Family family, std::size_t machine, Dice& dice) {
  const Config* now = config();
  if (healing_ || waiting_ > 0 || now == nullptr) return;
  if (family == Family::add_member) return add(machine, dice);
  if (family == Family::transfer) return transfer(*now, dice);
  if (family == Family::lose_disk) return lose_disk(machine, dice);
  // Another change could take the quorum of what is left.
  if (without_disk(*now) != nullptr) return;
  if (family == Family::promote) return promote(*now, dice);
  if (family == Family::change_voters) return change_voters(*now, dice);
  ASPEN_ASSERT(family == Family::remove_member);
  remove(*now, machine);
}

// A machine that is no member: with an empty directory, or one that is sealed and given up. A
// member that lost its disk is removed first, which is the way to replace it.
void Operator::add(std::size_t machine, Dice& dice) {
  const Config& now = *config();
  const Member* dead = without_disk(now);
  if (dead != nullptr) machine = machine_of(*dead).value_or(machine);
  if (member_at(now, machine) != nullptr) return;
  Host& host = world_.host(machine);
  const bool votes = dice.percent(10);
  const Then adds = [this, machine, votes, &host] {
    if (healing_) return;
    gateway::AddMember member;
    member.name = host.name();
    member.peer_address = host.peer_address();
    member.client_addresses = {host.name() + ":2379"};
    member.role = votes ? Role::voter : Role::learner;
    ask({member, std::nullopt}, Site::member_added);
  };
  if (dead != nullptr) {
    world_.coverage().hit(Site::member_replaced);
    return ask({gateway::RemoveMember{dead->peer.id}, std::nullopt}, Site::member_removed, adds);
  }
  if (!settled()) return;
  if (host.sealed()) host.lose_disk(0);
  world_.after(fresh_disk, adds);
}

void Operator::promote(const Config& config, Dice& dice) {
  std::vector<NodeId> learners;
  for (const Member& member : config.members) {
    if (member.role == Role::learner) learners.push_back(member.peer.id);
  }
  if (learners.empty()) return;
  ask({gateway::PromoteMember{learners[dice.below(learners.size())]}, std::nullopt},
      Site::member_promoted);
}

// Any set to any set: each member is in it with even chances, or all but one are exchanged.
void Operator::change_voters(const Config& config, Dice& dice) {
  gateway::ChangeVoters change;
  const std::uint64_t percent = dice.between(20, 100);
  for (const Member& member : config.members) {
    if (dice.percent(percent)) change.voters.push_back(member.peer.id);
  }
  if (change.voters.empty()) change.voters.push_back(config.members.front().peer.id);
  change.leaving = dice.percent(50) ? gateway::Leaving::removed : gateway::Leaving::learner;
  ask({change, std::nullopt}, Site::voters_changed);
}

void Operator::remove(const Config& config, std::size_t machine) {
  const Member* member = member_at(config, machine);
  if (member == nullptr) return;
  ask({gateway::RemoveMember{member->peer.id}, std::nullopt}, Site::member_removed);
}

void Operator::transfer(const Config& config, Dice& dice) {
  const std::vector<const Member*> voters = voters_of(config);
  const std::size_t asked = dice.below(world_.nodes());
  const NodeId to = dice.percent(30) ? NodeId() : voters[dice.below(voters.size())]->peer.id;
  if (!world_.host(asked).serves()) return;
  world_.trace(asked, fmt::format("the leadership is to go to {:x}", to.value));
  world_.host(asked).gateway().transfer_leadership(
      to, {world_.sim().now() + to_duration(patience)},
      [this](Result<gateway::Reply<gateway::TransferResult>>&& reply) {
        if (reply) world_.coverage().hit(Site::leadership_transferred);
      });
}

void Operator::lose_disk(std::size_t machine, Dice& dice) {
  if (!may_lose_disk(machine)) return;
  if (is_member(machine)) world_.coverage().hit(Site::disk_lost);
  world_.host(machine).lose_disk(dice.exponential(second));
}

// At a node that serves; the leader is asked by it.
void Operator::ask(gateway::MembershipRequest request, Site done, Then then) {
  Dice dice(world_.stream("operator", world_.now()));
  const std::size_t first = dice.below(world_.nodes());
  for (std::size_t i = 0; i < world_.nodes(); ++i) {
    const std::size_t at = (first + i) % world_.nodes();
    if (!world_.host(at).serves() || !is_member(at)) continue;
    ++waiting_;
    world_.trace(at, "a change of the membership is asked for");
    // A process that ends answers nobody: then the deadline does.
    const auto answered = std::make_shared<bool>(false);
    const auto finish = [this, answered, done, then](const Error& error) {
      if (std::exchange(*answered, true)) return;
      --waiting_;
      world_.trace(nobody, fmt::format("the change: {}: {}", to_string(error.code), error.what));
      note(error.code);
      if (error.code != Code::ok) return;
      world_.coverage().hit(done);
      if (then) then();
    };
    world_.after(patience + second, [finish] { finish(Error{Code::timed_out, "no answer"}); });
    return world_.host(at).gateway().change_membership(
        std::move(request), {world_.sim().now() + to_duration(patience)},
        [finish](Result<gateway::Reply<gateway::MembershipResult>>&& reply) {
          finish(reply ? Error{} : reply.error());
        });
  }
}

void Operator::note(Code code) {
  if (code == Code::ok) return;
  const bool unknown = outcome_unknown(code);
  world_.coverage().hit(unknown ? Site::change_unknown : Site::change_refused);
  if (unknown) quiet_from_ = world_.now() + settling;
}

// ---- the end

void Operator::heal() {
  healing_ = true;
  tend();
}

void Operator::tend() {
  const Config* now = config();
  const Member* dead = now == nullptr ? nullptr : without_disk(*now);
  if (dead != nullptr && waiting_ == 0) {
    ask({gateway::RemoveMember{dead->peer.id}, std::nullopt}, Site::member_removed);
  }
  world_.after(round, [this] { tend(); });
}

}  // namespace aspen::sim::node
