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
  friend bool operator==(const PreVote&, const PreVote&) noexcept = default;
};
struct PreVoteReply {
  Term term;  // granted: the term asked for; refused: the receiver's own term
  bool granted = false;
  friend bool operator==(const PreVoteReply&, const PreVoteReply&) noexcept = default;
};
struct Vote {
  Term term;
  LogId last;
  // Asked for by the leader itself: a receiver that hears it does not hold that against the sender.
  bool transfer = false;
  friend bool operator==(const Vote&, const Vote&) noexcept = default;
};
struct VoteReply {
  Term term;
  bool granted = false;
  friend bool operator==(const VoteReply&, const VoteReply&) noexcept = default;
};
struct Append {
  Term term;
  LogId prev;
  std::vector<Entry> entries;  // may be empty: a probe
  Index commit;
  Epoch epoch;
  friend bool operator==(const Append&, const Append&) noexcept = default;
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
  // refused: where the sender's log ends. Less than it acknowledged proves that its disk forgot.
  Index last{};
  friend bool operator==(const AppendReply&, const AppendReply&) noexcept = default;
};
struct Heartbeat {
  Term term;
  Index commit;  // at most what the receiver is known to hold
  ReadId read;   // the newest read-index round, 0 if none waits
  Epoch epoch;
  // Every member holds all up to here on its disk, so that the receiver may purge it (P9).
  Index held{};
  friend bool operator==(const Heartbeat&, const Heartbeat&) noexcept = default;
};
struct HeartbeatReply {
  Term term;
  Epoch epoch;
  ReadId read;
  // The sender's durable position, so that a lost acknowledgement heals without a new entry. Valid
  // only up to what this epoch's appends have verified.
  Index match;
  friend bool operator==(const HeartbeatReply&, const HeartbeatReply&) noexcept = default;
};
// A follower asks the leader for a read index, once for all reads of a turn.
struct ReadIndex {
  Term term;
  std::uint64_t context = 0;  // the follower's, echoed
  friend bool operator==(const ReadIndex&, const ReadIndex&) noexcept = default;
};
struct ReadIndexReply {
  Term term;
  std::uint64_t context = 0;
  bool granted = false;  // refused: not the leader, or no longer
  Index index;
  friend bool operator==(const ReadIndexReply&, const ReadIndexReply&) noexcept = default;
};

// The leader to the one that shall follow it: campaign now (thesis 3.10).
struct TimeoutNow {
  Term term;
  friend bool operator==(const TimeoutNow&, const TimeoutNow&) noexcept = default;
};

using Message = std::variant<PreVote, PreVoteReply, Vote, VoteReply, Append, AppendReply, Heartbeat,
                             HeartbeatReply, ReadIndex, ReadIndexReply, TimeoutNow>;

}  // namespace aspen::raft
