#include "node/raft/change.h"

#include <algorithm>

#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/raft/mutants.h"

namespace aspen::raft {

namespace {

bool well_formed(const Config& config) noexcept {
  NodeId previous;
  for (const Member& member : config.members) {
    if (member.peer.id <= previous || member.outgoing || member.role == Role::leaving) return false;
    if (member.client_addresses.size() > limits::member_addresses_max) return false;
    previous = member.peer.id;
    for (const Member& other : config.members) {
      const bool same_place =
          !member.peer.incarnation.empty() && other.peer.incarnation == member.peer.incarnation;
      if (same_place && other.peer.id != member.peer.id) return false;
    }
  }
  return true;
}

// In the old set and in the new one, each once.
std::size_t union_size(const Config& from, const Config& to) noexcept {
  std::size_t size = to.members.size();
  for (const Member& member : from.members) {
    if (to.find(member.peer.id) == nullptr) ++size;
  }
  ASPEN_ASSERT(size <= from.members.size() + to.members.size());
  return size;
}

}  // namespace

Refusal check_target(const Config& from, const Config& to) noexcept {
  ASPEN_ASSERT(!from.joint());
  if (to.members.size() > limits::members_max || union_size(from, to) > limits::members_max) {
    return Refusal::too_many_members;
  }
  if (!well_formed(to)) return Refusal::malformed;
  std::size_t voters = 0;
  for (const Member& member : to.members) {
    if (member.role == Role::voter) ++voters;
    const Member* before = from.find(member.peer.id);
    const bool bound = before != nullptr && !before->peer.incarnation.empty();
    if (bound && before->peer.incarnation != member.peer.incarnation) {
      return Refusal::incarnation_changed;
    }
  }
  if (voters == 0) return Refusal::no_voter;
  if (voters > limits::voters_max) return Refusal::too_many_voters;
  if (encode(to).size() > limits::entry_bytes_max / 2) return Refusal::malformed;
  ASPEN_ASSERT(!to.empty());
  return Refusal::none;
}

bool same_voters(const Config& a, const Config& b) noexcept {
  const auto votes_in = [](const Config& config, NodeId id) {
    const Member* member = config.find(id);
    return member != nullptr && member->role == Role::voter;
  };
  const auto all_in = [&votes_in](const Config& some, const Config& other) {
    return std::all_of(some.members.begin(), some.members.end(), [&](const Member& member) {
      return member.role != Role::voter || votes_in(other, member.peer.id);
    });
  };
  return all_in(a, b) && all_in(b, a);
}

Config joint_of(const Config& from, const Config& to) {
  ASPEN_ASSERT(check_target(from, to) == Refusal::none);
  Config joint = to;
  for (const Member& before : from.members) {
    if (before.role != Role::voter) continue;
    const auto at =
        std::lower_bound(joint.members.begin(), joint.members.end(), before.peer.id,
                         [](const Member& member, NodeId id) { return member.peer.id < id; });
    if (at != joint.members.end() && at->peer.id == before.peer.id) {
      at->outgoing = true;
      continue;
    }
    Member leaving = before;
    leaving.role = Role::leaving;
    leaving.outgoing = true;
    joint.members.insert(at, std::move(leaving));
  }
  ASPEN_ASSERT(joint.joint());
  ASPEN_ASSERT(final_of(joint) == to);
  return joint;
}

Config final_of(const Config& joint) {
  Config config;
  for (const Member& member : joint.members) {
    if (member.role == Role::leaving) continue;
    config.members.push_back(member);
    config.members.back().outgoing = false;
  }
  ASPEN_ASSERT(!config.joint());
  ASPEN_ASSERT(!config.empty());
  return config;
}

}  // namespace aspen::raft
