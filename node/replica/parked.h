// Messages that may leave only after a write of the own log is durable. While the disk hangs, peers
// ask again and again: of answers to the same peer that wait for the same write, the newest says
// what the others said, and the others are dropped.
//
// Owner: the RaftActor. Bound: parked_messages_max; a message beyond it is lost, as on a network.
#pragma once

#include <cstddef>
#include <deque>
#include <vector>

#include "node/raft/core.h"
#include "node/replica/peers.h"

namespace aspen::replica {

class ParkedMessages {
 public:
  // Precondition: `after` is not 0 and not below that of the former message.
  void add(raft::IoId after, NodeId to, raft::Message message);
  // Moves what may leave now to the end of `casts`, in the order of its arrival.
  void release(raft::IoId durable, std::vector<OutgoingCast>& casts);
  [[nodiscard]] std::size_t size() const noexcept { return parked_.size(); }

 private:
  struct Parked {
    raft::IoId after;
    NodeId to;
    raft::Message message;
  };
  std::deque<Parked> parked_;  // ascending
};

}  // namespace aspen::replica
