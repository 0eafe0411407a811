#include "node/raft/quorum.h"

#include <algorithm>
#include <functional>

#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/raft/mutants.h"

namespace aspen::raft {

Quorum::Quorum(const Config& config) {
  ASPEN_ASSERT(config.members.size() <= limits::members_max);
  for (const Member& member : config.members) {
    if (member.role != Role::voter) continue;
    ASPEN_ASSERT(voters_.empty() || voters_.back() < member.peer.id);
    voters_.push_back(member.peer.id);
  }
}

bool Quorum::contains(NodeId node) const noexcept {
  return std::binary_search(voters_.begin(), voters_.end(), node);
}

bool Quorum::is_only(NodeId node) const noexcept {
  return voters_.size() == 1 && voters_.front() == node;
}

std::size_t Quorum::majority() const noexcept {
  if (mutant_active(Mutant::quorum_of_half)) return std::max<std::size_t>(voters_.size() / 2, 1);
  return voters_.size() / 2 + 1;
}

VoteResult Quorum::tally(const std::vector<Ballot>& ballots) const noexcept {
  std::size_t granted = 0;
  std::size_t refused = 0;
  for (const Ballot& ballot : ballots) {
    if (!contains(ballot.voter)) continue;
    ++(ballot.granted ? granted : refused);
  }
  ASPEN_ASSERT(granted + refused <= voters_.size());
  if (voters_.empty()) return VoteResult::pending;
  if (granted >= majority()) return VoteResult::won;
  return voters_.size() - refused < majority() ? VoteResult::lost : VoteResult::pending;
}

std::uint64_t Quorum::agreed(Values& values) const noexcept {
  if (voters_.empty()) return 0;
  ASPEN_ASSERT(voters_.size() <= values.size());
  const auto end = values.begin() + static_cast<std::ptrdiff_t>(voters_.size());
  const auto nth = values.begin() + static_cast<std::ptrdiff_t>(majority() - 1);
  ASPEN_ASSERT(nth < end);
  std::nth_element(values.begin(), nth, end, std::greater<>());
  return *nth;
}

}  // namespace aspen::raft
