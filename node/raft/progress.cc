#include "node/raft/progress.h"

#include <algorithm>

#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/raft/mutants.h"

namespace aspen::raft {

bool Progress::window_full(const Tuning& tuning) const noexcept {
  return window.size() >= tuning.window_appends || window_bytes >= tuning.window_bytes;
}

void Progress::sent(Index last, std::uint64_t size_bytes) {
  ASPEN_ASSERT(state == ProgressState::replicate);
  ASPEN_ASSERT(last >= next);
  ASPEN_ASSERT(window.size() < limits::window_appends_max);
  window.push_back({last, size_bytes});
  window_bytes += size_bytes;
  next = last + 1;
}

bool Progress::acknowledged(Index index) noexcept {
  while (!window.empty() && window.front().last <= index) {
    ASPEN_ASSERT(window_bytes >= window.front().size_bytes);
    window_bytes -= window.front().size_bytes;
    window.pop_front();
  }
  if (index <= match) return false;
  match = index;
  waiting = 0;
  next = std::max(next, match + 1);
  return true;
}

void Progress::accepted(Index index) noexcept {
  ASPEN_MAYBE(index < match);
  ASPEN_ASSERT(state != ProgressState::snapshot);
  acknowledged(index);
  if (state == ProgressState::replicate) return;
  ASPEN_ASSERT(window.empty());
  // An acknowledgement stops at the peer's durable index: what it holds beyond is sent once more.
  // One that says nothing new does not end the wait of a later probe: a peer with a slow disk would
  // be sent the same entries once per round trip, and once per duplicate of its answer.
  state = ProgressState::replicate;
  next = match + 1;
}

void Progress::restart(Index at, Epoch stream) noexcept {
  ASPEN_ASSERT(stream > epoch);
  window.clear();
  window_bytes = 0;
  state = ProgressState::probe;
  waiting = 0;
  verify = false;
  match_at_start = match;
  next = std::max(at, match + 1);
  epoch = stream;
}

void Progress::tick_round(Index last, std::uint32_t election_ticks) noexcept {
  ASPEN_ASSERT(match <= last);
  if (round_ticks < election_ticks) ++round_ticks;
  if (match >= round_end) {
    keeps_pace = round_end.value > 0 && round_ticks < election_ticks;
    round_end = last;
    round_ticks = 0;
  } else if (round_ticks >= election_ticks) {
    keeps_pace = false;
  }
}

void Progress::await_snapshot(Index from) noexcept {
  ASPEN_ASSERT(state == ProgressState::probe);
  ASPEN_ASSERT(window.empty());
  state = ProgressState::snapshot;
  snapshot_from = from;
  waiting = 0;
}

void Progress::heartbeat() noexcept {
  if (state == ProgressState::snapshot) return;
  if (state == ProgressState::probe) {
    if (waiting > 0 && !mutant_active(Mutant::probe_never_retried)) --waiting;
  } else if (!window.empty() && match == match_at_heartbeat) {
    verify = true;
  }
  match_at_heartbeat = match;
}

void Progress::invariants(Index last_index) const noexcept {
  ASPEN_ASSERT(match < next);
  ASPEN_ASSERT(next <= last_index + 1);
  ASPEN_ASSERT(window.size() <= limits::window_appends_max);
  ASPEN_ASSERT(state == ProgressState::replicate || window.empty());
  ASPEN_ASSERT(epoch.value > 0);
  ASPEN_ASSERT(match_at_start <= match);
  std::uint64_t sum = 0;
  Index previous = match;
  for (std::size_t i = 0; i < window.size(); ++i) {
    ASPEN_ASSERT(window[i].last > previous);
    previous = window[i].last;
    sum += window[i].size_bytes;
  }
  ASPEN_ASSERT(sum == window_bytes);
  // Nothing can be lost track of: what is not in the window is acknowledged or not sent.
  if (state == ProgressState::replicate) ASPEN_ASSERT(next == previous + 1);
}

}  // namespace aspen::raft
