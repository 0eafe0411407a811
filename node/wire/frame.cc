#include "node/wire/frame.h"

#include "node/base/assert.h"
#include "node/base/checksum.h"

namespace aspen::wire {

namespace {

constexpr std::size_t checksummed_header_bytes = 16;

std::uint64_t frame_checksum(std::string_view header, std::string_view meta,
                             std::string_view payload) noexcept {
  ASPEN_ASSERT(header.size() == checksummed_header_bytes);
  std::uint64_t sum = checksum64(header);
  if (!meta.empty()) sum = checksum64(meta, sum);
  if (!payload.empty()) sum = checksum64(payload, sum);
  return sum;
}

template <class T>
void put(char* at, T v) noexcept {
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    at[i] = static_cast<char>(static_cast<std::uint64_t>(v) >> (8 * i));
  }
}

}  // namespace

Bytes Frame::take_payload() const {
  if (memory.empty()) return Bytes(payload);
  ASPEN_ASSERT(memory.size() == whole.size());
  return memory.slice(memory.size() - payload.size(), payload.size());
}

void encode_frame_head(const FrameParts& parts, std::string& out) {
  ASPEN_ASSERT(parts.meta.size() <= limits::frame_meta_bytes_max);
  ASPEN_ASSERT(parts.payload.size() <= limits::frame_payload_bytes_max);
  char head[frame_header_bytes];
  put(head, static_cast<std::uint32_t>(parts.payload.size()));
  put(head + 4, static_cast<std::uint16_t>(parts.meta.size()));
  put(head + 6, frame_format);
  put(head + 7, static_cast<std::uint8_t>(parts.type));
  put(head + 8, parts.group.value);
  const std::string_view summed(head, checksummed_header_bytes);
  put(head + checksummed_header_bytes, frame_checksum(summed, parts.meta, parts.payload));
  out.append(head, sizeof(head));
  out.append(parts.meta);
}

Result<FrameHeader> decode_frame_header(std::string_view head) noexcept {
  ASPEN_ASSERT(head.size() == frame_header_bytes);
  Reader in(head);
  FrameHeader header;
  header.payload_bytes = in.u32();
  header.meta_bytes = in.u16();
  const std::uint8_t format = in.u8();
  const std::uint8_t type = in.u8();
  header.group = GroupId(in.u64());
  header.checksum = in.u64();
  ASPEN_ASSERT(in.done());
  // Sizes first: text of another protocol is told apart by its absurd length.
  if (header.payload_bytes > limits::frame_payload_bytes_max ||
      header.meta_bytes > limits::frame_meta_bytes_max) {
    return fail(Code::invalid_argument, "frame: length above the limit", header.body_bytes());
  }
  if (format > frame_format) {
    return fail(Code::unsupported, "frame: newer format", format);
  }
  if (format == 0 || type == 0 || type > frame_type_max) {
    return fail(Code::invalid_argument, "frame: unknown type", type);
  }
  header.type = static_cast<FrameType>(type);
  return header;
}

Result<Frame> open_frame(const FrameHeader& header, std::string_view whole) noexcept {
  ASPEN_ASSERT(whole.size() == frame_header_bytes + header.body_bytes());
  Frame frame;
  frame.header = header;
  frame.whole = whole;
  frame.meta = whole.substr(frame_header_bytes, header.meta_bytes);
  frame.payload = whole.substr(frame_header_bytes + header.meta_bytes);
  const std::uint64_t sum =
      frame_checksum(whole.substr(0, checksummed_header_bytes), frame.meta, frame.payload);
  if (sum != header.checksum) {
    return fail(Code::invalid_argument, "frame: the checksum differs");
  }
  return frame;
}

}  // namespace aspen::wire
