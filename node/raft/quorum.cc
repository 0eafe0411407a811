#include "node/raft/quorum.h"

#include <functional>

#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/raft/mutants.h"

namespace aspen::raft {

void Voters::add(NodeId voter) {
  ASPEN_ASSERT(ids_.empty() || ids_.back() < voter);
  ASPEN_ASSERT(ids_.size() < limits::members_max);
  ids_.push_back(voter);
}

bool Voters::contains(NodeId node) const noexcept {
  return std::binary_search(ids_.begin(), ids_.end(), node);
}

bool Voters::is_only(NodeId node) const noexcept {
  return ids_.size() == 1 && ids_.front() == node;
}

std::size_t Voters::majority() const noexcept {
  if (mutant_active(Mutant::quorum_of_half)) return std::max<std::size_t>(ids_.size() / 2, 1);
  return ids_.size() / 2 + 1;
}

VoteResult Voters::tally(const std::vector<Ballot>& ballots) const noexcept {
  std::size_t granted = 0;
  std::size_t refused = 0;
  for (const Ballot& ballot : ballots) {
    if (!contains(ballot.voter)) continue;
    ++(ballot.granted ? granted : refused);
  }
  ASPEN_ASSERT(granted + refused <= ids_.size());
  if (ids_.empty()) return VoteResult::pending;
  if (granted >= majority()) return VoteResult::won;
  return ids_.size() - refused < majority() ? VoteResult::lost : VoteResult::pending;
}

std::uint64_t Voters::agreed(Values& values) const noexcept {
  if (ids_.empty()) return 0;
  ASPEN_ASSERT(ids_.size() <= values.size());
  const auto end = values.begin() + static_cast<std::ptrdiff_t>(ids_.size());
  const auto nth = values.begin() + static_cast<std::ptrdiff_t>(majority() - 1);
  ASPEN_ASSERT(nth < end);
  std::nth_element(values.begin(), nth, end, std::greater<>());
  return *nth;
}

Quorum::Quorum(const Config& config) {
  ASPEN_ASSERT(config.members.size() <= limits::members_max);
  const bool unite = mutant_active(Mutant::joint_counts_the_union);
  const bool new_half_alone = mutant_active(Mutant::joint_ignores_the_old_half);
  const bool learners = mutant_active(Mutant::learner_counts);
  for (const Member& member : config.members) {
    const bool votes = member.role == Role::voter || (unite && member.outgoing);
    if (votes || (learners && member.role == Role::learner)) incoming_.add(member.peer.id);
    if (member.outgoing && !unite && !new_half_alone) outgoing_.add(member.peer.id);
  }
  ASPEN_ASSERT(outgoing_.empty() || config.joint());
}

bool Quorum::is_only(NodeId node) const noexcept {
  return incoming_.is_only(node) && (outgoing_.empty() || outgoing_.is_only(node));
}

VoteResult Quorum::tally(const std::vector<Ballot>& ballots) const noexcept {
  const VoteResult incoming = incoming_.tally(ballots);
  if (outgoing_.empty()) return incoming;
  const VoteResult outgoing = outgoing_.tally(ballots);
  if (incoming == VoteResult::lost || outgoing == VoteResult::lost) return VoteResult::lost;
  return incoming == outgoing ? incoming : VoteResult::pending;
}

}  // namespace aspen::raft
