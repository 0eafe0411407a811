// The arithmetic of majorities over one configuration. A leaf: it knows voters, not state. A joint
// configuration has two halves, and what is asked for needs a majority of each (thesis 4.3).
//
// A value. Bound: limits::members_max voters.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "node/base/ids.h"
#include "node/base/limits.h"
#include "node/base/membership.h"

namespace aspen::raft {

enum class VoteResult : std::uint8_t { pending, won, lost };

// One voter's answer.
struct Ballot {
  NodeId voter;
  bool granted = false;
  friend bool operator==(const Ballot&, const Ballot&) noexcept = default;
};

// One set of voters.
class Voters {
 public:
  // Precondition: ascending.
  void add(NodeId voter);

  [[nodiscard]] const std::vector<NodeId>& ids() const noexcept { return ids_; }
  [[nodiscard]] bool empty() const noexcept { return ids_.empty(); }
  [[nodiscard]] bool contains(NodeId node) const noexcept;
  [[nodiscard]] bool is_only(NodeId node) const noexcept;
  [[nodiscard]] VoteResult tally(const std::vector<Ballot>& ballots) const noexcept;

  template <class F>
  [[nodiscard]] std::uint64_t reached(F& of) const noexcept {
    Values values;  // not initialised: only the voters' part is read
    for (std::size_t i = 0; i < ids_.size(); ++i) values[i] = of(ids_[i]);
    return agreed(values);
  }

  friend bool operator==(const Voters&, const Voters&) noexcept = default;

 private:
  using Values = std::array<std::uint64_t, limits::members_max>;

  [[nodiscard]] std::uint64_t agreed(Values& values) const noexcept;
  [[nodiscard]] std::size_t majority() const noexcept;

  std::vector<NodeId> ids_;  // ascending
};

class Quorum {
 public:
  Quorum() noexcept = default;
  explicit Quorum(const Config& config);

  [[nodiscard]] bool contains(NodeId node) const noexcept {
    return incoming_.contains(node) || outgoing_.contains(node);
  }
  // True if `node` decides alone.
  [[nodiscard]] bool is_only(NodeId node) const noexcept;
  // No more than so many ballots count.
  [[nodiscard]] std::size_t size() const noexcept {
    return incoming_.ids().size() + outgoing_.ids().size();
  }

  // Ballots of others than voters do not count. Precondition: one ballot per node.
  [[nodiscard]] VoteResult tally(const std::vector<Ballot>& ballots) const noexcept;

  // The largest value that a majority, of each half, has reached, such as a log position or a read
  // round; 0 without voters. `of(voter)` says what one voter has reached.
  template <class F>
  [[nodiscard]] std::uint64_t reached(F&& of) const noexcept {
    const std::uint64_t incoming = incoming_.reached(of);
    if (outgoing_.empty()) return incoming;
    return std::min(incoming, outgoing_.reached(of));
  }

  friend bool operator==(const Quorum&, const Quorum&) noexcept = default;

 private:
  Voters incoming_;  // of the configuration at rest, or of the new half
  Voters outgoing_;  // of the old half; empty at rest
};

}  // namespace aspen::raft
