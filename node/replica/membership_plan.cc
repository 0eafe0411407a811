#include "node/replica/membership_plan.h"

#include <algorithm>
#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/replica/init_request.h"

namespace aspen::replica {

namespace {

using Planned = tl::expected<MembershipPlan, wire::ControlRefusal>;

tl::unexpected<wire::ControlRefusal> refuse(wire::Objection objection) {
  return tl::unexpected<wire::ControlRefusal>({raft::Refusal::none, objection});
}

Member* find(Config& config, NodeId id) {
  for (Member& member : config.members) {
    if (member.peer.id == id) return &member;
  }
  return nullptr;
}

std::size_t voters(const Config& config) {
  return static_cast<std::size_t>(
      std::ranges::count_if(config.members, [](const Member& m) { return m.role == Role::voter; }));
}

bool acceptable_addresses(const std::vector<std::string>& addresses) {
  return addresses.size() <= limits::member_addresses_max &&
         std::ranges::all_of(addresses, [](const std::string& a) { return valid_address(a); });
}

struct Planner {
  const Config& from;
  NodeId fresh;

  [[nodiscard]] Planned done(Config to, NodeId subject) const {
    const bool changes = to != from;
    return MembershipPlan{std::move(to), subject, changes, raft::Promotion::when_caught_up};
  }

  Planned operator()(const wire::AddMember& add) const {
    const bool bound = add.binding == wire::Binding::at_once;
    if (!acceptable(add) || bound == add.incarnation.empty()) {
      return refuse(wire::Objection::bad_member);
    }
    for (const Member& member : from.members) {
      const bool same_address = member.peer_address == add.peer_address;
      const bool same_directory = bound && member.peer.incarnation == add.incarnation;
      if (same_address && same_directory) return done(from, member.peer.id);
      if (same_address || same_directory) return refuse(wire::Objection::address_taken);
    }
    if (bound && add.role == Role::voter) return refuse(wire::Objection::voter_unbound);
    Member member;
    member.peer = {fresh, add.incarnation};
    member.role = add.role;
    member.name = add.name;
    member.peer_address = add.peer_address;
    member.client_addresses = add.client_addresses;
    Config to = from;
    const auto at =
        std::ranges::lower_bound(to.members, fresh, {}, [](const Member& m) { return m.peer.id; });
    ASPEN_ASSERT(at == to.members.end() || at->peer.id != fresh);
    to.members.insert(at, std::move(member));
    Planned plan = done(std::move(to), fresh);
    if (add.role == Role::voter) plan->promotion = raft::Promotion::at_once;
    return plan;
  }

  Planned operator()(const wire::ChangeVoters& change) const {
    const auto wanted = [&change](NodeId id) {
      return std::ranges::find(change.voters, id) != change.voters.end();
    };
    for (const NodeId id : change.voters) {
      if (from.find(id) == nullptr) return refuse(wire::Objection::unknown_member);
    }
    if (change.voters.empty()) return refuse(wire::Objection::last_voter);
    Config to;
    for (Member member : from.members) {
      const bool leaves = member.role == Role::voter && !wanted(member.peer.id);
      if (leaves && change.leaving == wire::Leaving::removed) continue;
      if (leaves) member.role = Role::learner;
      if (wanted(member.peer.id)) member.role = Role::voter;
      to.members.push_back(std::move(member));
    }
    ASPEN_ASSERT(voters(to) > 0);
    return done(std::move(to), NodeId());
  }

  Planned operator()(const wire::RemoveMember& remove) const {
    if (from.find(remove.id) == nullptr) return refuse(wire::Objection::unknown_member);
    Config to = from;
    std::erase_if(to.members, [&remove](const Member& m) { return m.peer.id == remove.id; });
    if (voters(to) == 0) return refuse(wire::Objection::last_voter);
    return done(std::move(to), remove.id);
  }

  Planned operator()(const wire::UpdateMember& update) const {
    Config to = from;
    Member* member = find(to, update.id);
    if (member == nullptr) return refuse(wire::Objection::unknown_member);
    const bool moves = !update.peer_address.empty();
    if ((moves && !valid_address(update.peer_address)) ||
        !acceptable_addresses(update.client_addresses)) {
      return refuse(wire::Objection::bad_member);
    }
    for (const Member& other : from.members) {
      const bool taken = moves && other.peer_address == update.peer_address;
      if (taken && other.peer.id != update.id) return refuse(wire::Objection::address_taken);
    }
    if (moves) member->peer_address = update.peer_address;
    if (!update.client_addresses.empty()) member->client_addresses = update.client_addresses;
    return done(std::move(to), update.id);
  }

  Planned operator()(const wire::PromoteMember& promote) const {
    Config to = from;
    Member* member = find(to, promote.id);
    if (member == nullptr) return refuse(wire::Objection::unknown_member);
    if (member->role != Role::learner) return refuse(wire::Objection::not_learner);
    member->role = Role::voter;
    return done(std::move(to), promote.id);
  }

  Planned operator()(const wire::BindMember& bind) const {
    Config to = from;
    Member* member = find(to, bind.id);
    if (member == nullptr) return refuse(wire::Objection::unknown_member);
    if (bind.incarnation.empty()) return refuse(wire::Objection::bad_member);
    if (!member->peer.incarnation.empty() && member->peer.incarnation != bind.incarnation) {
      return tl::unexpected<wire::ControlRefusal>(
          {raft::Refusal::incarnation_changed, wire::Objection::none});
    }
    member->peer.incarnation = bind.incarnation;
    if (member->name.empty()) member->name = bind.name;
    const bool reached = valid_address(bind.client_address);
    if (member->client_addresses.empty() && reached)
      member->client_addresses = {bind.client_address};
    return done(std::move(to), bind.id);
  }
};

}  // namespace

bool acceptable(const wire::AddMember& add) {
  return add.name.size() <= limits::node_name_bytes_max && valid_address(add.peer_address) &&
         acceptable_addresses(add.client_addresses) && add.role != Role::leaving;
}

tl::expected<MembershipPlan, wire::ControlRefusal> plan_change(
    const Config& from, const wire::MembershipRequest& request, NodeId fresh) {
  ASPEN_ASSERT(!from.joint());
  ASPEN_ASSERT(fresh.value != 0);
  return std::visit(Planner{from, fresh}, request.what);
}

}  // namespace aspen::replica
