#include "node/replica/parked.h"

#include <iterator>
#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/wire/raft_codec.h"

namespace aspen::replica {

namespace {

// The newest of them tells all that the former ones told.
bool is_answer(const raft::Message& message) {
  return std::holds_alternative<raft::PreVoteReply>(message) ||
         std::holds_alternative<raft::VoteReply>(message) ||
         std::holds_alternative<raft::AppendReply>(message) ||
         std::holds_alternative<raft::HeartbeatReply>(message);
}

}  // namespace

void ParkedMessages::add(raft::IoId after, NodeId to, raft::Message message) {
  ASPEN_ASSERT(after != raft::IoId());
  ASPEN_ASSERT(parked_.empty() || parked_.back().after <= after);
  if (is_answer(message)) {
    // The messages that wait for the newest write stand at the end, few to a peer.
    for (auto each = parked_.rbegin(); each != parked_.rend() && each->after == after; ++each) {
      if (each->to != to || each->message.index() != message.index()) continue;
      parked_.erase(std::next(each).base());
      break;
    }
  }
  if (parked_.size() >= limits::parked_messages_max) return;
  parked_.push_back({after, to, std::move(message)});
}

void ParkedMessages::release(raft::IoId durable, std::vector<OutgoingCast>& casts) {
  while (!parked_.empty() && parked_.front().after <= durable) {
    const Parked& first = parked_.front();
    casts.push_back({first.to, wire::cast_raft, wire::encode(first.message)});
    parked_.pop_front();
  }
}

}  // namespace aspen::replica
