// The arithmetic of majorities over one configuration. A leaf: it knows voters, not state. A joint
// configuration will be a second half in here; callers ask the same questions.
//
// A value. Bound: limits::members_max voters.
#pragma once

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

class Quorum {
 public:
  Quorum() noexcept = default;
  explicit Quorum(const Config& config);

  [[nodiscard]] const std::vector<NodeId>& voters() const noexcept { return voters_; }
  [[nodiscard]] bool contains(NodeId node) const noexcept;
  // True if `node` decides alone.
  [[nodiscard]] bool is_only(NodeId node) const noexcept;

  // Ballots of others than voters do not count. Precondition: one ballot per node.
  [[nodiscard]] VoteResult tally(const std::vector<Ballot>& ballots) const noexcept;

  // The largest value that a majority has reached, such as a log position or a read round; 0
  // without voters. `of(voter)` says what one voter has reached.
  template <class F>
  [[nodiscard]] std::uint64_t reached(F&& of) const noexcept {
    Values values;  // not initialised: only the voters' part is read
    for (std::size_t i = 0; i < voters_.size(); ++i) values[i] = of(voters_[i]);
    return agreed(values);
  }

  friend bool operator==(const Quorum&, const Quorum&) noexcept = default;

 private:
  using Values = std::array<std::uint64_t, limits::members_max>;

  [[nodiscard]] std::uint64_t agreed(Values& values) const noexcept;
  [[nodiscard]] std::size_t majority() const noexcept;

  std::vector<NodeId> voters_;  // ascending
};

}  // namespace aspen::raft
