#include "tests/raft/cluster.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

namespace aspen::raft {

Config voters(std::uint64_t count) {
  Config config;
  for (std::uint64_t n = 1; n <= count; ++n) {
    config.members.push_back(Member{peer_id(n), Role::voter, "n" + std::to_string(n), "", {}});
  }
  return config;
}

Entry config_entry(LogId id, const Config& config) {
  return Entry{id, EntryKind::config, Bytes(encode(config))};
}

Entry command(std::uint64_t term, std::uint64_t index, const std::string& text) {
  return Entry{LogId{Term(term), Index(index)}, EntryKind::command, Bytes(text)};
}

Tuning small_tuning() {
  Tuning tuning;
  tuning.election_ticks_min = 10;
  tuning.heartbeat_ticks = 2;
  return tuning;
}

const Completion* Node::completion(std::uint64_t request) const {
  for (const Completion& done : completions) {
    if (done.request.value == request) return &done;
  }
  return nullptr;
}

std::optional<Index> Node::grant(std::uint64_t request) const {
  for (const ReadGrant& grant : grants) {
    if (grant.request.value == request) return grant.index;
  }
  return std::nullopt;
}

Cluster::Cluster(std::uint64_t nodes, std::uint64_t seed, Tuning tuning) : dice(seed) {
  const Config config = voters(nodes);
  nodes_.resize(nodes);
  for (std::uint64_t n = 1; n <= nodes; ++n) {
    Node& node = nodes_[n - 1];
    node.self = peer_id(n);
    node.tuning = tuning;
    node.hard_state.term = Term(1);
    node.log.push_back(config_entry({Term(1), Index(1)}, config));
    boot(node);
  }
}

void Cluster::boot(Node& node) {
  BootState state;
  state.self = node.self;
  state.hard_state = node.hard_state;
  state.purged = node.purged;
  state.last = node.purged.index;
  if (!node.purged_config.empty()) {
    state.configs.push_back({node.purged_config_id, node.purged_config});
  }
  for (const Entry& entry : node.log) {
    state.last = entry.id.index;
    if (state.runs.empty() || state.runs.back().term < entry.id.term) {
      state.runs.push_back({entry.id.index, entry.id.term});
    }
    if (entry.kind == EntryKind::config) {
      state.configs.push_back({entry.id, *decode_config(entry.payload.view())});
    }
  }
  state.applied = node.applied_durable;
  state.seed = dice.next();
  state.tuning = node.tuning;
  node.applied = node.applied_durable;
  node.durable = IoId();
  node.core.emplace(std::move(state));
}

std::uint64_t Cluster::leader() const {
  std::uint64_t found = 0;
  Term highest;
  for (const Node& node : nodes_) {
    if (!node.leads() || node.core->soft().term <= highest) continue;
    highest = node.core->soft().term;
    found = node.self.id.value;
  }
  return found;
}

void Cluster::turn(std::uint64_t n, std::vector<Input> inputs) {
  Node& node = this->node(n);
  if (!node.core) return;
  for (Input& input : inputs) {
    node.core->step(std::move(input));
    node.core->invariants();
  }
  perform(node, node.core->flush());
  node.core->invariants();
  check(node);
  if (automatic_disks && !node.writing.empty()) sync(n, node.writing.size());
}

void Cluster::tick_all() {
  for (std::uint64_t n = 1; n <= size(); ++n) tick(n);
}

void Cluster::perform(Node& node, Effects effects) {
  if (effects.io) node.writing.push_back(std::move(*effects.io));
  for (Send& send : effects.sends) {
    if (send.after > node.durable) {
      node.parked.push_back(std::move(send));
    } else {
      release(node, std::move(send));
    }
  }
  apply(node, effects.commit);
  for (const Completion& done : effects.completions) node.completions.push_back(done);
  for (const ReadGrant& grant : effects.reads) node.grants.push_back(grant);
  if (effects.purge) purge(node, *effects.purge);
}

void Cluster::apply(Node& node, const CommitRange& range) {
  ASSERT_EQ(range.after, node.applied);
  for (Index i = range.after + 1; i <= range.through; i = i + 1) {
    const Entry* entry = nullptr;
    if (!range.entries.empty() && i >= range.entries.front().id.index) {
      entry = &range.entries.at(distance(range.entries.front().id.index, i));
    }
    // Whatever is applied is durable in the own log.
    ASSERT_LE(distance(node.purged.index, i), node.log.size());
    const Entry& own = node.log.at(distance(node.purged.index, i) - 1);
    if (entry != nullptr) {
      ASSERT_EQ(*entry, own);
    }
    const auto [at, fresh] = committed.emplace(i.value, own);
    if (!fresh) {
      ASSERT_EQ(at->second, own) << "index " << i.value;
    }
  }
  if (range.through == node.applied) return;
  node.applied = range.through;
  node.core->step(Applied{node.applied, node.applied_durable});
}

void Cluster::release(Node& node, Send send) {
  Packet packet{node.self, send.to, Message{}};
  if (auto* message = std::get_if<Message>(&send.what)) {
    packet.message = std::move(*message);
    // P1: a candidacy is durable before it is told.
    if (const auto* vote = std::get_if<Vote>(&packet.message)) {
      ASSERT_EQ(node.hard_state.term, vote->term);
      ASSERT_EQ(node.hard_state.vote, node.self);
    }
  } else {
    const AppendSpec& spec = std::get<AppendSpec>(send.what);
    if (node.purged.index >= spec.lo) return;
    Append append{spec.term, spec.prev, {}, spec.commit, spec.epoch};
    std::uint64_t bytes = 0;
    for (Index i = spec.lo; i <= spec.hi; i = i + 1) {
      const Entry& entry = node.log.at(distance(node.purged.index, i) - 1);
      bytes += entry.size_bytes();
      if (!append.entries.empty() && bytes > node.tuning.append_bytes) break;
      append.entries.push_back(entry);
    }
    packet.message = std::move(append);
  }
  if (passes(packet)) network.push_back(std::move(packet));
}

void Cluster::write(Node& node, const LogIo& io) {
  if (io.truncate_from) {
    const std::uint64_t kept = distance(node.purged.index, *io.truncate_from) - 1;
    ASSERT_LE(kept, node.log.size());
    node.log.resize(kept);
  }
  if (io.hard_state) {
    ASSERT_GE(io.hard_state->term, node.hard_state.term);
    if (io.hard_state->term == node.hard_state.term && node.hard_state.vote) {
      ASSERT_EQ(io.hard_state->vote, node.hard_state.vote) << "a vote was changed";
    }
    node.hard_state = *io.hard_state;
  }
  for (const Entry& entry : io.append) {
    ASSERT_EQ(entry.id.index, node.purged.index + node.log.size() + 1);
    ASSERT_LE(entry.id.term, node.hard_state.term);
    node.log.push_back(entry);
  }
}

void Cluster::sync(std::uint64_t n, std::size_t writes) {
  Node& node = this->node(n);
  if (!node.core || writes == 0) return;
  writes = std::min(writes, node.writing.size());
  for (std::size_t i = 0; i < writes; ++i) {
    write(node, node.writing[i]);
    node.durable = node.writing[i].id;
  }
  node.writing.erase(node.writing.begin(), node.writing.begin() + static_cast<long>(writes));
  std::vector<Send> parked = std::exchange(node.parked, {});
  for (Send& send : parked) {
    if (send.after > node.durable) {
      node.parked.push_back(std::move(send));
    } else {
      release(node, std::move(send));
    }
  }
  turn(n, {LogDurable{node.durable}});
}

void Cluster::purge(Node& node, Index through) {
  node.purge_told = through;
  ASSERT_LE(through, node.applied_durable);
  const std::uint64_t gone = distance(node.purged.index, through);
  for (std::uint64_t i = 0; i < gone; ++i) {
    const Entry& entry = node.log[i];
    if (entry.kind != EntryKind::config) continue;
    node.purged_config = *decode_config(entry.payload.view());
    node.purged_config_id = entry.id;
  }
  node.purged = node.log.at(gone - 1).id;
  node.log.erase(node.log.begin(), node.log.begin() + static_cast<long>(gone));
}

void Cluster::check(const Node& node) {
  if (!node.leads()) return;
  const Term term = node.core->soft().term;
  const auto [at, fresh] = leader_of_term.emplace(term.value, node.self.id);
  ASSERT_EQ(at->second, node.self.id) << "two leaders in term " << term.value;
  if (!fresh) return;
  // Leader completeness (thesis 3.6.3): a new leader holds all that was committed.
  for (const auto& [index, entry] : committed) {
    const auto held = node.core->term_at(Index(index));
    if (held) {
      ASSERT_EQ(*held, entry.id.term) << "index " << index;
    }
    if (!held) {
      ASSERT_LT(index, node.metrics().purged.index.value);
    }
  }
}

void Cluster::deliver(std::size_t packet) {
  Packet taken = std::move(network.at(packet));
  drop(packet);
  turn(taken.to.id.value, {Received{taken.from, std::move(taken.message)}});
}

void Cluster::settle() {
  for (int steps = 0; !network.empty(); ++steps) {
    ASSERT_LT(steps, 200'000) << "messages go round for ever";
    deliver(0);
  }
}

std::uint64_t Cluster::elect(std::uint64_t ticks_max) {
  for (std::uint64_t i = 0; i < ticks_max; ++i) {
    settle();
    const std::uint64_t leader = this->leader();
    bool agreed = leader != 0;
    for (const Node& node : nodes_) {
      if (node.core && node.core->soft().leader.value != leader) agreed = false;
    }
    if (agreed) return leader;
    tick_all();
  }
  ADD_FAILURE() << "no leader after " << ticks_max << " ticks";
  return 0;
}

void Cluster::make_leader(std::uint64_t n) {
  turn(n, {Campaign{}});
  settle();
  ASSERT_TRUE(node(n).leads());
}

std::uint64_t Cluster::propose(std::uint64_t n, const std::string& text) {
  turn(n, {Propose{RequestId(++last_request_), EntryKind::command, Bytes(text)}});
  return last_request_;
}

std::uint64_t Cluster::read(std::uint64_t n) {
  turn(n, {Read{RequestId(++last_request_)}});
  return last_request_;
}

void Cluster::crash(std::uint64_t n, std::size_t kept) {
  Node& node = this->node(n);
  for (std::size_t i = 0; i < std::min(kept, node.writing.size()); ++i) {
    write(node, node.writing[i]);
  }
  node.writing.clear();
  node.parked.clear();
  node.core.reset();
}

void Cluster::restart(std::uint64_t n) {
  ASSERT_FALSE(node(n).core);
  boot(node(n));
}

}  // namespace aspen::raft
