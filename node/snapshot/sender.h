// The sending end of snapshot transfers, as a state machine: the driver reads chunks and carries
// messages, and tells the time. It offers, and then answers what the receiver wants, no faster than
// the byte rate; a transfer that makes no progress for long enough is given up.
//
// Owner: the driver, one thread. Bounds: limits::snapshot_transfers_max transfers, each with
// limits::snapshot_window_chunks wanted pieces; no content is kept but manifests.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "node/base/bytes.h"
#include "node/base/error.h"
#include "node/base/ids.h"
#include "node/base/time.h"
#include "node/snapshot/message.h"

namespace aspen::snapshot {

// A snapshot to send; its files stay until the transfer has ended.
struct Source {
  Term term;  // that this node leads in
  LogId id;
  Digest digest{};
  Bytes manifest;  // encoded; shared by transfers
  std::uint32_t chunks = 0;
};

struct SenderOptions {
  std::uint64_t bytes_per_second = 0;  // of all transfers together; 0: no limit
  Duration offer_interval = std::chrono::seconds(1);
  Duration progress_timeout = std::chrono::seconds(60);
};

struct ReadChunk {
  TransferId transfer;
  std::uint32_t number = 0;
};

struct SendEnded {
  PeerId to;
  std::uint64_t tag = 0;  // the driver's, as given to start()
  LogId id;
  Outcome outcome = Outcome::failed;
};

struct SenderEffects {
  std::vector<Envelope> send;
  std::vector<ReadChunk> reads;  // answer each with chunk_read()
  std::vector<SendEnded> ended;
};

class SnapshotSender {
 public:
  // `first` and all above are free to name transfers of this process.
  SnapshotSender(const SenderOptions& options, TransferId first)
      : options_(options), next_(first) {}

  // Possible errors: overloaded (as many are under way as may be), already_exists (one to this
  // peer).
  [[nodiscard]] Result<void> start(Instant now, const PeerId& to, std::uint64_t tag,
                                   const Source& source);
  // A message of the receiver; what is malformed or not of a transfer is ignored.
  void receive(Instant now, const PeerId& from, const Message& message);
  // The end of a read. An error ends the transfer: the files are not what they were.
  void chunk_read(Instant now, const ReadChunk& read, const Result<Bytes>& content);
  // The transfer to a peer is of no use any more.
  void cancel(const PeerId& to);
  void tick(Instant now);

  // What is to be done; empty afterwards.
  [[nodiscard]] SenderEffects take() noexcept;
  // When tick() has something to do.
  [[nodiscard]] Instant next_deadline() const noexcept;
  // Whom a transfer goes to, while it does.
  [[nodiscard]] std::optional<PeerId> peer_of(TransferId transfer) const noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return transfers_.size(); }

 private:
  struct Wanted {
    Part part = Part::manifest;
    std::uint32_t number = 0;
    friend bool operator==(const Wanted&, const Wanted&) noexcept = default;
  };
  struct Transfer {
    PeerId to;
    std::uint64_t tag = 0;
    Source source;
    Offer offer;
    std::deque<Wanted> wanted;
    std::vector<std::uint32_t> reading;
    bool taken_up = false;  // the receiver has answered
    Instant offered;
    Instant progress;
  };

  [[nodiscard]] Transfer* find(TransferId transfer, const PeerId& from) noexcept;
  void want(Instant now, Transfer& transfer, const Want& wanted);
  // Serves what the rate allows, the transfers in turn.
  void serve(Instant now);
  void refill(Instant now) noexcept;
  void serve_one(Transfer& transfer);
  void drop(TransferId transfer, Outcome outcome);

  const SenderOptions options_;
  TransferId next_;
  std::vector<Transfer> transfers_;
  std::size_t turn_ = 0;
  std::int64_t budget_bytes_ = 0;
  Instant refilled_;
  SenderEffects effects_;
};

}  // namespace aspen::snapshot
