// Handing the leadership over (thesis 3.10): the target gets what it lacks and is told to campaign
// at once; its requests for votes say so, and are granted by nodes that hear the leader.
#include <algorithm>

#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/raft/mutants.h"
#include "node/raft/state.h"

namespace aspen::raft {

bool Core::State::can_succeed(const Progress& peer) const noexcept {
  const Member* member = config().find(peer.peer.id);
  const bool heard = peer.silent_ticks < tuning.election_ticks_min;
  return heard && !peer.lost_data && member != nullptr && member->role == Role::voter;
}

const Progress* Core::State::best_successor() const noexcept {
  ASPEN_ASSERT(role == RoleState::leader);
  const Progress* best = nullptr;
  for (const Progress& peer : peers) {
    if (!can_succeed(peer)) continue;
    if (best == nullptr || peer.match > best->match) best = &peer;
  }
  ASPEN_ASSERT(best == nullptr || best->peer.id != self.id);
  return best;
}

void Core::State::on(const Transfer& asked) {
  ASPEN_ASSERT(asked.request.value != 0);
  if (role != RoleState::leader) return refuse_elsewhere(asked.request);
  if (handover) return refuse(asked.request, Refusal::transferring);
  const Progress* peer = asked.to ? find_peer(asked.to) : best_successor();
  if (peer == nullptr || !can_succeed(*peer)) return refuse(asked.request, Refusal::no_target);
  handover = Handover{asked.request, peer->peer.id, 0, false};
  ASPEN_ASSERT(handover->to != self.id);
}

// At each flush of a leader, behind the appends. What gets lost is repeated with the heartbeats.
void Core::State::advance_handover(bool repeat) {
  ASPEN_ASSERT(role == RoleState::leader);
  if (!handover) return;
  const Progress* peer = find_peer(handover->to);
  if (peer == nullptr || !can_succeed(*peer)) return end_handover(NodeId());
  if (peer->match < log.last().index || (handover->told && !repeat)) return;
  ASPEN_ASSERT(peer->match == log.last().index);
  send(peer->peer, TimeoutNow{term()}, IoId());
  handover->told = true;
}

void Core::State::tick_handover() {
  if (!handover) return;
  ASPEN_ASSERT(handover->ticks < tuning.election_ticks_min);
  if (mutant_active(Mutant::transfer_never_given_up) && role == RoleState::leader) return;
  // The target is not fit for it, or does not hear: this leader goes on.
  if (++handover->ticks >= tuning.election_ticks_min) end_handover(NodeId());
}

// `now_leads`: 0 if that is not known.
void Core::State::end_handover(NodeId now_leads) {
  ASPEN_ASSERT(handover.has_value());
  ASPEN_ASSERT(handover->request.value != 0);
  Completion done{handover->request, Outcome::unknown, LogId{}, Code::timed_out, now_leads};
  if (now_leads == handover->to) {
    done.outcome = Outcome::committed;
    done.reason = Code::ok;
  } else if (!handover->told) {
    done.outcome = Outcome::refused;
    done.refusal = Refusal::no_target;
    done.reason = error_of(done.refusal).code;
  }
  completions.push_back(done);
  handover.reset();
}

// Only the leader itself may ask for an election that nobody needs.
void Core::State::on_message(const PeerId& from, const TimeoutNow& m) {
  if (m.term != term() || role != RoleState::follower || leader != from.id) return;
  if (!may_campaign()) return;
  ASPEN_ASSERT(term_leader == from);
  end_follower_reads(Code::no_leader);
  campaign(Summons::by_leader);
  ASPEN_ASSERT(role != RoleState::follower);
}

}  // namespace aspen::raft
