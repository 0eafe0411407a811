// The leader's side of replication: streams of appends, heartbeats and the commit index.
#include <algorithm>
#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/raft/mutants.h"
#include "node/raft/state.h"

namespace aspen::raft {

Progress* Core::State::find_peer(NodeId node) noexcept {
  for (Progress& peer : peers) {
    if (peer.peer.id == node) return &peer;
  }
  return nullptr;
}

void Core::State::restart_stream(Progress& peer, Index at) noexcept {
  ASPEN_ASSERT(at.value > 0);
  at = std::max(at, log.purged().index + 1);
  ASPEN_ASSERT(at <= log.last().index + 1);
  last_epoch = Epoch(last_epoch.value + 1);
  peer.restart(at, last_epoch);
}

void Core::State::tick_leader() {
  ASPEN_ASSERT(role == RoleState::leader);
  ASPEN_ASSERT(leader == self.id);
  for (Progress& peer : peers) {
    if (peer.silent_ticks < tuning.election_ticks_min) ++peer.silent_ticks;
    peer.tick_round(log.last().index, tuning.election_ticks_min);
  }
  tick_farewells();
  if (!heard_by_quorum() && !mutant_active(Mutant::leader_never_steps_down)) {
    // Thesis 6.2: clients must be free to look for a leader that can commit.
    become_follower(term(), NodeId());
    return;
  }
  if (++heartbeat_elapsed < tuning.heartbeat_ticks) return;
  heartbeat_elapsed = 0;
  heartbeat_due = true;
  for (Progress& peer : peers) peer.heartbeat();
}

bool Core::State::heard_by_quorum() const noexcept {
  ASPEN_ASSERT(role == RoleState::leader);
  std::vector<Ballot> heard;
  heard.reserve(peers.size() + 1);
  heard.push_back({self.id, true});
  for (const Progress& peer : peers) {
    const bool recently = peer.silent_ticks < tuning.election_ticks_min;
    heard.push_back({peer.peer.id, recently && !peer.lost_data});
  }
  return quorum.tally(heard) == VoteResult::won;
}

Index Core::State::match_of(NodeId voter) noexcept {
  ASPEN_ASSERT(role == RoleState::leader);
  if (voter == self.id) {
    const bool early = mutant_active(Mutant::leader_counts_unstable);
    return early ? log.last().index : disk.stable();
  }
  const Progress* peer = find_peer(voter);
  ASPEN_ASSERT(peer != nullptr);
  return peer->counted();
}

void Core::State::maybe_commit() {
  ASPEN_ASSERT(role == RoleState::leader);
  ASPEN_ASSERT(blank.value > 0);
  const Index reached(quorum.reached([this](NodeId voter) { return match_of(voter).value; }));
  ASPEN_ASSERT(reached <= log.last().index);
  // P5, thesis 3.6.2: only entries of the own term are committed by counting.
  if (reached < blank && !mutant_active(Mutant::commit_older_term)) return;
  if (reached <= commit) return;
  commit = reached;
  while (!proposals.empty() && proposals.front().id.index <= commit) {
    const Proposal& done = proposals.front();
    completions.push_back({done.request, Outcome::committed, done.id, Code::ok, self.id});
    unstable.push_back(done);
    proposals.pop_front();
  }
  release_bytes();
}

// What the own disk does not hold yet stays in memory, also when the others have committed it.
void Core::State::release_bytes() {
  ASPEN_ASSERT(role == RoleState::leader);
  for (; !unstable.empty() && unstable.front().id.index <= disk.stable(); unstable.pop_front()) {
    if (mutant_active(Mutant::uncommitted_bytes_leak)) continue;
    ASPEN_ASSERT(uncommitted_bytes >= unstable.front().size_bytes);
    uncommitted_bytes -= unstable.front().size_bytes;
  }
}

// One flush: every peer gets what it lacks, as far as its window allows; who was told a lower
// commit index, or has to answer a read round, gets a heartbeat.
void Core::State::replicate() {
  ASPEN_ASSERT(role == RoleState::leader);
  ASPEN_ASSERT(!after_hard_state() || mutant_active(Mutant::candidacy_before_fsync));
  for (Progress& peer : peers) {
    replicate_to(peer);
    const Index due = std::min(commit, peer.match);
    if (heartbeat_due || due > peer.told_commit) send_heartbeat(peer);
  }
  heartbeat_due = false;
}

void Core::State::replicate_to(Progress& peer) {
  if (peer.lost_data || peer.state == ProgressState::snapshot) return;
  // Each turn sends at least one entry or stops.
  for (std::size_t sent = 0; sent <= limits::window_appends_max; ++sent) {
    const bool more = peer.state == ProgressState::probe ? probe_once(peer) : send_entries(peer);
    if (!more) break;
  }
  if (std::exchange(peer.verify, false) && peer.state == ProgressState::replicate) {
    send_append(peer, peer.next - 1);
  }
  ASPEN_ASSERT(peer.next > peer.match);
}

// At most one message under way. A guess is checked with an empty append, unless it is that the
// peer lacks nothing but entries of this term.
bool Core::State::probe_once(Progress& peer) {
  ASPEN_ASSERT(peer.state == ProgressState::probe);
  ASPEN_ASSERT(peer.window.empty());
  if (peer.waiting > 0) return false;
  peer.waiting = 1;
  const Index last = log.last().index;
  const bool likely = peer.proven() || peer.next >= blank;
  if (!likely || peer.next > last) {
    send_append(peer, peer.next - 1);
  } else if (peer.next < log.tail_first()) {
    peer.waiting = 2;  // the log is read for it, which may take longer
    send_spec(peer);
  } else {
    std::uint64_t bytes = 0;
    send_append(peer, log.batch_end(peer.next, tuning.append_bytes, bytes));
  }
  return false;
}

// True if something was sent and more may follow.
bool Core::State::send_entries(Progress& peer) {
  ASPEN_ASSERT(peer.state == ProgressState::replicate);
  if (peer.next > log.last().index || peer.window_full(tuning)) return false;
  if (peer.next < log.tail_first()) {
    // The driver reads these from the log, one append at a time.
    if (!peer.window.empty()) return false;
    ASPEN_ASSERT(peer.proven());
    peer.state = ProgressState::probe;
    return true;
  }
  std::uint64_t bytes = 0;
  const Index hi = log.batch_end(peer.next, tuning.append_bytes, bytes);
  send_append(peer, hi);
  peer.sent(hi, bytes);
  return true;
}

// The entries next..hi; none if hi is next - 1.
void Core::State::send_append(Progress& peer, Index hi) {
  const Index prev = peer.next - 1;
  const std::optional<Term> prev_term = log.term_at(prev);
  ASPEN_ASSERT(prev_term.has_value());
  ASPEN_ASSERT(hi >= prev);
  send(peer.peer, Append{term(), {*prev_term, prev}, log.copy(peer.next, hi), commit, peer.epoch},
       IoId());
  const Index verified_by_it = peer.state == ProgressState::replicate ? hi : peer.match;
  peer.told_commit = std::max(peer.told_commit, std::min(commit, verified_by_it));
}

void Core::State::send_spec(Progress& peer) {
  const LogId prev{log.term_at(peer.next - 1).value_or(Term()), peer.next - 1};
  const Index asked = prev.index + limits::append_spec_entries_max;
  const Index hi = std::min(asked, log.tail_first() - 1);
  ASPEN_ASSERT(prev.index >= log.purged().index);
  ASPEN_ASSERT(hi > prev.index);
  ASPEN_ASSERT(hi <= disk.stable());
  const Term term_hi = log.term_at(hi).value_or(Term());
  sends.push_back(Send{
      peer.peer, AppendSpec{term(), prev, peer.next, hi, term_hi, commit, peer.epoch}, IoId()});
}

void Core::State::send_heartbeat(Progress& peer) {
  const Index known = std::min(commit, peer.match);
  const ReadId round = rounds.empty() ? ReadId() : rounds.back().id;
  ASPEN_ASSERT(role == RoleState::leader);
  ASPEN_ASSERT(peer.epoch.value > 0);
  send(peer.peer, Heartbeat{term(), known, round, peer.epoch, held}, IoId());
  peer.told_commit = std::max(peer.told_commit, known);
}

bool Core::State::wants(const PeerId& to, const AppendSpec& spec) const noexcept {
  if (role != RoleState::leader || spec.term != term()) return false;
  for (const Progress& peer : peers) {
    if (peer.peer.id != to.id) continue;
    return peer.epoch == spec.epoch && peer.state == ProgressState::probe && peer.next == spec.lo &&
           log.term_at(spec.hi) == spec.term_hi;
  }
  return false;
}

void Core::State::on_message(const PeerId& from, const AppendReply& m) {
  if (m.term > term()) {
    become_follower(m.term, NodeId());
    return;
  }
  if (m.term < term() || role != RoleState::leader) return;
  Progress* peer = find_peer(from.id);
  if (peer == nullptr) return;
  ASPEN_ASSERT(leader == self.id);
  ASPEN_ASSERT(peer->match < peer->next);
  peer->silent_ticks = 0;
  if (m.epoch != peer->epoch) return;
  if (m.accepted && m.match > log.last().index) return count_malformed();
  if (!m.accepted) {
    on_refused(*peer, m);
    return;
  }
  take_acceptance(*peer, m.match);
  maybe_commit();
}

void Core::State::take_acceptance(Progress& peer, Index match) {
  ASPEN_ASSERT(match <= log.last().index);
  ASPEN_ASSERT(peer.next > log.purged().index);
  if (peer.state == ProgressState::snapshot) {
    peer.acknowledged(match);
    maybe_leave_snapshot(peer);
  } else if (std::max(match, peer.match) < log.purged().index) {
    // It holds more than is durable there. From its durable index on nothing can be sent again; the
    // probes go on until that has passed the purge point.
    peer.acknowledged(match);
  } else {
    peer.accepted(match);
  }
}

// Two kinds prove nothing but themselves. A refusal by a log that ends before what it had
// acknowledged when the stream began: the peer's disk forgot, so neither its acknowledgements nor
// its vote can be relied on, and it has to be replaced. A stale refusal is one whose hint is not
// below the position that is being tried.
void Core::State::on_refused(Progress& peer, const AppendReply& m) {
  if (m.last < peer.match_at_start) peer.lost_data = true;
  if (peer.state == ProgressState::snapshot) return;
  if (peer.lost_data || m.match + 1 >= peer.next) return;
  const Index agreement = log.agreement_at_most(LogId{m.conflict_term, m.match});
  const Index at = std::max(agreement, peer.match) + 1;
  ASPEN_ASSERT(at <= log.last().index + 1);
  if (peer.state == ProgressState::probe) {
    // What it lacks is purged.
    if (at >= peer.next && peer.next == log.purged().index + 1 && peer.match < peer.next - 1) {
      return need_snapshot(peer);
    }
    if (at >= peer.next) return;
  }
  // Later refusals of the same break, and acknowledgements from before it, belong to the old
  // stream.
  restart_stream(peer, at);
  ASPEN_ASSERT(peer.next > peer.match);
}

void Core::State::on_message(const PeerId& from, const HeartbeatReply& m) {
  if (m.term > term()) {
    become_follower(m.term, NodeId());
    return;
  }
  if (m.term < term() || role != RoleState::leader) return;
  Progress* peer = find_peer(from.id);
  if (peer == nullptr) return;
  ASPEN_ASSERT(leader == self.id);
  ASPEN_ASSERT(peer->match < peer->next);
  if (m.match > log.last().index || m.read > last_round) return count_malformed();
  peer->silent_ticks = 0;
  peer->read = std::max(peer->read, m.read);
  if (m.epoch != peer->epoch) return;
  const bool news = peer->acknowledged(m.match);
  if (peer->state == ProgressState::probe) {
    if (news && peer->proven()) peer->accepted(m.match);
  } else if (peer->state == ProgressState::snapshot) {
    maybe_leave_snapshot(*peer);
  } else if (peer->window.empty() && m.match < peer->match) {
    // The peer started anew since: it has to verify its log before it may commit or acknowledge.
    peer->verify = true;
  }
  if (news) maybe_commit();
}

}  // namespace aspen::raft
