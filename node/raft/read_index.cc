// Linearizable reads without log entries (thesis 6.4): a round of heartbeats after the read arrived
// proves that no other leader had committed anything by then.
#include <algorithm>

#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/raft/mutants.h"
#include "node/raft/state.h"

namespace aspen::raft {

void Core::State::refuse_read(RequestId request, Code reason) {
  ASPEN_ASSERT(request.value != 0);
  completions.push_back({request, Outcome::refused, LogId{}, reason, leader});
}

void Core::State::on(const Read& read) {
  ASPEN_ASSERT(read.request.value != 0);
  const std::size_t waiting =
      role == RoleState::leader ? leader_reads.size() : follower_reads.size();
  if (waiting >= limits::reads_pending_max) {
    refuse_read(read.request, Code::overloaded);
  } else if (role == RoleState::leader) {
    leader_reads.push_back({ReadId(), read.request, self, 0});
  } else if (leader) {
    follower_reads.push_back({read.request, 0, 0});
  } else {
    refuse_read(read.request, Code::no_leader);
  }
}

// ---- leader

// All reads that have no round yet share one, once there are few enough in flight.
void Core::State::open_round() {
  ASPEN_ASSERT(role == RoleState::leader);
  if (leader_reads.empty() || leader_reads.back().round) return;
  if (rounds.size() >= tuning.read_rounds) return;
  last_round = ReadId(last_round.value + 1);
  ReadId round = last_round;
  if (mutant_active(Mutant::read_joins_older_round) && !rounds.empty()) round = rounds.back().id;
  // F1: the commit index of a new leader may lag behind what its predecessor committed.
  const bool early = mutant_active(Mutant::read_index_before_own_term);
  const Index index = early ? commit : std::max(commit, blank);
  for (std::size_t i = leader_reads.size(); i > 0 && !leader_reads[i - 1].round; --i) {
    leader_reads[i - 1].round = round;
  }
  if (rounds.empty() || rounds.back().id < round) rounds.push_back({round, index});
  heartbeat_due = true;
  ASPEN_ASSERT(rounds.size() <= leader_reads.size());
  ASPEN_ASSERT(index <= log.last().index);
}

void Core::State::grant_reads() {
  ASPEN_ASSERT(role == RoleState::leader);
  if (rounds.empty()) return;
  ReadId proven(quorum.reached([this](NodeId voter) {
    if (voter == self.id) return last_round.value;
    const Progress* peer = find_peer(voter);
    return peer->lost_data ? 0 : peer->read.value;
  }));
  if (mutant_active(Mutant::read_without_quorum)) proven = last_round;
  while (!rounds.empty() && rounds.front().id <= proven) {
    const ReadRound round = rounds.front();
    for (; !leader_reads.empty() && leader_reads.front().round == round.id;
         leader_reads.pop_front()) {
      const LeaderRead& read = leader_reads.front();
      if (read.request) {
        grants.push_back({read.request, round.index});
      } else {
        send(read.origin, ReadIndexReply{term(), read.context, true, round.index}, IoId());
      }
    }
    rounds.pop_front();
  }
  ASPEN_ASSERT(!rounds.empty() || leader_reads.empty() || !leader_reads.front().round);
}

void Core::State::on_message(const PeerId& from, const ReadIndex& m) {
  if (m.term > term()) become_follower(m.term, NodeId());
  const bool full = leader_reads.size() >= limits::reads_pending_max;
  if (role != RoleState::leader || m.term < term() || full) {
    send(from, ReadIndexReply{term(), m.context, false, Index()}, after_hard_state());
    return;
  }
  ASPEN_ASSERT(m.term == term());
  ASPEN_ASSERT(leader == self.id);
  leader_reads.push_back({ReadId(), RequestId(), from, m.context});
}

void Core::State::end_leader_reads() {
  ASPEN_ASSERT(role == RoleState::leader);
  for (; !leader_reads.empty(); leader_reads.pop_front()) {
    const LeaderRead& read = leader_reads.front();
    if (read.request) {
      completions.push_back({read.request, Outcome::refused, LogId{}, Code::not_leader, NodeId()});
    } else {
      send(read.origin, ReadIndexReply{term(), read.context, false, Index()}, after_hard_state());
    }
  }
  rounds.clear();
  ASPEN_ASSERT(leader_reads.empty());
}

// ---- follower

void Core::State::end_follower_reads(Code reason) {
  ASPEN_ASSERT(role != RoleState::leader);
  for (; !follower_reads.empty(); follower_reads.pop_front()) {
    refuse_read(follower_reads.front().request, reason);
  }
  ASPEN_ASSERT(follower_reads.empty());
}

// The leader or the link to it changed: all reads are asked anew, under a context that no earlier
// answer carries (F2).
void Core::State::ask_again() {
  for (std::size_t i = 0; i < follower_reads.size(); ++i) follower_reads[i].context = 0;
  ASPEN_ASSERT(role != RoleState::leader || follower_reads.empty());
}

// No read hangs: a lost question is repeated, and after an election timeout the read is refused.
void Core::State::tick_follower_reads() {
  ASPEN_ASSERT(role != RoleState::leader);
  const std::uint32_t oldest = tuning.election_ticks_min;
  bool repeat = false;
  for (std::size_t i = 0; i < follower_reads.size(); ++i) {
    FollowerRead& read = follower_reads[i];
    ++read.age_ticks;
    if (read.context != 0 && read.age_ticks % tuning.heartbeat_ticks == 0) repeat = true;
  }
  while (!follower_reads.empty() && follower_reads.front().age_ticks >= oldest) {
    refuse_read(follower_reads.front().request, Code::no_leader);
    follower_reads.pop_front();
  }
  if (!repeat || follower_reads.empty() || !leader) return;
  ASPEN_ASSERT(term_leader.id == leader);
  // An answer to the newest context answers all older ones.
  send(term_leader, ReadIndex{term(), read_context}, after_hard_state());
}

void Core::State::flush_follower_reads() {
  if (follower_reads.empty() || follower_reads.back().context != 0) return;
  if (role != RoleState::follower || !leader) return;
  ASPEN_ASSERT(leader != self.id);
  ++read_context;
  for (std::size_t i = follower_reads.size(); i > 0 && follower_reads[i - 1].context == 0; --i) {
    follower_reads[i - 1].context = read_context;
  }
  send(term_leader, ReadIndex{term(), read_context}, after_hard_state());
  ASPEN_ASSERT(follower_reads.front().context != 0);
}

void Core::State::on_message(const PeerId& from, const ReadIndexReply& m) {
  if (m.term > term()) {
    become_follower(m.term, NodeId());
    return;
  }
  // The answer of a former leader, or to a question of an earlier boot: those contexts began
  // elsewhere.
  if (m.term < term() || leader != from.id || m.context > read_context) return;
  ASPEN_ASSERT(role == RoleState::follower);
  while (!follower_reads.empty() && follower_reads.front().context != 0 &&
         follower_reads.front().context <= m.context) {
    const RequestId request = follower_reads.front().request;
    if (m.granted) {
      grants.push_back({request, m.index});
    } else {
      refuse_read(request, Code::not_leader);
    }
    follower_reads.pop_front();
  }
}

}  // namespace aspen::raft
