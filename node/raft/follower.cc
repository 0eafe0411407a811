// The follower's side of replication (thesis 3.5 and 3.6).
#include <algorithm>
#include <optional>
#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/raft/mutants.h"
#include "node/raft/state.h"

namespace aspen::raft {

// The sender leads the current term.
void Core::State::follow(const PeerId& from) {
  // Two leaders in one term are the end of all guarantees (A12).
  ASPEN_ASSERT(role != RoleState::leader);
  ASPEN_ASSERT(term_leader.id.value == 0 || term_leader == from);
  if (role != RoleState::follower || leader != from.id) become_follower(term(), from.id);
  term_leader = from;
  election_elapsed = 0;
  if (handover) end_handover(from.id);
}

void Core::State::on_message(const PeerId& from, Append& m) {
  if (m.term < term()) {
    // It may lead this term by the time it hears: then this says nothing about its streams of now.
    const AppendReply refusal{term(), Epoch(), false, Index(), Term(), log.last().index};
    send(from, refusal, after_hard_state());
    return;
  }
  if (!readable(m.entries)) return;
  if (!plausible(m)) return count_malformed();
  if (m.term > term()) become_follower(m.term, from.id);
  follow(from);
  stream = std::max(stream, m.epoch);
  ASPEN_ASSERT(leader == from.id && m.term == term());
  if (!holds(m.prev)) {
    const LogId hint = log.hint_for(m.prev.index);
    const AppendReply refusal{term(), m.epoch, false, hint.index, hint.term, log.last().index};
    send(from, refusal, after_hard_state());
    return;
  }
  const Index end = m.prev.index + m.entries.size();
  take_entries(m.entries);
  if (mutant_active(Mutant::truncate_on_duplicate_append) && end < log.last().index &&
      end > commit) {
    truncate(end + 1);
  }
  ASPEN_ASSERT(end <= log.last().index);
  const bool news = disk.written() < log.last().index;
  // The first append of a stream is answered when it is durable: an early answer to its prev would
  // make the leader send the entries twice.
  if (news && verified.value == 0) acknowledged = std::min(m.prev.index, disk.stable());
  verified = std::max(verified, end);
  const bool beyond = mutant_active(Mutant::commit_beyond_verified);
  commit_to(beyond ? std::min(m.commit, log.last().index) : std::min(m.commit, end));
  // Nothing new to write: the answer does not wait for the disk.
  if (!news) acknowledge = true;
}

// P7: a prev below the purge point was committed, hence agrees.
bool Core::State::holds(const LogId& prev) const noexcept {
  const bool conflict = mutant_active(Mutant::purge_point_conflicts);
  if (prev.index <= log.purged().index && prev.index.value > 0 && conflict) return false;
  if (prev.index < log.purged().index) return true;
  const std::optional<Term> own = log.term_at(prev.index);
  if (!own) return false;
  ASPEN_ASSERT(*own == prev.term || prev.index > commit);
  return *own == prev.term;
}

// A configuration of a newer format cannot be followed: the append counts as lost.
bool Core::State::readable(const std::vector<Entry>& entries) noexcept {
  for (const Entry& entry : entries) {
    if (entry.kind == EntryKind::config && !decode_config(entry.payload.view())) return false;
  }
  return true;
}

// Behind the purge point terms go on where it stands.
bool Core::State::plausible(const Append& m) const noexcept {
  for (const Entry& entry : m.entries) {
    if (entry.id.index >= log.purged().index && entry.id.term < log.purged().term) return false;
  }
  return true;
}

// P6: only a proven conflict of terms drops entries; a shorter or repeated append does not (B3).
void Core::State::take_entries(std::vector<Entry>& entries) {
  for (Entry& entry : entries) {
    const Index index = entry.id.index;
    if (index <= log.purged().index) continue;
    const std::optional<Term> own = log.term_at(index);
    if (own == entry.id.term) continue;
    if (own) {
      ASPEN_ASSERT(index > commit);
      truncate(index);
    }
    ASPEN_ASSERT(index == log.last().index + 1);
    append_entry(std::move(entry));
  }
}

void Core::State::commit_to(Index index) noexcept {
  ASPEN_ASSERT(role == RoleState::follower);
  ASPEN_ASSERT(index <= log.last().index);
  commit = std::max(commit, index);
}

void Core::State::on_message(const PeerId& from, const Heartbeat& m) {
  if (m.term < term()) {
    send(from, HeartbeatReply{term(), Epoch(), ReadId(), Index()}, after_hard_state());
    return;
  }
  if (m.term > term()) become_follower(m.term, from.id);
  follow(from);
  // After a restart nothing of this log is verified yet, whatever the leader remembers.
  const bool beyond = mutant_active(Mutant::commit_beyond_verified);
  commit_to(std::min(m.commit, beyond ? log.last().index : verified));
  held = std::max(held, std::min(m.held, verified));
  const bool early = mutant_active(Mutant::heartbeat_match_beyond_stable);
  const Index match = early ? verified : acknowledgeable();
  send(from, HeartbeatReply{term(), m.epoch, m.read, match}, after_hard_state());
}

// P3: durable and equal to the leader's log.
Index Core::State::acknowledgeable() const noexcept {
  if (mutant_active(Mutant::ack_beyond_stable)) return verified;
  return std::min(verified, disk.stable());
}

// One acknowledgement per flush, for all that became durable or was asked about.
void Core::State::flush_acknowledgement() {
  const Index match = acknowledgeable();
  const bool due = acknowledge || match > acknowledged;
  if (role != RoleState::follower || term_leader.id.value == 0 || !due) return;
  ASPEN_ASSERT(term_leader != self);
  acknowledge = false;
  acknowledged = std::max(acknowledged, match);
  send(term_leader, AppendReply{term(), stream, true, match, Term()}, after_hard_state());
  ASPEN_ASSERT(match <= log.last().index);
}

}  // namespace aspen::raft
