// Elections: pre-vote (thesis 9.6), votes, check-quorum (6.2) and the change of roles.
#include <algorithm>
#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/raft/mutants.h"
#include "node/raft/state.h"

namespace aspen::raft {

// Within T of the last word of a leader nobody else gets a vote: a node that was cut off must not
// depose a leader that the others hear (thesis 4.2.3). A leader that lost its quorum has stepped
// down by then, so this cannot block an election that is needed (A6).
bool Core::State::hears_leader() const noexcept {
  if (role == RoleState::leader) return true;
  return leader.value != 0 && election_elapsed < tuning.election_ticks_min;
}

// Whoever is asked: it may be a voter without knowing so yet (C3).
bool Core::State::may_vote() const noexcept {
  return !mutant_active(Mutant::learner_refuses_votes) || quorum.contains(self.id);
}

// A voter of either half of the newest configuration, committed or not (C2, C3). And who was one
// until that configuration, as long as it is not known to be committed: it may be the only one
// whose log is good enough for those who decide now, and then nobody else can lead (thesis 4.2.2).
// It does not count itself, and goes when the configuration is committed.
bool Core::State::may_campaign() const noexcept {
  if (mutant_active(Mutant::learner_campaigns)) return config().find(self.id) != nullptr;
  if (quorum.contains(self.id)) return true;
  if (configs.size() < 2 || config_committed() || mutant_active(Mutant::outgoing_never_campaigns)) {
    return false;
  }
  return Quorum(configs[configs.size() - 2].config).contains(self.id);
}

bool Core::State::up_to_date(const LogId& candidate) const noexcept {
  if (mutant_active(Mutant::index_first_freshness)) {
    return candidate.index >= log.last().index;
  }
  return candidate >= log.last();  // thesis 3.6.1: the term counts first
}

void Core::State::draw_election_wait() noexcept {
  const std::uint32_t shortest = tuning.election_ticks_min;
  election_wait = shortest + static_cast<std::uint32_t>(prng.below(shortest));
  election_elapsed = 0;
}

void Core::State::tick_election() {
  ASPEN_ASSERT(role != RoleState::leader);
  ASPEN_ASSERT(election_wait >= tuning.election_ticks_min);
  ++election_elapsed;
  if (quorum.is_only(self.id) && role == RoleState::follower) {
    pre_campaign();
    return;
  }
  if (election_elapsed >= election_wait) {
    if (may_campaign()) {
      pre_campaign();
      return;
    }
    leader = NodeId();
    end_follower_reads(Code::no_leader);
    draw_election_wait();
  }
  if (role == RoleState::follower) return;
  // A request or its answer may be lost, or a peer may have heard the leader a little later.
  if (++heartbeat_elapsed >= tuning.heartbeat_ticks) ask_for_votes();
}

void Core::State::pre_campaign() {
  ASPEN_ASSERT(role != RoleState::leader);
  ASPEN_ASSERT(may_campaign());
  become_follower(term(), NodeId());
  end_follower_reads(Code::no_leader);
  role = RoleState::pre_candidate;
  ballots.clear();
  ask_for_votes();
  count_ballot(self.id, true);
}

void Core::State::campaign(Summons summons) {
  ASPEN_ASSERT(role != RoleState::leader);
  ASPEN_ASSERT(may_campaign());
  become_follower(Term(term().value + 1), NodeId());
  hard_state.vote = self;
  role = RoleState::candidate;
  summoned = summons == Summons::by_leader;
  ballots.clear();
  ask_for_votes();
  maybe_count_own_vote();
}

// To every voter whose answer does not count yet.
void Core::State::ask_for_votes() {
  ASPEN_ASSERT(role == RoleState::pre_candidate || role == RoleState::candidate);
  heartbeat_elapsed = 0;
  for (const Member& member : config().members) {
    const NodeId id = member.peer.id;
    if (id == self.id || !quorum.contains(id)) continue;
    const auto answered = std::find_if(ballots.begin(), ballots.end(),
                                       [id](const Ballot& ballot) { return ballot.voter == id; });
    if (answered != ballots.end()) continue;
    if (role == RoleState::pre_candidate) {
      send(member.peer, PreVote{Term(term().value + 1), log.last()}, after_hard_state());
    } else {
      const bool early = mutant_active(Mutant::candidacy_before_fsync);
      const Vote vote{term(), log.last(), summoned};
      send(member.peer, vote, early ? IoId() : after_hard_state());
    }
  }
}

// Only the first answer of a voter counts (A4).
void Core::State::count_ballot(NodeId voter, bool granted) {
  ASPEN_ASSERT(role == RoleState::pre_candidate || role == RoleState::candidate);
  for (const Ballot& ballot : ballots) {
    if (ballot.voter == voter) return;
  }
  if (!quorum.contains(voter)) return;
  ballots.push_back({voter, granted});
  ASPEN_ASSERT(ballots.size() <= quorum.size());
  const VoteResult result = quorum.tally(ballots);
  const bool early = mutant_active(Mutant::candidacy_before_fsync);
  if (role == RoleState::candidate && after_hard_state() && !early) return;
  if (result == VoteResult::won) {
    role == RoleState::pre_candidate ? campaign(Summons::own) : become_leader();
  } else if (result == VoteResult::lost) {
    become_follower(term(), NodeId());
  }
}

// P1: the own candidacy counts when it is durable.
void Core::State::maybe_count_own_vote() {
  ASPEN_ASSERT(role == RoleState::candidate);
  ASPEN_ASSERT(hard_state.vote == self);
  const bool early = mutant_active(Mutant::candidacy_before_fsync);
  if (after_hard_state() && !early) return;
  count_ballot(self.id, true);
}

void Core::State::become_follower(Term new_term, NodeId new_leader) {
  ASPEN_ASSERT(new_term >= term());
  if (role == RoleState::leader) resign();
  if (new_term > term()) {
    hard_state = HardState{new_term, std::nullopt};
    hard_state_dirty = true;
    term_leader = PeerId();
    verified = Index();
    acknowledged = Index();
    stream = Epoch();
    acknowledge = false;
  } else if (mutant_active(Mutant::vote_cleared_on_step_down) && role != RoleState::follower) {
    hard_state.vote.reset();
    hard_state_dirty = true;
  }
  // P12: in the same term the vote stays.
  role = RoleState::follower;
  leader = new_leader;
  summoned = false;
  ballots.clear();
  heartbeat_elapsed = 0;
  draw_election_wait();
  ask_again();
  ASPEN_ASSERT(peers.empty());
}

void Core::State::become_leader() {
  ASPEN_ASSERT(role == RoleState::candidate);
  ASPEN_ASSERT(hard_state.vote == self);
  ASPEN_ASSERT(term_leader.id.value == 0);
  ASPEN_ASSERT(!after_hard_state() || mutant_active(Mutant::candidacy_before_fsync));
  ASPEN_ASSERT(follower_reads.empty());
  role = RoleState::leader;
  leader = self.id;
  summoned = false;
  term_leader = self;
  ballots.clear();
  heartbeat_elapsed = 0;
  heartbeat_due = false;
  uncommitted_bytes = 0;
  if (handover) end_handover(NodeId());
  sync_peers();
  blank = log.last().index + 1;
  append_entry(Entry{LogId{term(), blank}, EntryKind::blank, Bytes()});
  ASPEN_ASSERT(proposals.empty());
}

// Ends a leadership; what is in flight is settled at the flush.
void Core::State::resign() {
  ASPEN_ASSERT(role == RoleState::leader);
  end_leader_reads();
  for (; !proposals.empty(); proposals.pop_front()) lost.push_back(proposals.front());
  end_change();
  unstable.clear();
  peers.clear();
  uncommitted_bytes = 0;
  heartbeat_due = false;
  blank = Index();
  ASPEN_ASSERT(leader_reads.empty());
}

// Of two nodes that time out together only one may go on, or they would split the vote and wait
// once more. Only an equal asks in vain: whoever it is that precedes would be granted by it. That
// lapses when the first answers are overdue: who precedes may reach too few to win, and the other
// be the only one who reaches enough.
bool Core::State::precedes(const PeerId& other, const PreVote& m) const noexcept {
  const bool lapsed = election_elapsed >= tuning.heartbeat_ticks;
  if (lapsed && !mutant_active(Mutant::precedence_without_end)) return false;
  if (role != RoleState::pre_candidate || m.term != Term(term().value + 1)) return false;
  return m.last == log.last() && self.id > other.id;
}

// Who is about to time out lets the other finish first. The wait stays within 2T, so that a
// candidate that cannot win holds nobody up.
void Core::State::yield_to_candidate() noexcept {
  ASPEN_ASSERT(role == RoleState::follower);
  const std::uint32_t longest = 2 * tuning.election_ticks_min;
  const std::uint32_t later = election_elapsed + tuning.heartbeat_ticks;
  election_wait = std::max(election_wait, std::min(later, longest));
  ASPEN_ASSERT(election_wait <= longest);
}

void Core::State::on_message(const PeerId& from, const PreVote& m) {
  ASPEN_ASSERT(m.term.value > 0);
  const bool granted =
      m.term > term() && up_to_date(m.last) && !hears_leader() && !precedes(from, m) && may_vote();
  if (granted && role == RoleState::follower) yield_to_candidate();
  const Term said = granted ? m.term : term();
  send(from, PreVoteReply{said, granted}, after_hard_state());
}

void Core::State::on_message(const PeerId& from, const PreVoteReply& m) {
  if (mutant_active(Mutant::stale_pre_vote_counted) && role == RoleState::candidate && m.granted) {
    count_ballot(from.id, true);
    return;
  }
  if (!m.granted) {
    // A refusal with a higher term: the next question must be about a term above it, or a node with
    // the best log could stay behind for ever (A6). Other refusals mean "not yet".
    if (m.term > term()) become_follower(m.term, NodeId());
    return;
  }
  // A late answer, to a question of an earlier term or after the vote itself began.
  if (role != RoleState::pre_candidate || m.term != Term(term().value + 1)) return;
  ASPEN_ASSERT(may_campaign());
  count_ballot(from.id, true);
}

void Core::State::on_message(const PeerId& from, const Vote& m) {
  ASPEN_ASSERT(m.term.value > 0);
  if (m.term > term()) {
    const bool asked_to = m.transfer && !mutant_active(Mutant::transfer_vote_refused);
    if (hears_leader() && !asked_to) return;
    become_follower(m.term, NodeId());
  }
  const bool free =
      hard_state.vote ? hard_state.vote == from : term_leader.id.value == 0 || term_leader == from;
  const bool granted =
      m.term == term() && role == RoleState::follower && free && up_to_date(m.last) && may_vote();
  if (granted) {
    if (!hard_state.vote) {
      hard_state.vote = from;
      hard_state_dirty = true;
    }
    draw_election_wait();
    ASPEN_ASSERT(hard_state.vote == from);
  }
  const bool early = granted && mutant_active(Mutant::vote_reply_before_fsync);
  send(from, VoteReply{term(), granted}, early ? IoId() : after_hard_state());
}

void Core::State::on_message(const PeerId& from, const VoteReply& m) {
  if (m.term > term()) {
    if (m.granted) return count_malformed();
    become_follower(m.term, NodeId());
    return;
  }
  // A late answer, to a candidacy that is over.
  if (m.term != term() || role != RoleState::candidate) return;
  ASPEN_ASSERT(hard_state.vote == self);
  count_ballot(from.id, m.granted);
}

}  // namespace aspen::raft
