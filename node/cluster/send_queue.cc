#include "node/cluster/send_queue.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"

namespace aspen::cluster {

namespace {

constexpr std::size_t text_bytes = limits::link_read_bytes;
constexpr std::size_t spare_max = 4;

}  // namespace

std::string& SendQueue::open_text() {
  if (!segments_.empty() && segments_.back().shared.empty() &&
      segments_.back().text.size() < text_bytes) {
    return segments_.back().text;
  }
  Segment segment;
  if (!spare_.empty()) {
    segment.text = std::move(spare_.back());
    spare_.pop_back();
  }
  ASPEN_ASSERT(segment.text.empty());
  segments_.push_back(std::move(segment));
  return segments_.back().text;
}

bool SendQueue::push(const Item& item, Kind kind) {
  const std::size_t frame_bytes = wire::frame_header_bytes + item.meta.size() + item.payload.size();
  ASPEN_ASSERT(frame_bytes <= wire::frame_bytes_max);
  const std::size_t ceiling =
      limits::link_queue_bytes_max + (kind == Kind::control ? limits::link_control_bytes_max : 0);
  if (size_bytes_ + frame_bytes > ceiling) return false;
  std::string& text = open_text();
  const std::size_t before = text.size();
  wire::encode_frame_head(
      {.type = item.type, .group = item.group, .meta = item.meta, .payload = item.payload.view()},
      text);
  if (item.payload.size() <= limits::link_copy_bytes_max) {
    text.append(item.payload.view());
    ASPEN_ASSERT(text.size() - before == frame_bytes);
  } else {
    segments_.push_back({{}, item.payload});
  }
  size_bytes_ += frame_bytes;
  return true;
}

void SendQueue::push_encoded(std::string_view frames) {
  ASPEN_ASSERT(frames.size() <= limits::link_control_bytes_max);
  if (frames.empty()) return;
  open_text().append(frames);
  size_bytes_ += frames.size();
}

bool SendQueue::push_bulk(BulkItem item) {
  ASPEN_ASSERT(!item.payload.empty());
  ASPEN_ASSERT(item.payload.size() <= limits::frame_payload_bytes_max);
  if (bulk_bytes_ + item.payload.size() > limits::link_bulk_queue_bytes_max) return false;
  bulk_bytes_ += item.payload.size();
  bulk_.push_back({std::move(item), 0});
  return true;
}

void SendQueue::drop_bulk() noexcept {
  bulk_.clear();
  bulk_bytes_ = 0;
}

bool SendQueue::credit(std::size_t size_bytes) noexcept {
  if (size_bytes > bulk_in_flight_bytes_) return false;
  bulk_in_flight_bytes_ -= size_bytes;
  return true;
}

bool SendQueue::bulk_ready() const noexcept {
  return !bulk_.empty() &&
         bulk_in_flight_bytes_ + limits::link_bulk_part_bytes <= limits::link_bulk_credit_bytes;
}

void SendQueue::take_bulk_part() {
  ASPEN_ASSERT(size_bytes_ == 0);
  ASPEN_ASSERT(bulk_ready());
  Bulk& front = bulk_.front();
  const std::size_t total = front.item.payload.size();
  const std::size_t part_bytes = std::min(limits::link_bulk_part_bytes, total - front.offset);
  const Bytes part = front.item.payload.slice(front.offset, part_bytes);
  const std::string meta =
      wire::encode(wire::BulkHead{front.item.type, static_cast<std::uint32_t>(total),
                                  static_cast<std::uint32_t>(front.offset)});
  const bool taken = push({wire::FrameType::bulk, front.item.group, meta, part}, Kind::control);
  ASPEN_ASSERT(taken);  // nothing else waits
  front.offset += part_bytes;
  bulk_in_flight_bytes_ += part_bytes;
  ASPEN_ASSERT(bulk_bytes_ >= part_bytes);
  bulk_bytes_ -= part_bytes;
  if (front.offset == total) bulk_.pop_front();
}

Result<std::size_t> SendQueue::flush(Stream& stream) {
  std::size_t taken_total = 0;
  while (!empty()) {
    if (size_bytes_ == 0) take_bulk_part();
    std::array<std::string_view, limits::link_write_parts_max> parts;
    std::size_t count = 0;
    std::size_t offered = 0;
    for (const Segment& segment : segments_) {
      if (count == parts.size()) break;
      std::string_view part = segment.view();
      if (count == 0) part.remove_prefix(front_bytes_taken_);
      parts[count++] = part;
      offered += part.size();
    }
    ASPEN_ASSERT(offered > 0);
    ASPEN_ASSERT(offered <= size_bytes_);
    const Result<std::size_t> taken = stream.write(std::span(parts).first(count));
    if (!taken) return tl::unexpected(taken.error());
    ASPEN_ASSERT(*taken <= offered);
    consume(*taken);
    taken_total += *taken;
    if (*taken < offered) break;
  }
  return taken_total;
}

void SendQueue::consume(std::size_t size_bytes) {
  ASPEN_ASSERT(size_bytes <= size_bytes_);
  size_bytes_ -= size_bytes;
  front_bytes_taken_ += size_bytes;
  while (!segments_.empty() && front_bytes_taken_ >= segments_.front().view().size()) {
    front_bytes_taken_ -= segments_.front().view().size();
    retire(segments_.front());
    segments_.pop_front();
  }
  if (segments_.empty()) ASPEN_ASSERT(front_bytes_taken_ == 0);
}

void SendQueue::retire(Segment& segment) {
  if (segment.text.capacity() < text_bytes || spare_.size() >= spare_max) return;
  segment.text.clear();
  spare_.push_back(std::move(segment.text));
}

}  // namespace aspen::cluster
