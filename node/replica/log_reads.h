// Which reads of the log are under way, by member. The core asks again with every heartbeat until a
// follower answers: the same entries are read once, and sent with what was asked last.
//
// Owner: the RaftActor. Bounds: members_max members, log_reads_per_peer_max reads each.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "node/base/ids.h"
#include "node/base/time.h"
#include "node/raft/core.h"

namespace aspen::replica {

class LogReads {
 public:
  // True if the entries are to be read now: nobody reads them yet, and there is room. Otherwise the
  // core asks again. A read whose end was not told for long counts as lost.
  [[nodiscard]] bool begin(NodeId to, const raft::AppendSpec& spec, Instant now);
  // The read has ended. What was asked for last, or nothing if it was not under way.
  [[nodiscard]] std::optional<raft::AppendSpec> finish(NodeId to, const raft::AppendSpec& spec);

 private:
  struct Read {
    raft::AppendSpec spec;
    Instant begun;
  };
  std::map<NodeId, std::vector<Read>> reads_;
};

}  // namespace aspen::replica
