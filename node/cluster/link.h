// One stream to another node: frames in and out, the handshake, heartbeats, figures. It decides
// nothing: which link of a pair stays, who may be a member and what a frame means is the
// NodeServer's.
//
//   greeting -> proven -> ready          the one link of a pair of members
//      |          |  \--> serving        a request: a probe or an assignment
//      \----------+-----> closing -> gone
//
// `closing` has said why it ends and waits for the other side to close, so that the reason is not
// lost with the stream; `gone` is swept by the owner.
//
// Owner: NodeServer; its thread. Bounds: frame_reader.h, send_queue.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "node/base/time.h"
#include "node/cluster/bulk_reader.h"
#include "node/cluster/frame_reader.h"
#include "node/cluster/handshake.h"
#include "node/cluster/send_queue.h"
#include "node/port/transport.h"

namespace aspen::cluster {

// Grows with each link of a NodeServer: of two links the one with the larger number is younger.
using LinkNumber = std::uint64_t;

class Link;

class LinkOwner {
 public:
  // Called from the wait of the poller, outside of any handler.
  virtual void on_link_ready(Link& link) = 0;
  // One frame, valid during the call. The link may be closed or ended by it.
  virtual void on_frame(Link& link, wire::Frame& frame) = 0;

 protected:
  ~LinkOwner() = default;
};

struct LinkTiming {
  Duration heartbeat_interval = std::chrono::milliseconds(300);
  Duration silence_max = std::chrono::milliseconds(1200);  // then the link is dead
  // A frame that has begun is whole by then, or its size is a lie that bytes keep alive.
  Duration frame_max = std::chrono::seconds(10);
};

struct LinkFigures {
  std::uint64_t frames_in = 0;
  std::uint64_t frames_out = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::uint64_t casts_refused = 0;  // the queue was full
  std::optional<Duration> round_trip;

  void add(const LinkFigures& other) noexcept;
};

class Link final : public StreamSink {
 public:
  enum class Phase : std::uint8_t { greeting, proven, ready, serving, closing, gone };

  // A dialler starts its handshake. The owner and what `world` refers to outlive the link.
  struct Start {
    LinkNumber number = 0;
    std::unique_ptr<Stream> stream;
    Handshake handshake;
    Instant now;
  };
  Link(Start start, LinkOwner& owner);

  void on_ready() override { owner_.on_link_ready(*this); }

  [[nodiscard]] LinkNumber number() const noexcept { return number_; }
  [[nodiscard]] Phase phase() const noexcept { return phase_; }
  [[nodiscard]] Handshake& handshake() noexcept { return handshake_; }
  [[nodiscard]] LinkRole role() const noexcept { return handshake_.role(); }
  [[nodiscard]] wire::LinkUse use() const noexcept { return handshake_.use(); }
  [[nodiscard]] const std::string& address() const noexcept { return handshake_.address(); }
  // Who proved itself. Precondition: the phase is behind greeting and the handshake proven.
  [[nodiscard]] const PeerId& peer() const noexcept;
  [[nodiscard]] const LinkFigures& figures() const noexcept { return figures_; }
  [[nodiscard]] std::size_t queued_bytes() const noexcept { return queue_.size_bytes(); }

  // Reads up to limits::link_reads_per_turn_max times and gives each frame to the owner.
  enum class Read : std::uint8_t { drained, more, failed, over };
  // failed: the stream has ended or the bytes are no frames; error() says which.
  [[nodiscard]] Read read(Instant now);
  [[nodiscard]] const Error& error() const noexcept { return error_; }
  // Whether the error is the other side's nonsense and not the stream's end.
  [[nodiscard]] bool malformed() const noexcept { return malformed_; }

  // False if the queue is full; counted for casts. Precondition: not gone.
  [[nodiscard]] bool send(const SendQueue::Item& item, SendQueue::Kind kind);
  // False if no more of it may wait; not counted.
  [[nodiscard]] bool send_bulk(SendQueue::BulkItem item);
  // Likewise, if the other side says that more has arrived than was sent.
  [[nodiscard]] bool credit(const wire::BulkCredit& credit) noexcept;
  [[nodiscard]] BulkReader& bulk() noexcept { return bulk_; }
  void send_encoded(std::string_view frames);
  // One gathered write of what is queued. False if the stream has broken; error() says how.
  [[nodiscard]] bool flush(Instant now);
  // After a write that was not taken whole, nothing is tried before the stream tells of room.
  [[nodiscard]] bool wants_flush() const noexcept { return !blocked_ && !queue_.empty(); }
  void unblock() noexcept { blocked_ = false; }

  // ---- phases
  void set_proven() noexcept;
  void set_ready(Instant now) noexcept;
  void set_serving() noexcept;
  // Says why (unless LinkError::none) and waits for the other side.
  struct Farewell {
    wire::LinkError error = wire::LinkError::none;
    std::uint64_t detail = 0;
    Incarnation self;
  };
  void close(const Farewell& farewell, Instant now);
  // The stream is closed at once.
  void end() noexcept;

  // ---- time
  // Until when the current phase may last; never for a ready link.
  void set_deadline(Instant at) noexcept { deadline_ = at; }
  [[nodiscard]] bool overdue(Instant now) const noexcept { return now >= deadline_; }
  // Sends a ping if it is time. Precondition: ready.
  void beat(Instant now, const LinkTiming& timing);
  // Gives the round trip; nothing if it is no echo of ours.
  std::optional<Duration> on_pong(const wire::Heartbeat& heartbeat, Instant now) noexcept;
  // Nothing was heard, a frame did not end, or nothing of what is queued was taken, for too long.
  [[nodiscard]] bool silent(Instant now, const LinkTiming& timing) const noexcept;
  // This node itself was not running for so long: the other side is not to blame.
  void excuse(Duration away) noexcept;

  // The owner's marks: the member it is meant for, 0 for a stranger or a request; whether it is in
  // the lists of links to read and to flush.
  NodeId member;
  bool listed_to_read = false;
  bool listed_to_flush = false;

 private:
  [[nodiscard]] bool take_frames();
  [[nodiscard]] Read discard();

  LinkNumber number_;
  std::unique_ptr<Stream> stream_;
  LinkOwner& owner_;
  Handshake handshake_;
  Phase phase_ = Phase::greeting;
  FrameReader reader_;
  BulkReader bulk_;
  SendQueue queue_;
  bool blocked_ = false;
  bool malformed_ = false;
  Error error_;
  Instant deadline_ = Instant::never();
  Instant last_heard_;
  Instant last_whole_;  // nothing of a frame was waiting for its rest
  Instant last_taken_;  // by the stream, or nothing was queued
  Instant next_beat_;
  LinkFigures figures_;
};

}  // namespace aspen::cluster
