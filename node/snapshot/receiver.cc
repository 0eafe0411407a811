#include "node/snapshot/receiver.h"

#include <algorithm>
#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"

namespace aspen::snapshot {
namespace {

// How often what was checked and found damaged is asked for again.
constexpr std::uint32_t repairs_max = 2;

}  // namespace

std::uint32_t SnapshotReceiver::pieces() const noexcept {
  if (phase_ == Phase::content) return static_cast<std::uint32_t>(there_.size());
  return static_cast<std::uint32_t>((offer_.manifest_bytes + limits::snapshot_chunk_bytes - 1) /
                                    limits::snapshot_chunk_bytes);
}

bool SnapshotReceiver::stale(Instant now) const noexcept {
  return now - progress_at_ >= options_.progress_timeout;
}

bool SnapshotReceiver::fits(const Manifest& manifest) const noexcept {
  return manifest.cluster == options_.cluster && manifest.id == offer_.id;
}

void SnapshotReceiver::receive(Instant now, const PeerId& from, const Message& message) {
  if (const auto* offer = std::get_if<Offer>(&message)) return on_offer(now, from, *offer);
  if (phase_ == Phase::idle || from != from_) return;
  if (const auto* piece = std::get_if<Piece>(&message)) return on_piece(now, *piece);
  const auto* withdrawn = std::get_if<Withdrawn>(&message);
  if (withdrawn == nullptr || withdrawn->transfer != offer_.transfer) return;
  // What is complete needs no sender any more, and work under way is still to be answered.
  if (phase_ == Phase::manifest || phase_ == Phase::content) give_up(Outcome::failed);
}

void SnapshotReceiver::on_offer(Instant now, const PeerId& from, const Offer& offer) {
  const auto answer = [&](Outcome outcome) {
    effects_.send.push_back({from, Verdict{offer.transfer, outcome}});
  };
  if (offer.id.index <= applied_) return answer(Outcome::installed);
  if (offer.manifest_bytes == 0 || offer.manifest_bytes > limits::snapshot_manifest_bytes_max) {
    return answer(Outcome::failed);
  }
  if (phase_ == Phase::idle) {
    return writing_.empty() ? begin(now, from, offer) : answer(Outcome::busy);
  }
  if (offer.digest == offer_.digest) {
    if (offer.term < offer_.term) return answer(Outcome::busy);
    if (offer.manifest_bytes != offer_.manifest_bytes || offer.id != offer_.id) {
      return answer(Outcome::failed);
    }
    // The same snapshot, from a new leader or in a new transfer: it goes on.
    const bool again = offer.transfer == offer_.transfer && from == from_;
    from_ = from;
    offer_ = offer;
    if (again && !asked_.empty()) return;
    asked_.clear();
    next_ask_ = 0;
    ASPEN_ASSERT(phase_ != Phase::idle);
    return ask(now);
  }
  const bool replaces = offer.term > offer_.term || from == from_ || stale(now);
  // Work of the driver is under way in these phases, and its answer is still to come.
  const bool interruptible = phase_ == Phase::manifest || phase_ == Phase::content;
  if (!replaces || !interruptible || !writing_.empty()) return answer(Outcome::busy);
  ASPEN_ASSERT(manifest_ == nullptr || phase_ == Phase::content);
  begin(now, from, offer);
}

void SnapshotReceiver::begin(Instant now, const PeerId& from, const Offer& offer) {
  ASPEN_ASSERT(writing_.empty());
  ASPEN_ASSERT(offer.manifest_bytes > 0);
  from_ = from;
  offer_ = offer;
  phase_ = Phase::opening;
  progress_at_ = now;
  asked_.clear();
  manifest_parts_.clear();
  manifest_.reset();
  chunks_.reset();
  there_.clear();
  missing_ = 0;
  next_ask_ = 0;
  repairs_ = 0;
  effects_.work.push_back(OpenPart{offer.digest});
}

void SnapshotReceiver::opened(Instant now, Result<PartContent> content) {
  ASPEN_ASSERT(phase_ == Phase::opening);
  if (!content) return give_up(Outcome::failed);
  progress_at_ = now;
  asked_.clear();
  next_ask_ = 0;
  if (content->manifest == nullptr) {
    phase_ = Phase::manifest;
    return ask(now);
  }
  if (!fits(*content->manifest)) return give_up(Outcome::failed);
  manifest_ = std::move(content->manifest);
  chunks_ = std::make_unique<ChunkMap>(*manifest_);
  there_ = std::move(content->there);
  ASPEN_ASSERT(there_.size() == chunks_->size());
  missing_ = static_cast<std::uint64_t>(std::ranges::count(there_, false));
  phase_ = Phase::content;
  ask(now);
  finish_maybe();
}

// ---- asking

void SnapshotReceiver::ask(Instant now) {
  if (phase_ != Phase::manifest && phase_ != Phase::content) return;
  const bool content = phase_ == Phase::content;
  Want want{offer_.transfer, content ? Part::content : Part::manifest, {}};
  const auto has = [&](std::uint32_t number) {
    if (!content) return manifest_parts_.contains(number);
    return there_[number] || std::ranges::find(writing_, number) != writing_.end();
  };
  for (; next_ask_ < pieces(); ++next_ask_) {
    if (asked_.size() + writing_.size() >= limits::snapshot_window_chunks) break;
    if (has(next_ask_)) continue;
    asked_.emplace(next_ask_, now);
    want.numbers.push_back(next_ask_);
  }
  ASPEN_ASSERT(asked_.size() + writing_.size() <= limits::snapshot_window_chunks);
  if (want.numbers.empty()) return;
  ASPEN_ASSERT(want.numbers.size() <= limits::snapshot_window_chunks);
  effects_.send.push_back({from_, std::move(want)});
}

void SnapshotReceiver::on_piece(Instant now, const Piece& piece) {
  if (piece.transfer != offer_.transfer || !asked_.contains(piece.number)) return;
  if (piece.part == Part::manifest && phase_ == Phase::manifest) {
    on_manifest_piece(now, piece);
  } else if (piece.part == Part::content && phase_ == Phase::content) {
    on_chunk(now, piece);
  }
}

void SnapshotReceiver::on_manifest_piece(Instant now, const Piece& piece) {
  const std::uint64_t offset = std::uint64_t{piece.number} * limits::snapshot_chunk_bytes;
  ASPEN_ASSERT(offset < offer_.manifest_bytes);
  const std::uint64_t expected =
      std::min<std::uint64_t>(limits::snapshot_chunk_bytes, offer_.manifest_bytes - offset);
  if (piece.content.size() != expected) return give_up(Outcome::failed);
  asked_.erase(piece.number);
  manifest_parts_.emplace(piece.number, piece.content);
  progress_at_ = now;
  if (manifest_parts_.size() == pieces()) return take_manifest();
  ask(now);
}

void SnapshotReceiver::take_manifest() {
  ASPEN_ASSERT(asked_.empty());
  std::string text;
  for (const auto& [number, part] : manifest_parts_) text += part.view();
  manifest_parts_.clear();
  ASPEN_ASSERT(text.size() == offer_.manifest_bytes);
  if (sha256(text) != offer_.digest) return give_up(Outcome::failed);
  const auto manifest = decode_manifest(text);
  if (!manifest || !fits(*manifest)) return give_up(Outcome::failed);
  phase_ = Phase::opening;
  effects_.work.push_back(KeepManifest{offer_.digest, std::move(text)});
}

void SnapshotReceiver::on_chunk(Instant now, const Piece& piece) {
  ASPEN_ASSERT(piece.number < there_.size());
  ASPEN_ASSERT(!there_[piece.number]);
  const ChunkPlace place = chunks_->at(piece.number);
  // The sender's file is not what its manifest says: another sender may have a sound one.
  if (piece.content.size() != place.size_bytes ||
      hash_content(piece.content.view()) != place.hash) {
    return give_up(Outcome::failed);
  }
  asked_.erase(piece.number);
  writing_.push_back(piece.number);
  progress_at_ = now;
  effects_.work.push_back(WriteChunk{piece.number, piece.content});
}

void SnapshotReceiver::written(Instant now, std::uint32_t number, const Result<void>& done) {
  ASPEN_ASSERT(std::erase(writing_, number) == 1);
  // The transfer may have been given up meanwhile.
  if (phase_ != Phase::content) return;
  if (!done) return give_up(Outcome::failed);
  ASPEN_ASSERT(number < there_.size() && !there_[number]);
  there_[number] = true;
  --missing_;
  progress_at_ = now;
  ask(now);
  finish_maybe();
}

// ---- the end

void SnapshotReceiver::finish_maybe() {
  if (phase_ != Phase::content || missing_ > 0) return;
  ASPEN_ASSERT(asked_.empty());
  ASPEN_ASSERT(writing_.empty());
  phase_ = Phase::finishing;
  effects_.work.push_back(FinishPart{offer_.digest});
}

void SnapshotReceiver::finished(Instant now, const Result<void>& done) {
  ASPEN_ASSERT(phase_ == Phase::finishing);
  progress_at_ = now;
  if (done) {
    phase_ = Phase::installing;
    effects_.work.push_back(InstallPart{offer_.digest});
    return;
  }
  if (done.error().code != Code::corrupt || repairs_ >= repairs_max) {
    return give_up(Outcome::failed);
  }
  ++repairs_;
  phase_ = Phase::opening;
  effects_.work.push_back(OpenPart{offer_.digest});
  ASPEN_ASSERT(repairs_ <= repairs_max);
}

void SnapshotReceiver::installed(const Result<void>& done) {
  ASPEN_ASSERT(phase_ == Phase::installing);
  if (done) applied_ = std::max(applied_, offer_.id.index);
  give_up(done ? Outcome::installed : Outcome::failed);
}

void SnapshotReceiver::give_up(Outcome outcome) {
  ASPEN_ASSERT(phase_ != Phase::idle);
  effects_.send.push_back({from_, Verdict{offer_.transfer, outcome}});
  phase_ = Phase::idle;
  asked_.clear();
  manifest_parts_.clear();
  manifest_.reset();
  chunks_.reset();
  there_.clear();
  missing_ = 0;
}

Instant SnapshotReceiver::late_at(Instant asked) const noexcept {
  return std::max(asked, progress_at_) + options_.request_timeout;
}

void SnapshotReceiver::linked(Instant now, const PeerId& peer) {
  if (phase_ == Phase::idle || peer != from_) return;
  asked_.clear();
  next_ask_ = 0;
  ASPEN_ASSERT(offer_.manifest_bytes > 0);
  ask(now);
}

void SnapshotReceiver::tick(Instant now) {
  if (phase_ != Phase::manifest && phase_ != Phase::content) return;
  // What the driver writes will still be answered.
  if (stale(now) && writing_.empty()) return give_up(Outcome::failed);
  std::vector<std::uint32_t> late;
  for (auto& [number, at] : asked_) {
    ASPEN_ASSERT(at <= now);
    if (now < late_at(at)) continue;
    at = now;
    late.push_back(number);
  }
  ASPEN_ASSERT(late.size() <= limits::snapshot_window_chunks);
  if (late.empty()) return;
  const Part part = phase_ == Phase::content ? Part::content : Part::manifest;
  effects_.send.push_back({from_, Want{offer_.transfer, part, std::move(late)}});
}

ReceiverEffects SnapshotReceiver::take() noexcept {
  return std::exchange(effects_, {});
}

Instant SnapshotReceiver::next_deadline() const noexcept {
  if (phase_ != Phase::manifest && phase_ != Phase::content) return Instant::never();
  Instant at = progress_at_ + options_.progress_timeout;
  for (const auto& [number, asked] : asked_) at = std::min(at, late_at(asked));
  ASPEN_ASSERT(at != Instant::never());
  return at;
}

ReceiverProgress SnapshotReceiver::progress() const noexcept {
  if (phase_ == Phase::idle) return {};
  return {true, offer_.id, there_.size(), there_.size() - missing_};
}

}  // namespace aspen::snapshot
