// One core whose peers, disk and clock are the test itself.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "node/raft/core.h"
#include "tests/raft/cluster.h"

namespace aspen::raft {

// A boot state whose log has one entry per element of `terms`, the first being the configuration.
inline BootState boot_state(std::uint64_t nodes, std::vector<std::uint64_t> terms = {1}) {
  BootState boot;
  boot.self = peer_id(1);
  boot.tuning = small_tuning();
  boot.seed = 7;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    if (boot.runs.empty() || boot.runs.back().term.value != terms[i]) {
      boot.runs.push_back({Index(i + 1), Term(terms[i])});
    }
  }
  boot.last = Index(terms.size());
  if (!terms.empty()) {
    boot.hard_state.term = Term(terms.back());
    boot.configs.push_back({LogId{Term(terms.front()), Index(1)}, voters(nodes)});
  }
  return boot;
}

class Solo {
 public:
  explicit Solo(BootState boot) : core(std::move(boot)) {}
  explicit Solo(std::uint64_t nodes, std::vector<std::uint64_t> terms = {1})
      : Solo(boot_state(nodes, std::move(terms))) {}

  // One turn.
  Effects& turn(std::vector<Input> inputs) {
    for (Input& input : inputs) {
      core.step(std::move(input));
      core.invariants();
    }
    out = core.flush();
    core.invariants();
    if (out.io) issued = out.io->id;
    return out;
  }
  Effects& from(std::uint64_t n, Message message) {
    return turn({Received{peer_id(n), std::move(message)}});
  }
  Effects& ticks(std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) turn({Tick{}});
    return out;
  }
  Effects& durable() { return turn({LogDurable{issued}}); }
  Effects& propose(std::uint64_t request, const std::string& text = "x") {
    return turn({Propose{RequestId(request), EntryKind::command, Bytes(text)}});
  }

  // Wins an election against `voters_needed` others; the blank entry is written, not durable.
  void lead(std::vector<std::uint64_t> supporters) {
    turn({Campaign{}});
    const Term next(term() + 1);
    for (std::uint64_t n : supporters) from(n, PreVoteReply{next, true});
    durable();
    for (std::uint64_t n : supporters) from(n, VoteReply{next, true});
  }

  // The first message of this kind to node n in the last effects; null if there is none.
  template <class M>
  const M* sent(std::uint64_t n) const {
    const Send* send = sent_as<M>(n);
    return send == nullptr ? nullptr : &std::get<M>(std::get<Message>(send->what));
  }
  template <class M>
  const Send* sent_as(std::uint64_t n) const {
    for (const Send& send : out.sends) {
      const auto* message = std::get_if<Message>(&send.what);
      if (send.to.id.value == n && message != nullptr && std::holds_alternative<M>(*message)) {
        return &send;
      }
    }
    return nullptr;
  }
  const AppendSpec* spec(std::uint64_t n) const {
    for (const Send& send : out.sends) {
      const auto* spec = std::get_if<AppendSpec>(&send.what);
      if (send.to.id.value == n && spec != nullptr) return spec;
    }
    return nullptr;
  }
  const Completion* completion(std::uint64_t request) const {
    for (const Completion& done : out.completions) {
      if (done.request.value == request) return &done;
    }
    return nullptr;
  }

  [[nodiscard]] RoleState role() const { return core.soft().role; }
  [[nodiscard]] std::uint64_t term() const { return core.soft().term.value; }
  [[nodiscard]] std::uint64_t leader() const { return core.soft().leader.value; }
  [[nodiscard]] Index commit() const { return core.metrics().commit.index; }
  [[nodiscard]] Index last() const { return core.metrics().last.index; }
  [[nodiscard]] Index stable() const { return core.metrics().stable; }

  Core core;
  Effects out;
  IoId issued;
};

inline LogId log_id(std::uint64_t term, std::uint64_t index) {
  return LogId{Term(term), Index(index)};
}
inline Append append_of(std::uint64_t term, LogId prev, std::vector<Entry> entries,
                        std::uint64_t commit = 0) {
  return Append{Term(term), prev, std::move(entries), Index(commit), Epoch(1)};
}
inline Append in_stream(Epoch epoch, Append append) {
  append.epoch = epoch;
  return append;
}
// An answer that accepts the newest append to node n in the last effects of `leader`.
inline AppendReply accept(const Solo& leader, std::uint64_t n, std::uint64_t match) {
  const Append* append = leader.sent<Append>(n);
  return AppendReply{Term(leader.term()), append == nullptr ? Epoch() : append->epoch, true,
                     Index(match), Term()};
}

}  // namespace aspen::raft
