// Cuts a stream's bytes into frames with bounded memory: one buffer of limits::link_read_bytes, and
// for a frame above limits::link_large_frame_bytes memory of its own, so that its payload can be
// shared with the log and the state machine without a copy. A frame is opened only when it is
// whole and its checksum holds.
//
// Owner: a Link; its thread.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "node/base/bytes.h"
#include "node/base/error.h"
#include "node/base/limits.h"
#include "node/port/transport.h"
#include "node/wire/frame.h"

namespace aspen::cluster {

class FrameReader {
 public:
  enum class Next : std::uint8_t { frame, none, failed };

  FrameReader();

  // Frames whose meta and payload are larger together are refused: strangers get little memory.
  void set_body_max(std::size_t body_bytes_max) noexcept;

  // One read of the stream, of at most limits::link_read_bytes or the rest of a large frame.
  // `drained` says that the read gave less than was asked for. Frames seen before are gone.
  // Precondition: next() said none. Possible errors: those of Stream::read.
  struct Filled {
    std::size_t bytes = 0;
    bool drained = false;
  };
  [[nodiscard]] Result<Filled> fill(Stream& stream);

  // The next whole frame; its views are valid until the next call of either function.
  // failed: the bytes are no frame of ours, error() says why, and nothing more can be read.
  [[nodiscard]] Next next(wire::Frame& frame);
  [[nodiscard]] const Error& error() const noexcept { return error_; }
  // A frame has begun and is not whole.
  [[nodiscard]] bool amid_frame() const noexcept { return buffered() > 0 || large_.has_value(); }

 private:
  [[nodiscard]] Next refuse(const Error& error) noexcept;
  [[nodiscard]] Next open(std::string_view whole, wire::Frame& frame);
  [[nodiscard]] std::size_t buffered() const noexcept { return end_ - begin_; }
  void start_large(std::size_t size_bytes);

  std::unique_ptr<char[]> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t body_bytes_max_;
  std::optional<wire::FrameHeader> header_;  // of the frame that is not whole yet
  std::optional<BytesBuilder> large_;
  Error error_;
};

}  // namespace aspen::cluster
