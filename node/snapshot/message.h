// What the two ends of a snapshot's transfer say to each other. The receiver asks, so that it
// decides what it lacks and how fast; a piece is 1 MiB of the manifest or one chunk of the content.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "node/base/bytes.h"
#include "node/base/ids.h"
#include "node/snapshot/sha256.h"

namespace aspen::snapshot {

// Names a transfer to both ends: drawn by the sender, never used again.
using TransferId = Id<struct TransferIdTag>;

struct Offer {
  TransferId transfer;
  Term term;  // the sender leads it
  LogId id;   // what the snapshot stands for
  Digest digest{};
  std::uint64_t manifest_bytes = 0;
  friend bool operator==(const Offer&, const Offer&) noexcept = default;
};

enum class Part : std::uint8_t { manifest = 0, content = 1 };

// At most limits::snapshot_window_chunks numbers.
struct Want {
  TransferId transfer;
  Part part = Part::manifest;
  std::vector<std::uint32_t> numbers;
  friend bool operator==(const Want&, const Want&) = default;
};

// Its content is compared with the manifest's hash, a manifest's with the digest.
struct Piece {
  TransferId transfer;
  Part part = Part::manifest;
  std::uint32_t number = 0;
  Bytes content;
  friend bool operator==(const Piece&, const Piece&) = default;
};

enum class Outcome : std::uint8_t {
  installed = 0,
  busy = 1,    // the receiver is at another snapshot: try again later
  failed = 2,  // no use to go on with this transfer; what has arrived is kept
};

// The receiver's last word.
struct Verdict {
  TransferId transfer;
  Outcome outcome = Outcome::failed;
  friend bool operator==(const Verdict&, const Verdict&) noexcept = default;
};

// The sender's last word.
struct Withdrawn {
  TransferId transfer;
  friend bool operator==(const Withdrawn&, const Withdrawn&) noexcept = default;
};

using Message = std::variant<Offer, Want, Piece, Verdict, Withdrawn>;

// A message and whom it is for.
struct Envelope {
  PeerId to;
  Message message;
};

}  // namespace aspen::snapshot
