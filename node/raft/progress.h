// What a leader knows about one peer: how far its log agrees and is durable, what was sent and not
// acknowledged, and when the peer was last heard. Pure bookkeeping; messages are built elsewhere.
//
// snapshot: what the peer needs is purged. Only heartbeats leave, until the driver has brought it a
// snapshot of the state; then it is probed behind that.
//
//            accepted, or a heartbeat's match
//   probe  ------------------------------------>  replicate
//     ^     one message at a time, `next` is a       |  pipelined within the window
//     |     guess; retried at every heartbeat        |
//     +----------------------------------------------+
//            refused, link changed, entries left the memory
//
// A value. Bounds: Tuning.window_bytes, Tuning.window_appends.
#pragma once

#include <cstdint>

#include "node/base/ids.h"
#include "node/raft/core.h"
#include "node/raft/ring.h"

namespace aspen::raft {

struct InFlight {
  Index last;  // of one append
  std::uint64_t size_bytes = 0;
  friend bool operator==(const InFlight&, const InFlight&) noexcept = default;
};

struct Progress {
  PeerId peer;
  ProgressState state = ProgressState::probe;
  // probe: one is under way, or nothing new came; so many heartbeats leave before it counts as
  // lost.
  std::uint32_t waiting = 0;
  bool verify = false;     // replicate: ask whether what was sent has arrived, with an empty append
  Index match;             // durable at the peer and equal; never falls
  Index match_at_start;    // of the stream
  bool lost_data = false;  // its disk forgot what it had acknowledged: it counts no more
  Index next;              // match < next <= last + 1
  Epoch epoch;
  Index told_commit;
  ReadId read;  // the newest round that the peer has answered
  std::uint32_t silent_ticks = 0;
  // Catching up goes in rounds: one ends when the peer holds what the log held at its start.
  Index round_end;
  std::uint32_t round_ticks = 0;
  bool keeps_pace = false;           // the newest round took less than an election timeout
  Index snapshot_from;               // snapshot: the peer is not known to need anything up to here
  Index farewell;                    // not 0: no member any more, by the configuration entry there
  std::uint32_t farewell_ticks = 0;  // since that was committed
  Index match_at_heartbeat;
  Ring<InFlight> window;  // ascending
  std::uint64_t window_bytes = 0;

  friend bool operator==(const Progress&, const Progress&) noexcept = default;

  // True if `next` stands right behind what the peer is known to hold.
  [[nodiscard]] bool proven() const noexcept { return next == match + 1; }
  [[nodiscard]] bool window_full(const Tuning& tuning) const noexcept;

  // An append up to `last` leaves; the window counts it. Precondition: replicate.
  void sent(Index last, std::uint64_t size_bytes);
  // What it is known to hold, for the arithmetic of majorities.
  [[nodiscard]] Index counted() const noexcept { return lost_data ? Index() : match; }
  [[nodiscard]] bool leaving() const noexcept { return farewell.value != 0; }
  // One tick of a round of catching up. Precondition: last >= match.
  void tick_round(Index last, std::uint32_t election_ticks) noexcept;
  // What it needs is purged; what it holds from before `from` is not known to be needed.
  void await_snapshot(Index from) noexcept;
  // The peer holds everything up to `index`. True if that is news. `accepted` is the answer to an
  // append: it ends a probe.
  bool acknowledged(Index index) noexcept;
  void accepted(Index index) noexcept;
  // Starts over behind `match` or at `at`, whichever is higher, as a new stream.
  void restart(Index at, Epoch stream) noexcept;
  // A heartbeat leaves: what got lost is noticed and sent again (B8).
  void heartbeat() noexcept;

  void invariants(Index last_index) const noexcept;
};

}  // namespace aspen::raft
