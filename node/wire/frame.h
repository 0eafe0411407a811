// A frame is the unit of a link between two nodes. All integers are little-endian:
//
//   offset  0  u32  payload bytes
//           4  u16  meta bytes
//           6  u8   format version, frame_format
//           7  u8   type
//           8  u64  group id, 0 where it has no meaning
//          16  u64  checksum64 of offsets 0 to 15, then the meta, then the payload, chained by seed
//          24  meta, then payload
//
// The meta says what the payload is; splitting them lets a large payload be sent from where it
// lies. Every field is hostile until decode_header() and check_frame() accept it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "node/base/bytes.h"
#include "node/base/error.h"
#include "node/base/ids.h"
#include "node/base/limits.h"

namespace aspen::wire {

inline constexpr std::uint8_t frame_format = 1;
inline constexpr std::size_t frame_header_bytes = 24;
inline constexpr std::size_t frame_bytes_max =
    frame_header_bytes + limits::frame_meta_bytes_max + limits::frame_payload_bytes_max;

// The layout of hello and error frames stays as it is in every later format, so that two nodes that
// have no format in common can still tell each other.
enum class FrameType : std::uint8_t {
  hello = 1,
  proof = 2,
  admitted = 3,
  error = 4,
  ping = 5,
  pong = 6,
  cast = 7,
  probe = 8,
  probe_reply = 9,
  assign = 10,
  assign_reply = 11,
  bulk = 12,         // a part of a message that gives way to all else
  bulk_credit = 13,  // so much of those has arrived
};
inline constexpr std::uint8_t frame_type_max = 13;

struct FrameHeader {
  FrameType type = FrameType::ping;
  GroupId group;
  std::uint32_t meta_bytes = 0;
  std::uint32_t payload_bytes = 0;
  std::uint64_t checksum = 0;

  [[nodiscard]] std::size_t body_bytes() const noexcept {
    return std::size_t{meta_bytes} + payload_bytes;
  }
};

// A frame received: views into memory of the reader, valid while that is.
struct Frame {
  FrameHeader header;
  std::string_view whole;  // with its header, as the handshake's transcript has it
  std::string_view meta;
  std::string_view payload;
  Bytes memory;  // of `whole`, if the frame lies in memory of its own; otherwise empty

  // The payload as Bytes: shares the frame's memory if it has its own, copies otherwise.
  [[nodiscard]] Bytes take_payload() const;
};

// What a frame is sent from. Sizes are within limits: an assertion.
struct FrameParts {
  FrameType type = FrameType::ping;
  GroupId group;
  std::string_view meta;
  std::string_view payload;
};

// Appends header and meta; the payload follows them on the wire.
void encode_frame_head(const FrameParts& parts, std::string& out);

// Precondition: head.size() == frame_header_bytes.
// Possible errors: unsupported (newer format; detail: the format), invalid_argument (a size above
// its limit, an unknown type, format 0).
[[nodiscard]] Result<FrameHeader> decode_frame_header(std::string_view head) noexcept;

// Splits a whole frame into its parts. Precondition: `whole` has the sizes that `header`, decoded
// from its front, says. Possible errors: invalid_argument (the checksum differs).
[[nodiscard]] Result<Frame> open_frame(const FrameHeader& header, std::string_view whole) noexcept;

}  // namespace aspen::wire
