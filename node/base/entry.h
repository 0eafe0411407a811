// What a replicated log is made of: entries, the hard state of a replica, and the membership that a
// configuration entry carries.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "node/base/bytes.h"
#include "node/base/ids.h"

namespace aspen {

enum class EntryKind : std::uint8_t {
  blank = 0,    // a new leader's first entry (Raft thesis 6.4)
  command = 1,  // a command of the state machine
  config = 2,   // a Config, encoded by base/membership.h
};

struct Entry {
  LogId id;
  EntryKind kind = EntryKind::blank;
  Bytes payload;
  friend bool operator==(const Entry&, const Entry&) noexcept = default;

  // What an entry counts for in windows and caps: its payload and a constant for its header.
  [[nodiscard]] std::uint64_t size_bytes() const noexcept { return payload.size() + 32; }
};

// Durable before any message of its term leaves (rule P1).
struct HardState {
  Term term;
  std::optional<PeerId> vote;
  friend bool operator==(const HardState&, const HardState&) noexcept = default;
};

}  // namespace aspen
