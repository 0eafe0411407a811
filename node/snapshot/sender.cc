#include "node/snapshot/sender.h"

#include <algorithm>
#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"

namespace aspen::snapshot {
namespace {

constexpr std::int64_t piece_bytes = limits::snapshot_chunk_bytes;
constexpr std::int64_t burst_bytes = 2 * piece_bytes;
constexpr std::int64_t second_ns = 1'000'000'000;

std::uint32_t manifest_pieces(const Source& source) noexcept {
  return static_cast<std::uint32_t>((source.manifest.size() + limits::snapshot_chunk_bytes - 1) /
                                    limits::snapshot_chunk_bytes);
}

}  // namespace

Result<void> SnapshotSender::start(Instant now, const PeerId& to, std::uint64_t tag,
                                   const Source& source) {
  ASPEN_ASSERT(source.manifest.size() <= limits::snapshot_manifest_bytes_max);
  ASPEN_ASSERT(source.chunks <= limits::snapshot_chunks_max);
  const bool under_way =
      std::ranges::any_of(transfers_, [&](const Transfer& one) { return one.to == to; });
  if (under_way) return fail(Code::already_exists, "a snapshot is on its way to this peer");
  if (transfers_.size() >= limits::snapshot_transfers_max) {
    return fail(Code::overloaded, "as many snapshots are sent as may be at once");
  }
  Transfer transfer;
  transfer.to = to;
  transfer.tag = tag;
  transfer.source = source;
  transfer.offer = {next_, source.term, source.id, source.digest, source.manifest.size()};
  transfer.offered = now;
  transfer.progress = now;
  next_ = TransferId(next_.value + 1);
  effects_.send.push_back({to, transfer.offer});
  transfers_.push_back(std::move(transfer));
  ASPEN_ASSERT(transfers_.size() <= limits::snapshot_transfers_max);
  return {};
}

SnapshotSender::Transfer* SnapshotSender::find(TransferId transfer, const PeerId& from) noexcept {
  const auto found = std::ranges::find_if(transfers_, [&](const Transfer& one) {
    return one.offer.transfer == transfer && one.to == from;
  });
  return found == transfers_.end() ? nullptr : &*found;
}

std::optional<PeerId> SnapshotSender::peer_of(TransferId transfer) const noexcept {
  const auto found = std::ranges::find_if(
      transfers_, [&](const Transfer& one) { return one.offer.transfer == transfer; });
  if (found == transfers_.end()) return std::nullopt;
  return found->to;
}

void SnapshotSender::receive(Instant now, const PeerId& from, const Message& message) {
  if (const auto* wanted = std::get_if<Want>(&message)) {
    if (Transfer* transfer = find(wanted->transfer, from)) want(now, *transfer, *wanted);
  } else if (const auto* verdict = std::get_if<Verdict>(&message)) {
    if (find(verdict->transfer, from) != nullptr) drop(verdict->transfer, verdict->outcome);
  }
  serve(now);
}

void SnapshotSender::want(Instant now, Transfer& transfer, const Want& wanted) {
  transfer.taken_up = true;
  transfer.progress = now;
  const std::uint32_t count =
      wanted.part == Part::manifest ? manifest_pieces(transfer.source) : transfer.source.chunks;
  for (const std::uint32_t number : wanted.numbers) {
    const Wanted one{wanted.part, number};
    // What is asked again is on its way, or was lost on it.
    const bool queued = std::ranges::find(transfer.wanted, one) != transfer.wanted.end();
    if (number >= count || queued) continue;
    if (transfer.wanted.size() >= limits::snapshot_window_chunks) break;
    transfer.wanted.push_back(one);
  }
  ASPEN_ASSERT(transfer.wanted.size() <= limits::snapshot_window_chunks);
}

void SnapshotSender::refill(Instant now) noexcept {
  ASPEN_ASSERT(now >= refilled_);
  const auto rate = static_cast<std::int64_t>(options_.bytes_per_second);
  // So long a time fills it from any debt.
  const Duration elapsed = std::min<Duration>(now - refilled_, std::chrono::seconds(3600));
  if (rate == 0) {
    budget_bytes_ = burst_bytes;
    refilled_ = now;
    return;
  }
  const std::int64_t gained = static_cast<std::int64_t>(static_cast<double>(elapsed.count()) *
                                                        static_cast<double>(rate) / second_ns);
  // A moment that gains less than a byte must not be lost.
  if (gained == 0) return;
  budget_bytes_ = std::min(budget_bytes_ + gained, burst_bytes);
  refilled_ = now;
  ASPEN_ASSERT(budget_bytes_ <= burst_bytes);
}

void SnapshotSender::serve(Instant now) {
  refill(now);
  std::size_t idle = 0;
  while (idle < transfers_.size() && (budget_bytes_ > 0 || options_.bytes_per_second == 0)) {
    turn_ = (turn_ + 1) % transfers_.size();
    Transfer& transfer = transfers_[turn_];
    // The driver's reads are content in memory: no more than the window of them.
    const bool ready =
        !transfer.wanted.empty() && transfer.reading.size() < limits::snapshot_window_chunks;
    if (!ready) {
      ++idle;
      continue;
    }
    idle = 0;
    serve_one(transfer);
  }
  ASPEN_ASSERT(effects_.reads.size() <=
               limits::snapshot_transfers_max * limits::snapshot_window_chunks);
}

void SnapshotSender::serve_one(Transfer& transfer) {
  const Wanted one = transfer.wanted.front();
  transfer.wanted.pop_front();
  if (one.part == Part::content) {
    const bool under_way =
        std::ranges::find(transfer.reading, one.number) != transfer.reading.end();
    if (under_way) return;
    budget_bytes_ -= piece_bytes;
    transfer.reading.push_back(one.number);
    effects_.reads.push_back({transfer.offer.transfer, one.number});
    return;
  }
  const Bytes& manifest = transfer.source.manifest;
  const std::size_t offset = std::size_t{one.number} * limits::snapshot_chunk_bytes;
  ASPEN_ASSERT(offset < manifest.size());
  const std::size_t size = std::min(limits::snapshot_chunk_bytes, manifest.size() - offset);
  ASPEN_ASSERT(size > 0);
  budget_bytes_ -= static_cast<std::int64_t>(size);
  effects_.send.push_back({transfer.to, Piece{transfer.offer.transfer, Part::manifest, one.number,
                                              manifest.slice(offset, size)}});
}

void SnapshotSender::chunk_read(Instant now, const ReadChunk& read, const Result<Bytes>& content) {
  const auto found = std::ranges::find_if(
      transfers_, [&](const Transfer& one) { return one.offer.transfer == read.transfer; });
  // The transfer may have ended while the chunk was read.
  if (found == transfers_.end()) return;
  ASPEN_ASSERT(std::erase(found->reading, read.number) == 1);
  if (!content) {
    effects_.send.push_back({found->to, Withdrawn{read.transfer}});
    return drop(read.transfer, Outcome::failed);
  }
  ASPEN_ASSERT(content->size() <= limits::snapshot_chunk_bytes);
  effects_.send.push_back({found->to, Piece{read.transfer, Part::content, read.number, *content}});
  serve(now);
}

void SnapshotSender::cancel(const PeerId& to) {
  const auto found =
      std::ranges::find_if(transfers_, [&](const Transfer& one) { return one.to == to; });
  if (found == transfers_.end()) return;
  const TransferId transfer = found->offer.transfer;
  effects_.send.push_back({to, Withdrawn{transfer}});
  drop(transfer, Outcome::failed);
}

void SnapshotSender::drop(TransferId transfer, Outcome outcome) {
  const auto found = std::ranges::find_if(
      transfers_, [&](const Transfer& one) { return one.offer.transfer == transfer; });
  ASPEN_ASSERT(found != transfers_.end());
  effects_.ended.push_back({found->to, found->tag, found->source.id, outcome});
  std::erase_if(effects_.reads, [&](const ReadChunk& read) { return read.transfer == transfer; });
  transfers_.erase(found);
  turn_ = 0;
}

void SnapshotSender::tick(Instant now) {
  for (std::size_t i = transfers_.size(); i > 0; --i) {
    Transfer& transfer = transfers_[i - 1];
    ASPEN_ASSERT(transfer.progress <= now);
    if (now - transfer.progress >= options_.progress_timeout) {
      effects_.send.push_back({transfer.to, Withdrawn{transfer.offer.transfer}});
      drop(transfer.offer.transfer, Outcome::failed);
      continue;
    }
    // An offer may be lost, and so may its receiver's memory of it.
    if (now - transfer.offered < options_.offer_interval) continue;
    if (transfer.taken_up && now - transfer.progress < options_.offer_interval) continue;
    transfer.offered = now;
    effects_.send.push_back({transfer.to, transfer.offer});
  }
  serve(now);
  ASPEN_ASSERT(transfers_.size() <= limits::snapshot_transfers_max);
}

SenderEffects SnapshotSender::take() noexcept {
  return std::exchange(effects_, {});
}

Instant SnapshotSender::next_deadline() const noexcept {
  Instant at = Instant::never();
  bool waits = false;
  for (const Transfer& one : transfers_) {
    at = std::min(at, one.progress + options_.progress_timeout);
    const Instant again = one.taken_up ? std::max(one.offered, one.progress) : one.offered;
    at = std::min(at, again + options_.offer_interval);
    waits = waits || (!one.wanted.empty() && one.reading.size() < limits::snapshot_window_chunks);
  }
  ASPEN_ASSERT(transfers_.empty() || at != Instant::never());
  if (!waits || budget_bytes_ > 0 || options_.bytes_per_second == 0) return at;
  const double seconds =
      static_cast<double>(1 - budget_bytes_) / static_cast<double>(options_.bytes_per_second);
  ASPEN_ASSERT(seconds > 0);
  return std::min(at, refilled_ + Duration(static_cast<std::int64_t>(seconds * second_ns) + 1));
}

}  // namespace aspen::snapshot
