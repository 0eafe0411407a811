#include "node/cluster/frame_reader.h"

#include <cstring>

#include "node/base/assert.h"

namespace aspen::cluster {

FrameReader::FrameReader()
    : buffer_(std::make_unique_for_overwrite<char[]>(limits::link_read_bytes)),
      body_bytes_max_(limits::frame_meta_bytes_max) {}

void FrameReader::set_body_max(std::size_t body_bytes_max) noexcept {
  ASPEN_ASSERT(body_bytes_max <= wire::frame_bytes_max - wire::frame_header_bytes);
  body_bytes_max_ = body_bytes_max;
}

FrameReader::Next FrameReader::refuse(const Error& error) noexcept {
  ASPEN_ASSERT(error.code != Code::ok);
  error_ = error;
  return Next::failed;
}

void FrameReader::start_large(std::size_t size_bytes) {
  ASPEN_ASSERT(size_bytes > buffered());
  ASPEN_ASSERT(!large_.has_value());
  large_.emplace(size_bytes);
  large_->append({buffer_.get() + begin_, buffered()});
  begin_ = end_ = 0;
}

Result<FrameReader::Filled> FrameReader::fill(Stream& stream) {
  ASPEN_ASSERT(error_.code == Code::ok);
  if (large_.has_value()) {
    const std::span<char> space = large_->spare();
    ASPEN_ASSERT(!space.empty());
    const Result<std::size_t> bytes = stream.read(space);
    if (!bytes) return tl::unexpected(bytes.error());
    large_->filled(*bytes);
    return Filled{*bytes, *bytes < space.size()};
  }
  ASPEN_ASSERT(buffered() < limits::link_read_bytes);
  if (begin_ > 0) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, buffered());
    end_ -= begin_;
    begin_ = 0;
  }
  const std::span<char> space(buffer_.get() + end_, limits::link_read_bytes - end_);
  const Result<std::size_t> bytes = stream.read(space);
  if (!bytes) return tl::unexpected(bytes.error());
  ASPEN_ASSERT(*bytes <= space.size());
  end_ += *bytes;
  return Filled{*bytes, *bytes < space.size()};
}

FrameReader::Next FrameReader::open(std::string_view whole, wire::Frame& frame) {
  ASPEN_ASSERT(header_.has_value());
  Result<wire::Frame> opened = wire::open_frame(*header_, whole);
  header_.reset();
  if (!opened) return refuse(opened.error());
  frame = std::move(*opened);
  return Next::frame;
}

FrameReader::Next FrameReader::next(wire::Frame& frame) {
  ASPEN_ASSERT(begin_ <= end_);
  if (error_.code != Code::ok) return Next::failed;
  if (large_.has_value()) {
    if (large_->left() > 0) return Next::none;
    Bytes memory = large_->finish();
    large_.reset();
    const Next opened = open(memory.view(), frame);
    if (opened == Next::frame) frame.memory = std::move(memory);
    return opened;
  }
  if (!header_.has_value()) {
    if (buffered() < wire::frame_header_bytes) return Next::none;
    Result<wire::FrameHeader> header =
        wire::decode_frame_header({buffer_.get() + begin_, wire::frame_header_bytes});
    if (!header) return refuse(header.error());
    if (header->body_bytes() > body_bytes_max_) {
      return refuse({Code::invalid_argument, "frame: too large here", header->body_bytes()});
    }
    header_ = *header;
  }
  const std::size_t size_bytes = wire::frame_header_bytes + header_->body_bytes();
  if (buffered() < size_bytes) {
    if (size_bytes > limits::link_large_frame_bytes) start_large(size_bytes);
    return Next::none;
  }
  const std::string_view whole(buffer_.get() + begin_, size_bytes);
  begin_ += size_bytes;
  return open(whole, frame);
}

}  // namespace aspen::cluster
