// What must hold of all replicas together at every moment. It sees the disks' durable images, the
// messages that leave, the ranges that are committed and applied; each check is a table written
// once and compared ever after, or a comparison of hashes, so that the cost for an event is
// constant. The first violation is kept.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "node/base/membership.h"
#include "node/raft/core.h"
#include "tests/sim/model_disk.h"
#include "tests/sim/model_state.h"
#include "tests/sim/plan.h"

namespace aspen::sim {

struct Violation {
  const char* check = "";
  std::string text;
};

// Whether the checks that look inside a replica at single messages (the order of disk and replies)
// take part. Without them a mistake must show in what replicas or clients see.
enum class Insight : std::uint8_t { full, outside };

class Oracle {
 public:
  Oracle(std::size_t nodes, Insight insight) : nodes_(nodes), insight_(insight) {}

  void violate(const char* check, std::string text);
  [[nodiscard]] Insight insight() const noexcept { return insight_; }
  [[nodiscard]] bool violated() const noexcept { return violation_.has_value(); }
  [[nodiscard]] const std::optional<Violation>& violation() const noexcept { return violation_; }

  // The disks, in the order of the nodes; they must outlive the oracle's use.
  void watch(std::size_t node, const ModelDisk* disk) { disks_[node] = disk; }
  // Who is at this place now. Another one than before has another disk.
  void identify(std::size_t node, const PeerId& self);
  // What is on its disk is about to be lost.
  void lose(std::size_t node);
  // Entries may be purged that a member still needs: it gets a snapshot.
  void expect_early_purges(bool early) noexcept { early_purges_ = early; }

  // ---- what happened
  // Log matching: entries of one index and term are the same, and so is all before them.
  void appended(std::size_t node, LogId id);
  // One vote in a term, and neither term nor vote is ever lost on a disk.
  void disk_changed(std::size_t node);
  // Rules P1 and P3: nothing is said that a crash could take back.
  void sent(std::size_t node, std::size_t peer, const raft::Message& message);
  // One leader in a term, and it holds everything committed before its term.
  void became_leader(std::size_t node, Term term);
  // The committed prefix is the same everywhere, for ever, and on a quorum of disks.
  // `leads`: what the node knows of the configuration, if it leads; null otherwise.
  void committed(std::size_t node, const raft::CommitRange& range, Term term,
                 const raft::Core* leads);
  // Rule P9: entries go only when the state on disk and every member's disk hold them.
  void purged(std::size_t node, Index through, Index state_durable);
  // What the state store of a node would hold after a crash.
  void state_durable(std::size_t node, Index index) { states_[node] = index; }
  // Equal states at equal positions.
  void applied(std::size_t node, const ModelState& state);
  // The state that a node boots with, as its disk.
  void booted(std::size_t node, Index applied);
  // A node goes by this configuration, which need not be on any disk yet.
  void in_force(std::size_t node, const Config& config) { in_force_[node] = config; }
  // A client is about to be told that `id` is committed.
  void acknowledged(std::size_t node, LogId id, const raft::Core& core);
  // The newest committed one.
  [[nodiscard]] const Config& config() const noexcept { return config_.config; }
  [[nodiscard]] LogId config_id() const noexcept { return config_.id; }

  // ---- what is known
  [[nodiscard]] Index committed_last() const noexcept { return Index(committed_.size()); }
  // The operation of a committed command, 0 for other entries.
  [[nodiscard]] std::uint64_t operation_at(Index index) const {
    return committed_[index.value - 1].operation;
  }
  [[nodiscard]] Term term_at(Index index) const { return committed_[index.value - 1].term; }
  [[nodiscard]] std::uint64_t elections() const noexcept { return leaders_.size(); }

 private:
  struct Committed {
    std::uint64_t chain = 0;
    std::uint64_t operation = 0;
    Term term;
    Term known_in;  // the term of the node that said so first, at least that of the leader
  };
  struct Written {
    Term term;
    std::uint64_t chain = 0;
  };

  [[nodiscard]] bool holds(const PeerId& peer, Index index, std::uint64_t chain) const;
  [[nodiscard]] bool on_quorum(const Config& config, Index index, std::uint64_t chain) const;
  [[nodiscard]] std::uint64_t key(std::size_t node) const noexcept {
    return identities_[node].id.value * 64 + identities_[node].incarnation.high % 64;
  }
  void check_quorum_of(const raft::Core& leader, std::size_t node, Index index,
                       std::uint64_t chain);
  // Of an entry that some log held once.
  [[nodiscard]] std::optional<std::uint64_t> chain_of(LogId id) const;
  void check_quorum(std::size_t node, Index index, std::uint64_t chain);
  void sent_vote(std::size_t node, std::size_t peer, Term term);

  std::size_t nodes_;
  Insight insight_;
  std::optional<Violation> violation_;
  std::array<const ModelDisk*, nodes_max> disks_{};
  std::array<HardState, nodes_max> hard_states_{};
  std::array<PeerId, nodes_max> identities_{};
  bool early_purges_ = false;
  std::map<PeerId, LogImage> lost_;  // what was on disks when they were lost
  std::array<Index, nodes_max> states_{};
  raft::LoggedConfig config_;
  std::array<Config, nodes_max> in_force_{};
  std::map<std::pair<std::uint64_t, Term>, std::size_t> votes_sent_;  // (node, term) -> candidate
  std::map<Term, std::size_t> leaders_;
  std::vector<Written> written_;                  // by index, the first term seen there
  std::map<LogId, std::uint64_t> written_other_;  // the other terms
  std::vector<Committed> committed_;              // by index - 1
  std::vector<std::uint64_t> digests_;            // by applied index
};

}  // namespace aspen::sim
