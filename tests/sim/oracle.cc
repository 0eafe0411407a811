#include "tests/sim/oracle.h"

#include <fmt/format.h>

#include <algorithm>
#include <variant>

#include "node/base/assert.h"
#include "node/base/membership.h"
#include "tests/sim/world.h"

namespace aspen::sim {

namespace {

std::size_t number_of(const PeerId& peer) {
  return place_of(peer.id);
}

// The term that a message proves its sender to be in; 0 if it proves none.
Term term_proved(const raft::Message& message) {
  if (std::holds_alternative<raft::PreVote>(message)) return {};
  if (const auto* reply = std::get_if<raft::PreVoteReply>(&message); reply && reply->granted) {
    return {};
  }
  return std::visit([](const auto& m) { return m.term; }, message);
}

}  // namespace

void Oracle::violate(const char* check, std::string text) {
  if (!violation_) violation_ = Violation{check, std::move(text)};
}

void Oracle::lose(std::size_t node) {
  lost_.insert_or_assign(identities_[node], disks_[node]->durable());
}

void Oracle::identify(std::size_t node, const PeerId& self) {
  identities_[node] = self;
  hard_states_[node] = {};
  states_[node] = {};
}

void Oracle::appended(std::size_t node, LogId id) {
  const auto chain = disks_[node]->view().chain_at(id.index);
  ASPEN_ASSERT(chain.has_value());
  if (id.index.value >= written_.size()) written_.resize(id.index.value + 1);
  Written& first = written_[id.index.value];
  if (!first.term) first = {id.term, *chain};
  std::uint64_t known = first.chain;
  if (first.term != id.term) known = written_other_.try_emplace(id, *chain).first->second;
  if (known == *chain) return;
  violate("log matching",
          fmt::format("n{} appended {}.{}, which differs from another log's, or what precedes it",
                      node, id.term.value, id.index.value));
}

std::optional<std::uint64_t> Oracle::chain_of(LogId id) const {
  if (id.index.value >= written_.size()) return std::nullopt;
  const Written& first = written_[id.index.value];
  if (first.term == id.term) return first.chain;
  const auto other = written_other_.find(id);
  return other == written_other_.end() ? std::nullopt : std::optional(other->second);
}

void Oracle::disk_changed(std::size_t node) {
  const HardState& now = disks_[node]->durable().hard_state;
  HardState& before = hard_states_[node];
  if (now == before) return;
  if (now.term < before.term) {
    violate("term lost", fmt::format("n{} had term {} on disk, then {}", node, before.term.value,
                                     now.term.value));
  }
  if (now.term == before.term && before.vote && now.vote != before.vote) {
    violate("one vote in a term",
            fmt::format("n{} changed its vote in term {} on disk", node, now.term.value));
  }
  before = now;
}

void Oracle::sent_vote(std::size_t node, std::size_t peer, Term term) {
  const auto [at, fresh] = votes_sent_.try_emplace({key(node), term}, peer);
  if (!fresh && at->second != peer) {
    violate("one vote in a term", fmt::format("n{} voted for n{} and for n{} in term {}", node,
                                              at->second, peer, term.value));
  }
}

void Oracle::sent(std::size_t node, std::size_t peer, const raft::Message& message) {
  const auto* vote = std::get_if<raft::VoteReply>(&message);
  if (vote != nullptr && vote->granted) sent_vote(node, peer, vote->term);
  if (std::holds_alternative<raft::Vote>(message)) {
    sent_vote(node, node, std::get<raft::Vote>(message).term);
  }
  if (insight_ == Insight::outside) return;
  const LogImage& disk = disks_[node]->durable();
  const Term proved = term_proved(message);
  if (proved > disk.hard_state.term) {
    violate("term durable before it is told (P1)",
            fmt::format("n{} speaks in term {}, its disk has {}", node, proved.value,
                        disk.hard_state.term.value));
  }
  if (proved != disk.hard_state.term) return;
  const auto& voted = disk.hard_state.vote;
  if (vote != nullptr && vote->granted && (!voted || number_of(*voted) != peer)) {
    violate("vote durable before it is told (P1)",
            fmt::format("n{} grants n{} its vote, which is not on disk", node, peer));
  }
  if (std::holds_alternative<raft::Vote>(message) && (!voted || number_of(*voted) != node)) {
    violate("vote durable before it is told (P1)",
            fmt::format("n{} asks for votes, its own is not on disk", node));
  }
  Index match;
  if (const auto* m = std::get_if<raft::AppendReply>(&message); m && m->accepted) match = m->match;
  if (const auto* m = std::get_if<raft::HeartbeatReply>(&message)) match = m->match;
  // Behind a snapshot the log is taken up where the state stands, whatever a crash leaves of it.
  if (match > std::max(disk.last(), states_[node])) {
    violate(
        "entries durable before they are acknowledged (P3)",
        fmt::format("n{} acknowledges {}, its disk has {}", node, match.value, disk.last().value));
  }
}

void Oracle::became_leader(std::size_t node, Term term) {
  const auto [at, fresh] = leaders_.try_emplace(term, node);
  if (!fresh && at->second != node) {
    violate("one leader in a term",
            fmt::format("n{} and n{} lead in term {}", at->second, node, term.value));
  }
  std::size_t last = committed_.size();
  while (last > 0 && committed_[last - 1].known_in >= term) --last;
  if (last == 0) return;
  const LogImage& log = disks_[node]->view();
  if (Index(last) < log.purged().index) return;
  if (log.chain_at(Index(last)) == committed_[last - 1].chain) return;
  violate(
      "leader completeness",
      fmt::format("n{} leads in term {} without entry {}, committed by term {}; its log ends "
                  "at {}",
                  node, term.value, last, committed_[last - 1].known_in.value, log.last().value));
}

bool Oracle::holds(const PeerId& peer, Index index, std::uint64_t chain) const {
  const std::size_t node = place_of(peer.id);
  ASPEN_ASSERT(node < nodes_);
  // A disk that was lost was chosen so that its acknowledgements under way may count.
  const auto lost = lost_.find(peer);
  if (identities_[node] != peer && lost == lost_.end()) return false;
  const LogImage& disk = identities_[node] == peer ? disks_[node]->durable() : lost->second;
  return index < disk.purged().index || disk.chain_at(index) == chain;
}

// Counted by the oracle itself: the core's arithmetic is what is judged.
bool Oracle::on_quorum(const Config& config, Index index, std::uint64_t chain) const {
  std::size_t incoming = 0;
  std::size_t incoming_holding = 0;
  std::size_t outgoing = 0;
  std::size_t outgoing_holding = 0;
  for (const Member& member : config.members) {
    const bool held = holds(member.peer, index, chain);
    if (member.role == Role::voter) {
      ++incoming;
      if (held) ++incoming_holding;
    }
    if (member.outgoing) {
      ++outgoing;
      if (held) ++outgoing_holding;
    }
  }
  return 2 * incoming_holding > incoming && (outgoing == 0 || 2 * outgoing_holding > outgoing);
}

// By a configuration that somebody goes by: a follower may not know the one that counted.
void Oracle::check_quorum(std::size_t node, Index index, std::uint64_t chain) {
  for (std::size_t i = 0; i < nodes_; ++i) {
    if (on_quorum(in_force_[i], index, chain)) return;
    for (const raft::LoggedConfig& logged : disks_[i]->view().configs()) {
      if (on_quorum(logged.config, index, chain)) return;
    }
  }
  violate("committed is durable on a quorum",
          fmt::format("n{} takes {} for committed, too few disks hold it", node, index.value));
}

// A leader decides by the configuration in force; it may have changed in the same turn.
void Oracle::check_quorum_of(const raft::Core& leader, std::size_t node, Index index,
                             std::uint64_t chain) {
  if (on_quorum(leader.config(), index, chain)) return;
  const raft::Metrics metrics = leader.metrics();
  if (metrics.config.index > metrics.purged.index) {
    const auto before = leader.config_at(metrics.config.index - 1);
    if (metrics.config.index > metrics.commit.index && on_quorum(before.config, index, chain)) {
      return;
    }
  }
  violate(
      "committed is durable on a quorum",
      fmt::format("n{} leads and commits {}, too few disks of the configuration in force hold it",
                  node, index.value));
}

void Oracle::committed(std::size_t node, const raft::CommitRange& range, Term term,
                       const raft::Core* leads) {
  const LogImage& log = disks_[node]->view();
  if (range.through > disks_[node]->durable().last()) {
    violate("commit range is durable in the own log (rule 5)",
            fmt::format("n{} may apply {}, its disk ends at {}", node, range.through.value,
                        disks_[node]->durable().last().value));
  }
  for (std::uint64_t i = range.after.value + 1; i <= range.through.value; ++i) {
    if (i <= committed_.size() && i != range.through.value) continue;
    const Slot* slot = log.at(Index(i));
    if (slot == nullptr) {
      return violate("commit range is in the log",
                     fmt::format("n{} may apply {}, which its log does not hold", node, i));
    }
    if (i > committed_.size()) {
      const Entry& entry = slot->entry;
      const auto command =
          entry.kind == EntryKind::command ? decode_command(entry.payload) : std::nullopt;
      committed_.push_back({slot->chain, command ? command->operation : 0, entry.id.term, term});
      if (entry.kind == EntryKind::config) {
        if (auto decoded = decode_config(entry.payload.view())) config_ = {entry.id, *decoded};
      }
      if (i != range.through.value) continue;
      if (leads != nullptr) {
        check_quorum_of(*leads, node, Index(i), slot->chain);
      } else {
        check_quorum(node, Index(i), slot->chain);
      }
    } else if (committed_[i - 1].chain != slot->chain) {
      violate("committed entries never change",
              fmt::format("n{} commits another log up to {} (term {}, was {})", node, i,
                          slot->entry.id.term.value, committed_[i - 1].term.value));
    }
  }
}

void Oracle::purged(std::size_t node, Index through, Index state_durable) {
  bool everywhere = through <= state_durable;
  for (std::size_t i = 0; i < nodes_ && !early_purges_; ++i) {
    everywhere = everywhere && disks_[i]->durable().last() >= through;
  }
  if (everywhere) return;
  violate("purge keeps what somebody needs (P9)",
          fmt::format("n{} purges {}, its state on disk is at {}", node, through.value,
                      state_durable.value));
}

void Oracle::applied(std::size_t node, const ModelState& state) {
  const std::size_t at = state.applied.value;
  if (at >= digests_.size()) digests_.resize(at + 1, 0);
  if (digests_[at] == 0) digests_[at] = state.digest;
  if (digests_[at] == state.digest) return;
  violate("equal states at equal positions",
          fmt::format("n{} has another state than an earlier one at {}", node, at));
}

void Oracle::booted(std::size_t node, Index applied_index) {
  const LogImage& disk = disks_[node]->durable();
  if (applied_index > disk.last()) {
    violate("state never ahead of the log", fmt::format("n{} boots with state {} and log {}", node,
                                                        applied_index.value, disk.last().value));
  }
  if (applied_index < disk.purged().index) {
    violate("log kept for the state (P9)",
            fmt::format("n{} boots with state {}, its log begins after {}", node,
                        applied_index.value, disk.purged().index.value));
  }
}

void Oracle::acknowledged(std::size_t node, LogId id, const raft::Core& core) {
  const LogImage& log = disks_[node]->view();
  if (id.index < log.purged().index) return;
  // A leader whose disk hangs has it in memory alone: the others' logs tell what it is.
  const bool waits = id.index > log.last();
  const auto chain = waits ? chain_of(id) : log.chain_at(id.index);
  if (!chain || (!waits && log.term_at(id.index) != id.term)) {
    return violate("acknowledged entry is in the log",
                   fmt::format("n{} acknowledges {}.{}, which no log holds", node, id.term.value,
                               id.index.value));
  }
  if (core.soft().role == raft::RoleState::leader) {
    check_quorum_of(core, node, id.index, *chain);
  } else {
    check_quorum(node, id.index, *chain);
  }
}

}  // namespace aspen::sim
