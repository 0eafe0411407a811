#include "node/cluster/link.h"

#include <array>
#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"

namespace aspen::cluster {

namespace {

constexpr Duration farewell_time = std::chrono::milliseconds(500);

std::uint64_t to_us(Instant at) {
  return static_cast<std::uint64_t>(at.ns) / 1000;
}

}  // namespace

void LinkFigures::add(const LinkFigures& other) noexcept {
  frames_in += other.frames_in;
  frames_out += other.frames_out;
  bytes_in += other.bytes_in;
  bytes_out += other.bytes_out;
  casts_refused += other.casts_refused;
  if (other.round_trip.has_value()) round_trip = other.round_trip;
}

Link::Link(Start start, LinkOwner& owner)
    : number_(start.number),
      stream_(std::move(start.stream)),
      owner_(owner),
      handshake_(std::move(start.handshake)),
      last_heard_(start.now),
      last_whole_(start.now),
      last_taken_(start.now),
      next_beat_(start.now) {
  ASPEN_ASSERT(number_ > 0);
  if (handshake_.role() == LinkRole::dialler) {
    std::string out;
    handshake_.start(out);
    queue_.push_encoded(out);
  }
  stream_->set_sink(this);
}

const PeerId& Link::peer() const noexcept {
  ASPEN_ASSERT(handshake_.phase() == Handshake::Phase::proven);
  return handshake_.peer()->self;
}

bool Link::take_frames() {
  wire::Frame frame;
  for (;;) {
    const FrameReader::Next next = reader_.next(frame);
    if (next == FrameReader::Next::none) return true;
    if (next == FrameReader::Next::failed) {
      error_ = reader_.error();
      malformed_ = true;
      return false;
    }
    ++figures_.frames_in;
    owner_.on_frame(*this, frame);
    if (phase_ == Phase::gone) return true;
  }
}

Link::Read Link::read(Instant now) {
  ASPEN_ASSERT(phase_ != Phase::gone);
  if (malformed_) return discard();
  for (std::size_t i = 0; i < limits::link_reads_per_turn_max; ++i) {
    const Result<FrameReader::Filled> filled = reader_.fill(*stream_);
    if (!filled) {
      error_ = filled.error();
      return Read::failed;
    }
    if (filled->bytes > 0) last_heard_ = now;
    figures_.bytes_in += filled->bytes;
    const std::uint64_t frames_before = figures_.frames_in;
    if (!take_frames()) return Read::failed;
    if (!reader_.amid_frame() || figures_.frames_in > frames_before) last_whole_ = now;
    if (phase_ == Phase::gone) return Read::over;
    if (filled->drained) return Read::drained;
  }
  return Read::more;
}

// Behind nonsense there are no frames; reading on lets the other side read why it was refused.
Link::Read Link::discard() {
  ASPEN_ASSERT(malformed_);
  std::array<char, 4096> space;
  for (std::size_t i = 0; i < limits::link_reads_per_turn_max; ++i) {
    const Result<std::size_t> bytes = stream_->read(space);
    if (!bytes) {
      error_ = bytes.error();
      return Read::failed;
    }
    figures_.bytes_in += *bytes;
    if (*bytes < space.size()) return Read::drained;
  }
  return Read::more;
}

bool Link::send(const SendQueue::Item& item, SendQueue::Kind kind) {
  ASPEN_ASSERT(phase_ != Phase::gone);
  if (!queue_.push(item, kind)) {
    if (kind == SendQueue::Kind::cast) ++figures_.casts_refused;
    return false;
  }
  ++figures_.frames_out;
  return true;
}

bool Link::send_bulk(SendQueue::BulkItem item) {
  ASPEN_ASSERT(phase_ == Phase::ready);
  return queue_.push_bulk(std::move(item));
}

bool Link::credit(const wire::BulkCredit& credit) noexcept {
  return queue_.credit(credit.bytes);
}

void Link::send_encoded(std::string_view frames) {
  ASPEN_ASSERT(phase_ != Phase::gone);
  queue_.push_encoded(frames);
}

bool Link::flush(Instant now) {
  ASPEN_ASSERT(phase_ != Phase::gone);
  const bool was_idle = queue_.empty();
  const Result<std::size_t> taken = queue_.flush(*stream_);
  if (!taken) {
    error_ = taken.error();
    return false;
  }
  if (*taken > 0 || was_idle) last_taken_ = now;
  figures_.bytes_out += *taken;
  blocked_ = !queue_.empty();
  return true;
}

void Link::set_proven() noexcept {
  ASPEN_ASSERT(phase_ == Phase::greeting);
  ASPEN_ASSERT(handshake_.phase() == Handshake::Phase::proven);
  phase_ = Phase::proven;
  reader_.set_body_max(wire::frame_bytes_max - wire::frame_header_bytes);
}

void Link::set_ready(Instant now) noexcept {
  ASPEN_ASSERT(phase_ == Phase::proven);
  ASPEN_ASSERT(use() == wire::LinkUse::member);
  phase_ = Phase::ready;
  deadline_ = Instant::never();
  next_beat_ = now;
}

void Link::set_serving() noexcept {
  ASPEN_ASSERT(phase_ == Phase::proven);
  ASPEN_ASSERT(use() == wire::LinkUse::request);
  phase_ = Phase::serving;
}

void Link::close(const Farewell& farewell, Instant now) {
  ASPEN_ASSERT(phase_ != Phase::gone);
  if (phase_ == Phase::closing) return;
  queue_.drop_bulk();
  if (farewell.error != wire::LinkError::none) {
    std::string out;
    append_error_frame(farewell.error, farewell.detail, farewell.self, out);
    queue_.push_encoded(out);
  }
  phase_ = Phase::closing;
  deadline_ = now + farewell_time;
}

void Link::end() noexcept {
  stream_.reset();
  phase_ = Phase::gone;
}

void Link::beat(Instant now, const LinkTiming& timing) {
  ASPEN_ASSERT(phase_ == Phase::ready);
  if (now < next_beat_) return;
  next_beat_ = now + timing.heartbeat_interval;
  const std::string meta = encode(wire::Heartbeat{to_us(now)});
  // A queue without room for a heartbeat is itself watched by silent().
  ASPEN_MAYBE(send({wire::FrameType::ping, GroupId(), meta, Bytes()}, SendQueue::Kind::control));
}

std::optional<Duration> Link::on_pong(const wire::Heartbeat& heartbeat, Instant now) noexcept {
  const std::uint64_t now_us = to_us(now);
  // Foreign bytes: what is not an echo of ours is ignored.
  if (heartbeat.time_us > now_us) return std::nullopt;
  figures_.round_trip = std::chrono::microseconds(now_us - heartbeat.time_us);
  return figures_.round_trip;
}

bool Link::silent(Instant now, const LinkTiming& timing) const noexcept {
  if (now - last_heard_ >= timing.silence_max) return true;
  if (reader_.amid_frame() && now - last_whole_ >= timing.frame_max) return true;
  return !queue_.empty() && now - last_taken_ >= timing.silence_max;
}

void Link::excuse(Duration away) noexcept {
  ASPEN_ASSERT(away >= Duration::zero());
  last_heard_ += away;
  last_whole_ += away;
  last_taken_ += away;
  if (deadline_ != Instant::never()) deadline_ += away;
}

}  // namespace aspen::cluster
