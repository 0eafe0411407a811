// The messages between the replicas of one group, as values. The cluster layer frames them
// (cluster id, sender, receiver, format version); node/wire encodes them. A message received is
// already well-formed: sizes are within limits, entries ascend without a gap.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "node/base/entry.h"
#include "node/base/ids.h"

namespace aspen::raft {

// One stream of appends from one leader to one peer: replies that carry another epoch are dropped,
// so that an old acknowledgement never counts for a new stream.
using Epoch = Id<struct EpochTag>;
// Rounds of read-index; grows within one leadership and is never reused.
using ReadId = Id<struct ReadIdTag>;

// Would you vote for me in `term`? Changes nothing at the receiver (thesis 9.6).
struct PreVote {
  Term term;  // the term the sender would campaign in
  LogId last;
};
struct PreVoteReply {
  Term term;  // granted: the term asked for; refused: the receiver's own term
  bool granted = false;
};
struct Vote {
  Term term;
  LogId last;
};
struct VoteReply {
  Term term;
  bool granted = false;
};
struct Append {
  Term term;
  LogId prev;
  std::vector<Entry> entries;  // may be empty: a probe
  Index commit;
  Epoch epoch;
};
struct AppendReply {
  Term term;
  Epoch epoch;
  bool accepted = false;
  // accepted: all up to here equals the leader's log and is durable at the sender.
  // refused: the sender's last index, or the index before its conflicting run of terms.
  Index match;
  // refused: the term of the entry at `match` in the sender's log, 0 if there is none.
  Term conflict_term;
};
struct Heartbeat {
  Term term;
  Index commit;  // at most what the receiver is known to hold
  ReadId read;   // the newest read-index round, 0 if none waits
  Epoch epoch;
};
struct HeartbeatReply {
  Term term;
  Epoch epoch;
  ReadId read;
  // The sender's durable position, so that a lost acknowledgement heals without a new entry. Valid
  // only up to what this epoch's appends have verified.
  Index match;
};
// A follower asks the leader for a read index, once for all reads of a turn.
struct ReadIndex {
  Term term;
  std::uint64_t context = 0;  // the follower's, echoed
};
struct ReadIndexReply {
  Term term;
  std::uint64_t context = 0;
  bool granted = false;  // refused: not the leader, or no longer
  Index index;
};

using Message = std::variant<PreVote, PreVoteReply, Vote, VoteReply, Append, AppendReply, Heartbeat,
                             HeartbeatReply, ReadIndex, ReadIndexReply>;

}  // namespace aspen::raft
