// The receiving end of snapshot transfers, as a state machine: the driver keeps the files (a
// PartDirectory), carries messages and tells the time. One snapshot at a time. It asks for what is
// missing, in a window, and whoever offers the same digest goes on where another stopped: what has
// arrived is kept until another snapshot is taken up or this one is installed.
//
// Phases: idle -> opening (what is there already?) -> manifest -> content -> finishing (all checked
// and durable) -> installing -> idle. Owner: the driver, one thread. Memory: the manifest and
// limits::snapshot_window_chunks chunks.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "node/base/bytes.h"
#include "node/base/error.h"
#include "node/base/ids.h"
#include "node/base/time.h"
#include "node/snapshot/manifest.h"
#include "node/snapshot/message.h"

namespace aspen::snapshot {

struct ReceiverOptions {
  ClusterId cluster;
  // Nothing has come for so long: what was asked for is asked for again. Pieces come one behind the
  // other, so on a slow link the last of a window may take much longer.
  Duration request_timeout = std::chrono::seconds(5);
  Duration progress_timeout = std::chrono::seconds(60);  // then the transfer is given up
};

// Work of the driver, done in this order; each is answered by the call it names.
struct OpenPart {  // opened(): the manifest that is kept, and which chunks are there
  Digest digest{};
};
struct KeepManifest {  // opened()
  Digest digest{};
  std::string text;
};
struct WriteChunk {  // written()
  std::uint32_t number = 0;
  Bytes content;
};
struct FinishPart {  // finished()
  Digest digest{};
};
struct InstallPart {  // installed()
  Digest digest{};
};
using ReceiverWork = std::variant<OpenPart, KeepManifest, WriteChunk, FinishPart, InstallPart>;

struct ReceiverEffects {
  std::vector<Envelope> send;
  std::vector<ReceiverWork> work;
};

// What a part directory holds.
struct PartContent {
  std::shared_ptr<const Manifest> manifest;  // null: none is kept
  std::vector<bool> there;                   // by chunk
};

struct ReceiverProgress {
  bool active = false;
  LogId id;
  std::uint64_t chunks = 0;
  std::uint64_t chunks_there = 0;
};

class SnapshotReceiver {
 public:
  explicit SnapshotReceiver(const ReceiverOptions& options) : options_(options) {}

  // What the state holds already: offers of no more are answered as installed.
  void set_applied(Index applied) noexcept { applied_ = applied; }
  // A message of a sender; what is malformed, late or not wanted is ignored.
  void receive(Instant now, const PeerId& from, const Message& message);

  // Answers to work. An error ends the transfer, but for damage found at the end: then what is
  // missing is asked for again.
  void opened(Instant now, Result<PartContent> content);
  void written(Instant now, std::uint32_t number, const Result<void>& done);
  void finished(Instant now, const Result<void>& done);
  void installed(const Result<void>& done);
  void tick(Instant now);
  // There is a new link to the sender: what was on its way is lost.
  void linked(Instant now, const PeerId& peer);

  // What is to be done; empty afterwards.
  [[nodiscard]] ReceiverEffects take() noexcept;
  [[nodiscard]] Instant next_deadline() const noexcept;
  [[nodiscard]] ReceiverProgress progress() const noexcept;

 private:
  enum class Phase : std::uint8_t { idle, opening, manifest, content, finishing, installing };

  void on_offer(Instant now, const PeerId& from, const Offer& offer);
  void on_piece(Instant now, const Piece& piece);
  void on_manifest_piece(Instant now, const Piece& piece);
  void on_chunk(Instant now, const Piece& piece);
  void begin(Instant now, const PeerId& from, const Offer& offer);
  void take_manifest();
  // Asks for as much as the window has room for.
  void ask(Instant now);
  void finish_maybe();
  void give_up(Outcome outcome);
  // When a piece that was asked for then is asked for again.
  [[nodiscard]] Instant late_at(Instant asked) const noexcept;
  [[nodiscard]] bool stale(Instant now) const noexcept;
  [[nodiscard]] bool fits(const Manifest& manifest) const noexcept;
  [[nodiscard]] std::uint32_t pieces() const noexcept;

  const ReceiverOptions options_;
  Index applied_;
  Phase phase_ = Phase::idle;
  PeerId from_;
  Offer offer_;
  Instant progress_at_;
  std::map<std::uint32_t, Instant> asked_;  // pieces or chunks, and when
  std::vector<std::uint32_t> writing_;      // chunks
  std::map<std::uint32_t, Bytes> manifest_parts_;
  std::shared_ptr<const Manifest> manifest_;
  std::unique_ptr<ChunkMap> chunks_;
  std::vector<bool> there_;
  std::uint64_t missing_ = 0;
  std::uint32_t next_ask_ = 0;  // numbers below it are there or were asked for
  std::uint32_t repairs_ = 0;
  ReceiverEffects effects_;
};

}  // namespace aspen::snapshot
