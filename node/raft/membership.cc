// Membership (thesis 4.3): a configuration is in force from the moment it is appended. Changes of
// the set of voters go through a joint configuration, which whoever leads when it is committed
// leaves.
#include <algorithm>
#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/raft/change.h"
#include "node/raft/mutants.h"
#include "node/raft/state.h"

namespace aspen::raft {

Error error_of(Refusal refusal) noexcept {
  ASPEN_ASSERT(refusal != Refusal::none);
  switch (refusal) {
    case Refusal::none:
      break;
    case Refusal::leader_is_new:
      return {Code::unavailable, "the leader has just been elected, try again"};
    case Refusal::change_in_flight:
      return {Code::unavailable, "a change of the membership is under way, try again"};
    case Refusal::transferring:
      return {Code::unavailable, "the leadership is being handed over, try again"};
    case Refusal::stale_expect:
      return {Code::failed_precondition, "the membership has changed meanwhile, read it again"};
    case Refusal::malformed:
      return {Code::invalid_argument, "members: ascending, each id and data directory once"};
    case Refusal::no_voter:
      return {Code::invalid_argument, "a cluster needs a voter"};
    case Refusal::too_many_voters:
      return {Code::invalid_argument, "voters: at most 7"};
    case Refusal::too_many_members:
      return {Code::invalid_argument, "members: at most 64, those that leave included"};
    case Refusal::incarnation_changed:
      return {Code::wrong_incarnation, "a new data directory needs a new node id"};
    case Refusal::not_caught_up:
      return {Code::failed_precondition, "a new voter has to catch up first, as a learner"};
    case Refusal::no_target:
      return {Code::failed_precondition, "no voter that was heard of lately can take over"};
  }
  ASPEN_UNREACHABLE();
}

void Core::State::refuse(RequestId request, Refusal refusal) {
  ASPEN_ASSERT(request.value != 0);
  ASPEN_ASSERT(refusal != Refusal::none);
  const Code reason = error_of(refusal).code;
  completions.push_back({request, Outcome::refused, LogId{}, reason, leader, refusal});
}

void Core::State::refuse_elsewhere(RequestId request) {
  ASPEN_ASSERT(request.value != 0);
  ASPEN_ASSERT(role != RoleState::leader);
  const Code reason = leader ? Code::not_leader : Code::no_leader;
  completions.push_back({request, Outcome::refused, LogId{}, reason, leader, Refusal::none});
}

// ---- what is in force

bool Core::State::config_committed() const noexcept {
  return !configs.empty() && configs.back().id.index <= commit;
}

LoggedConfig Core::State::config_at(Index index) const {
  ASPEN_ASSERT(index >= log.purged().index);
  ASPEN_ASSERT(index <= log.last().index);
  LoggedConfig found;
  for (const LoggedConfig& logged : configs) {
    if (logged.id.index > index && !mutant_active(Mutant::snapshot_of_newest_config)) break;
    found = logged;
  }
  return found;
}

// Whether this node ever was a member is seen while the entries that say so are there.
void Core::State::note_membership() noexcept {
  ASPEN_ASSERT(commit <= log.last().index);
  const Config* committed = nullptr;
  for (const LoggedConfig& logged : configs) {
    if (logged.id.index > commit) break;
    committed = &logged.config;
    if (committed->find(self.id) != nullptr) was_member = true;
  }
  if (mutant_active(Mutant::config_in_force_when_committed) && committed != nullptr) {
    quorum = Quorum(*committed);
  }
  removed = was_member && committed != nullptr && committed->find(self.id) == nullptr;
}

void Core::State::append_config(const Config& config) {
  ASPEN_ASSERT(role == RoleState::leader);
  ASPEN_ASSERT(!config.empty());
  const LogId id{term(), log.last().index + 1};
  append_entry(Entry{id, EntryKind::config, Bytes(encode(config))});
  ASPEN_ASSERT(configs.back().id == id);
}

// ---- changes

bool Core::State::caught_up(const Progress& peer) const noexcept {
  ASPEN_ASSERT(role == RoleState::leader);
  const bool heard = peer.silent_ticks < tuning.election_ticks_min;
  return heard && peer.keeps_pace && !peer.lost_data && !peer.leaving() &&
         peer.match + tuning.promotion_lag >= commit;
}

Refusal Core::State::refusal_of(const ChangeConfig& asked) noexcept {
  ASPEN_ASSERT(role == RoleState::leader);
  ASPEN_ASSERT(!configs.empty());
  // C1: without an entry of its own term a leader may change what a predecessor is changing.
  if (commit < blank && !mutant_active(Mutant::change_before_own_term)) {
    return Refusal::leader_is_new;
  }
  const bool in_flight = config().joint() || !config_committed();
  if (config().joint() || (in_flight && !mutant_active(Mutant::changes_overlap))) {
    return Refusal::change_in_flight;
  }
  if (handover) return Refusal::transferring;
  if (asked.expect != configs.back().id && !mutant_active(Mutant::expect_ignored)) {
    return Refusal::stale_expect;
  }
  const Refusal wrong = check_target(config(), asked.to);
  if (wrong != Refusal::none) return wrong;
  for (const Member& member : asked.to.members) {
    const Member* before = config().find(member.peer.id);
    const Progress* peer = find_peer(member.peer.id);
    // A member that is not bound has answered from one data directory already.
    if (peer != nullptr && !member.peer.incarnation.empty() && !peer->peer.incarnation.empty() &&
        peer->peer.incarnation != member.peer.incarnation) {
      return Refusal::incarnation_changed;
    }
    const bool votes_already = before != nullptr && before->role == Role::voter;
    if (member.role != Role::voter || votes_already) continue;
    if (asked.promotion == Promotion::at_once) continue;
    const bool bound = before != nullptr && !before->peer.incarnation.empty();
    if (!bound || peer == nullptr || !caught_up(*peer)) return Refusal::not_caught_up;
  }
  return Refusal::none;
}

void Core::State::on(const ChangeConfig& asked) {
  ASPEN_ASSERT(asked.request.value != 0);
  if (role != RoleState::leader) return refuse_elsewhere(asked.request);
  complete_change();
  const Refusal refusal = refusal_of(asked);
  if (refusal != Refusal::none) return refuse(asked.request, refusal);
  ASPEN_ASSERT(!change || mutant_active(Mutant::changes_overlap));
  const bool single =
      same_voters(config(), asked.to) || mutant_active(Mutant::voters_changed_at_once);
  append_config(single ? asked.to : joint_of(config(), asked.to));
  change = Change{asked.request, single ? configs.back().id : LogId{}};
}

void Core::State::complete_change() {
  ASPEN_ASSERT(role == RoleState::leader);
  if (!change || change->last == LogId{} || change->last.index > commit) return;
  completions.push_back({change->request, Outcome::committed, change->last, Code::ok, self.id});
  change.reset();
}

// At each flush of a leader: the change under way goes on as far as the commit index lets it.
void Core::State::advance_membership() {
  complete_change();
  if (!config().joint()) return;
  const bool early = mutant_active(Mutant::joint_left_before_commit);
  if ((!config_committed() || commit < blank) && !early) return;
  // C5: a predecessor may have committed it and died.
  if (!change && mutant_active(Mutant::joint_left_by_its_author_only)) return;
  append_config(final_of(config()));
  if (change) change->last = configs.back().id;
  ASPEN_ASSERT(!config().joint());
}

// What becomes of it without this leader is not known here.
void Core::State::end_change() {
  if (!change) return;
  ASPEN_ASSERT(change->request.value != 0);
  if (change->last != LogId{}) {
    lost.push_back({change->request, change->last, 0});
  } else {
    completions.push_back(
        {change->request, Outcome::unknown, LogId{}, Code::leader_lost, NodeId()});
  }
  change.reset();
}

// ---- peers

// A stream to every member. Who is no member any more keeps its own for a while, so that it learns
// of its end; nobody would tell it later.
void Core::State::sync_peers() {
  ASPEN_ASSERT(role == RoleState::leader);
  const Index entry = configs.empty() ? Index() : configs.back().id.index;
  for (Progress& peer : peers) {
    const Member* member = config().find(peer.peer.id);
    if (member == nullptr && !peer.leaving()) peer.farewell = entry;
    if (member == nullptr) continue;
    peer.farewell = Index();
    peer.farewell_ticks = 0;
    if (!member->peer.incarnation.empty()) peer.peer = member->peer;
  }
  for (const Member& member : config().members) {
    if (member.peer.id == self.id || find_peer(member.peer.id) != nullptr) continue;
    const auto at =
        std::lower_bound(peers.begin(), peers.end(), member.peer.id,
                         [](const Progress& peer, NodeId id) { return peer.peer.id < id; });
    Progress& peer = *peers.emplace(at);
    peer.peer = member.peer;
    peer.round_end = std::max(log.last().index, Index(1));
    restart_stream(peer, log.last().index + 1);
  }
  ASPEN_ASSERT(peers.size() <= 2 * limits::members_max);
}

// After T ticks of heartbeats that carry the commit index whoever can hear has heard.
void Core::State::tick_farewells() {
  ASPEN_ASSERT(role == RoleState::leader);
  const std::uint32_t enough = tuning.election_ticks_min;
  const bool crowded = peers.size() > limits::members_max;
  std::erase_if(peers, [&](Progress& peer) {
    if (!peer.leaving()) return false;
    if (peer.farewell <= commit) ++peer.farewell_ticks;
    return peer.farewell_ticks >= enough || (crowded && peer.farewell <= commit);
  });
  ASPEN_ASSERT(peers.size() <= 2 * limits::members_max);
}

// The first data directory that answers for a member which is not bound yet is it, for this leader:
// another one under the same id would take back what this one acknowledged.
bool Core::State::pinned(const PeerId& from) noexcept {
  if (role != RoleState::leader) return true;
  Progress* peer = find_peer(from.id);
  if (peer == nullptr) return true;
  if (mutant_active(Mutant::other_incarnation_admitted)) return true;
  if (peer->peer.incarnation.empty()) peer->peer.incarnation = from.incarnation;
  ASPEN_ASSERT(peer->peer.id == from.id);
  return peer->peer.incarnation == from.incarnation;
}

// A leader that is no voter leads until that is committed, and not for longer (thesis 4.2.2).
void Core::State::maybe_retire() {
  ASPEN_ASSERT(role == RoleState::leader);
  if (quorum.contains(self.id)) return;
  if (mutant_active(Mutant::removed_leader_stays)) return;
  if (!config_committed() && !mutant_active(Mutant::retired_before_commit)) return;
  const Progress* heir = best_successor();
  if (heir != nullptr) send(heir->peer, TimeoutNow{term()}, IoId());
  become_follower(term(), NodeId());
  ASPEN_ASSERT(role == RoleState::follower);
}

}  // namespace aspen::raft
