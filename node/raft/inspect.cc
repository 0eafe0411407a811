// What can be seen of a core from outside: metrics, a digest of its whole state, and the checks of
// every rule that a state must satisfy.
#include <algorithm>

#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/raft/hasher.h"
#include "node/raft/mutants.h"
#include "node/raft/state.h"

namespace aspen::raft {

Metrics Core::State::metrics() const {
  Metrics m;
  m.soft = soft();
  m.last = log.last();
  m.stable = disk.stable();
  m.commit = {log.term_at(commit).value_or(Term()), commit};
  m.applied = {log.term_at(applied).value_or(Term()), applied};
  if (!configs.empty()) m.config = configs.back().id;
  m.purged = log.purged();
  m.vote = hard_state.vote;
  m.joint = config().joint();
  if (handover && role == RoleState::leader) m.transfer_to = handover->to;
  m.uncommitted_bytes = uncommitted_bytes;
  m.malformed = malformed;
  m.reads_pending = leader_reads.size() + follower_reads.size();
  for (const Progress& peer : peers) {
    const bool active = peer.silent_ticks < tuning.election_ticks_min;
    m.peers.push_back({peer.peer, peer.match, peer.next, active, peer.lost_data, peer.window_bytes,
                       peer.epoch, peer.state, caught_up(peer), peer.leaving()});
  }
  ASPEN_ASSERT(m.stable <= m.last.index);
  ASPEN_ASSERT(m.applied <= m.commit);
  ASPEN_ASSERT(m.commit <= m.last);
  return m;
}

namespace {

void add(Hasher& h, const Entry& entry) {
  h.add(entry.id).add(static_cast<std::uint64_t>(entry.kind)).add(entry.payload.view());
}

void add(Hasher& h, const LogView& log) {
  h.add(log.purged()).add(log.last()).add(log.runs().size());
  for (const TermRun& run : log.runs()) h.add(run.from).add(run.term);
  for (Index i = log.tail_first(); i <= log.last().index; i = i + 1) add(h, log.at(i));
}

void add(Hasher& h, const Disk& disk) {
  h.add(disk.issued()).add(disk.durable()).add(disk.written()).add(disk.stable());
  for (std::size_t i = 0; i < disk.in_flight().size(); ++i) {
    h.add(disk.in_flight()[i].io).add(disk.in_flight()[i].last);
  }
}

void add(Hasher& h, const Progress& peer) {
  h.add(peer.peer).add(static_cast<std::uint64_t>(peer.state));
  h.add(peer.waiting).add(std::uint64_t{peer.verify}).add(std::uint64_t{peer.lost_data});
  h.add(peer.match_at_start);
  h.add(peer.round_end).add(peer.round_ticks).add(std::uint64_t{peer.keeps_pace});
  h.add(peer.snapshot_from).add(peer.farewell).add(peer.farewell_ticks);
  h.add(peer.match).add(peer.next).add(peer.epoch).add(peer.told_commit).add(peer.read);
  h.add(peer.silent_ticks).add(peer.match_at_heartbeat).add(peer.window_bytes);
  for (std::size_t i = 0; i < peer.window.size(); ++i) {
    h.add(peer.window[i].last).add(peer.window[i].size_bytes);
  }
}

struct MessageHasher {
  Hasher& h;
  void operator()(const PreVote& m) const { h.add(1).add(m.term).add(m.last); }
  void operator()(const PreVoteReply& m) const {
    h.add(2).add(m.term).add(std::uint64_t{m.granted});
  }
  void operator()(const Vote& m) const {
    h.add(3).add(m.term).add(m.last).add(std::uint64_t{m.transfer});
  }
  void operator()(const VoteReply& m) const { h.add(4).add(m.term).add(std::uint64_t{m.granted}); }
  void operator()(const Append& m) const {
    h.add(5).add(m.term).add(m.prev).add(m.commit).add(m.epoch).add(m.entries.size());
    for (const Entry& entry : m.entries) add(h, entry);
  }
  void operator()(const AppendReply& m) const {
    h.add(6).add(m.term).add(m.epoch).add(std::uint64_t{m.accepted}).add(m.match);
    h.add(m.conflict_term).add(m.last);
  }
  void operator()(const Heartbeat& m) const {
    h.add(7).add(m.term).add(m.commit).add(m.read).add(m.epoch).add(m.held);
  }
  void operator()(const HeartbeatReply& m) const {
    h.add(8).add(m.term).add(m.epoch).add(m.read).add(m.match);
  }
  void operator()(const ReadIndex& m) const { h.add(9).add(m.term).add(m.context); }
  void operator()(const ReadIndexReply& m) const {
    h.add(10).add(m.term).add(m.context).add(std::uint64_t{m.granted}).add(m.index);
  }
  void operator()(const TimeoutNow& m) const { h.add(12).add(m.term); }
  void operator()(const Message& m) const { std::visit(*this, m); }
  void operator()(const AppendSpec& m) const {
    h.add(11).add(m.term).add(m.prev).add(m.lo).add(m.hi).add(m.term_hi).add(m.commit).add(m.epoch);
  }
};

void add(Hasher& h, const Proposal& proposal) {
  h.add(proposal.request).add(proposal.id).add(proposal.size_bytes);
}
void add(Hasher& h, const LeaderRead& read) {
  h.add(read.round).add(read.request).add(read.origin).add(read.context);
}
void add(Hasher& h, const ReadRound& round) {
  h.add(round.id).add(round.index);
}
void add(Hasher& h, const FollowerRead& read) {
  h.add(read.request).add(read.context).add(read.age_ticks);
}
void add(Hasher& h, const Ballot& ballot) {
  h.add(ballot.voter).add(std::uint64_t{ballot.granted});
}
void add(Hasher& h, const LoggedConfig& logged) {
  h.add(logged.id).add(encode(logged.config));
}
void add(Hasher& h, const Send& sent) {
  h.add(sent.to).add(sent.after);
  std::visit(MessageHasher{h}, sent.what);
}
void add(Hasher& h, const ReadGrant& grant) {
  h.add(grant.request).add(grant.index);
}
void add(Hasher& h, const Completion& done) {
  h.add(done.request).add(static_cast<std::uint64_t>(done.outcome)).add(done.id);
  h.add(static_cast<std::uint64_t>(done.reason)).add(done.leader);
  h.add(static_cast<std::uint64_t>(done.refusal));
}
void add(Hasher& h, const SnapshotRequest& request) {
  h.add(request.to).add(request.epoch).add(request.at_least);
}
void add(Hasher& h, const std::optional<SnapshotMeta>& meta) {
  h.add(std::uint64_t{meta.has_value()});
  if (!meta) return;
  h.add(meta->id);
  add(h, meta->config);
}
void add(Hasher& h, const std::optional<Change>& change) {
  if (change) h.add(change->request).add(change->last);
}
void add(Hasher& h, const std::optional<Handover>& handover) {
  if (!handover) return;
  h.add(handover->request).add(handover->to).add(handover->ticks);
  h.add(std::uint64_t{handover->told});
}

template <class List>
void add_all(Hasher& h, const List& list) {
  h.add(list.size());
  for (std::size_t i = 0; i < list.size(); ++i) add(h, list[i]);
}

}  // namespace

std::uint64_t Core::State::hash() const noexcept {
  ASPEN_ASSERT(soft_told.term <= term());
  ASPEN_ASSERT(disk.written() <= log.last().index);
  Hasher h;
  Prng dice = prng;
  h.add(self).add(dice.next());
  h.add(hard_state.term).add(hard_state.vote).add(std::uint64_t{hard_state_dirty});
  h.add(hard_state_io).add(truncate_from);
  add(h, reset);
  add(h, log);
  add(h, disk);
  add_all(h, configs);
  h.add(static_cast<std::uint64_t>(role)).add(leader).add(term_leader);
  h.add(election_elapsed).add(election_wait).add(heartbeat_elapsed);
  add_all(h, ballots);
  h.add(commit).add(delivered).add(applied).add(applied_durable).add(held).add(permitted);
  h.add(std::uint64_t{was_member}).add(std::uint64_t{removed}).add(std::uint64_t{summoned});
  add(h, handover);
  add(h, change);
  h.add(verified).add(acknowledged).add(stream).add(std::uint64_t{acknowledge});
  add_all(h, follower_reads);
  h.add(read_context);
  add_all(h, peers);
  h.add(last_epoch).add(blank).add(uncommitted_bytes).add(last_round);
  add_all(h, proposals);
  add_all(h, unstable);
  add_all(h, leader_reads);
  add_all(h, rounds);
  h.add(std::uint64_t{heartbeat_due}).add(std::uint64_t{config_changed});
  add_all(h, sends);
  add_all(h, grants);
  add_all(h, completions);
  add_all(h, snapshots);
  add_all(h, lost);
  h.add(malformed);
  h.add(std::uint64_t{soft_told.removed});
  h.add(static_cast<std::uint64_t>(soft_told.role)).add(soft_told.leader).add(soft_told.term);
  return h.value();
}

// Reference 2.5.
void Core::State::invariants() const noexcept {
  log.invariants();
  const Index last = log.last().index;
  ASPEN_ASSERT(log.purged().index <= applied_durable);
  ASPEN_ASSERT(applied_durable <= applied);
  ASPEN_ASSERT(applied <= delivered);
  ASPEN_ASSERT(delivered <= commit);
  ASPEN_ASSERT(commit <= last);
  ASPEN_ASSERT(disk.stable() <= disk.written());
  ASPEN_ASSERT(disk.written() <= last);
  ASPEN_ASSERT(delivered <= disk.stable() || mutant_active(Mutant::apply_beyond_stable));
  ASPEN_ASSERT(disk.durable() <= disk.issued());
  ASPEN_ASSERT(log.last().term <= term());
  ASPEN_ASSERT(verified <= last);
  ASPEN_ASSERT(tuning.election_ticks_min <= election_wait);
  for (std::size_t i = 1; i < configs.size(); ++i) {
    ASPEN_ASSERT(configs[i - 1].id.index < configs[i].id.index);
  }
  ASPEN_ASSERT(configs.empty() || configs.back().id.index <= last);
  ASPEN_ASSERT(quorum == Quorum(config()) || mutant_active(Mutant::config_in_force_when_committed));
  if (role == RoleState::candidate) ASPEN_ASSERT(hard_state.vote == self);
  // A leader may have removed itself.
  const bool campaigns = role == RoleState::pre_candidate || role == RoleState::candidate;
  if (campaigns) ASPEN_ASSERT(may_campaign());
  if (!campaigns) ASPEN_ASSERT(!summoned);
  if (role != RoleState::leader) ASPEN_ASSERT(peers.empty() && leader != self.id && !change);
  if (role == RoleState::leader) invariants_leader();
}

void Core::State::invariants_leader() const noexcept {
  ASPEN_ASSERT(hard_state.vote == self);
  ASPEN_ASSERT(leader == self.id);
  ASPEN_ASSERT(log.term_at(blank).value_or(term()) == term());
  ASPEN_ASSERT(blank > log.purged().index || log.purged().term == term());
  ASPEN_ASSERT(log.last().term == term());
  ASPEN_ASSERT(follower_reads.empty());
  Index previous = blank;
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < proposals.size(); ++i) {
    ASPEN_ASSERT(proposals[i].id.index > previous);
    previous = proposals[i].id.index;
    sum += proposals[i].size_bytes;
  }
  for (std::size_t i = 0; i < unstable.size(); ++i) {
    ASPEN_ASSERT(unstable[i].id.index > disk.stable());
    sum += unstable[i].size_bytes;
  }
  ASPEN_ASSERT(sum == uncommitted_bytes || mutant_active(Mutant::uncommitted_bytes_leak));
  for (const Member& member : config().members) {
    const bool streams = std::any_of(peers.begin(), peers.end(), [&member](const Progress& peer) {
      return peer.peer.id == member.peer.id;
    });
    ASPEN_ASSERT(streams != (member.peer.id == self.id));
  }
  for (const Progress& peer : peers) {
    peer.invariants(log.last().index);
    ASPEN_ASSERT(peer.read <= last_round);
    ASPEN_ASSERT(peer.next > log.purged().index);
  }
  for (std::size_t i = 1; i < rounds.size(); ++i) ASPEN_ASSERT(rounds[i - 1].id < rounds[i].id);
  for (std::size_t i = 1; i < leader_reads.size() && leader_reads[i].round; ++i) {
    ASPEN_ASSERT(leader_reads[i - 1].round <= leader_reads[i].round);
  }
}

}  // namespace aspen::raft
