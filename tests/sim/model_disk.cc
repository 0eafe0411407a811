#include "tests/sim/model_disk.h"

#include <algorithm>
#include <utility>

#include "node/base/assert.h"
#include "node/base/checksum.h"
#include "node/base/limits.h"
#include "node/base/membership.h"
#include "tests/sim/model_state.h"
#include "tests/sim/slips.h"

namespace aspen::sim {

LogId LogImage::last_id() const noexcept {
  return size() == 0 ? purged_ : slots_.back().entry.id;
}

const Slot* LogImage::at(Index index) const noexcept {
  if (index <= purged_.index || index > last()) return nullptr;
  return &slots_[gone_ + distance(purged_.index, index) - 1];
}

std::optional<std::uint64_t> LogImage::chain_at(Index index) const noexcept {
  if (index == purged_.index) return purged_chain_;
  const Slot* slot = at(index);
  return slot == nullptr ? std::nullopt : std::optional(slot->chain);
}

std::optional<Term> LogImage::term_at(Index index) const noexcept {
  if (index == purged_.index) return purged_.term;
  const Slot* slot = at(index);
  return slot == nullptr ? std::nullopt : std::optional(slot->entry.id.term);
}

void LogImage::truncate(Index from) {
  ASPEN_ASSERT(from > purged_.index);
  if (from > last()) return;
  slots_.resize(gone_ + distance(purged_.index, from) - 1);
  while (!configs_.empty() && configs_.back().id.index >= from) configs_.pop_back();
}

std::vector<Slot> LogImage::tail(Index from) const {
  ASPEN_ASSERT(from > purged_.index);
  if (from > last()) return {};
  const auto first = slots_.begin() + static_cast<std::ptrdiff_t>(gone_);
  return {first + static_cast<std::ptrdiff_t>(distance(purged_.index, from) - 1), slots_.end()};
}

std::uint64_t LogImage::chain_after(const Entry& entry) const noexcept {
  const std::uint64_t before = size() == 0 ? purged_chain_ : slots_.back().chain;
  const std::uint64_t head = entry.id.term.value * 4 + static_cast<std::uint64_t>(entry.kind);
  return fold(fold(before, head), checksum64(entry.payload.view()));
}

void LogImage::append(Slot slot) {
  ASPEN_ASSERT(slot.entry.id.index == last() + 1);
  if (slot.entry.kind == EntryKind::config) {
    auto config = decode_config(slot.entry.payload.view());
    ASPEN_ASSERT(config.has_value());
    configs_.push_back({slot.entry.id, std::move(*config)});
  }
  slots_.push_back(std::move(slot));
}

void LogImage::purge(Index through) {
  ASPEN_ASSERT(through >= purged_.index && through <= last());
  if (through == purged_.index) return;
  const std::size_t at = gone_ + distance(purged_.index, through) - 1;
  purged_ = slots_[at].entry.id;
  purged_chain_ = slots_[at].chain;
  gone_ = at + 1;
  while (configs_.size() > 1 && configs_[1].id.index <= through) configs_.erase(configs_.begin());
  if (gone_ * 2 < slots_.size()) return;
  slots_.erase(slots_.begin(), slots_.begin() + static_cast<std::ptrdiff_t>(gone_));
  gone_ = 0;
}

void LogImage::reset(const raft::SnapshotMeta& meta, std::uint64_t chain) {
  purged_ = meta.id;
  purged_chain_ = chain;
  slots_.clear();
  gone_ = 0;
  configs_.clear();
  if (!meta.config.config.empty()) configs_.push_back(meta.config);
}

raft::BootState LogImage::recover() const {
  raft::BootState boot;
  boot.hard_state = hard_state;
  boot.purged = purged_;
  boot.last = last();
  boot.configs = configs_;
  for (std::size_t i = gone_; i < slots_.size(); ++i) {
    const LogId id = slots_[i].entry.id;
    if (boot.runs.empty() || boot.runs.back().term != id.term) {
      boot.runs.push_back({id.index, id.term});
    }
  }
  return boot;
}

void ModelDisk::format(HardState hard_state, std::vector<Entry> entries) {
  view_.hard_state = hard_state;
  for (Entry& entry : entries) {
    const std::uint64_t chain = view_.chain_after(entry);
    view_.append({std::move(entry), chain});
  }
  durable_ = view_;
}

void ModelDisk::submit(const raft::LogIo& io, std::uint64_t chain_before) {
  Item item{io.id, io.truncate_from, io.hard_state, {}, {}, io.reset, chain_before};
  if (io.reset) view_.reset(*io.reset, chain_before);
  if (io.truncate_from) view_.truncate(*io.truncate_from);
  if (io.hard_state) view_.hard_state = *io.hard_state;
  item.append.reserve(io.append.size());
  for (const Entry& entry : io.append) {
    item.append.push_back({entry, view_.chain_after(entry)});
    view_.append(item.append.back());
  }
  queue_.push_back(std::move(item));
}

void ModelDisk::purge(Index through) {
  if (through <= view_.purged().index) return;
  view_.purge(through);
  queue_.push_back({{}, {}, {}, {}, through, {}, 0});
}

void ModelDisk::adopt(const raft::SnapshotMeta& meta, std::uint64_t chain) {
  ASPEN_ASSERT(queue_.empty());
  durable_.reset(meta, chain);
  view_ = durable_;
}

std::optional<Time> ModelDisk::start(Time now) {
  if (under_way_ > 0 || queue_.empty()) return std::nullopt;
  // A log writer that falls behind merges what waits, whatever it does else.
  const bool behind = queue_.size() > limits::log_io_in_flight_max;
  under_way_ = plan_.merged || behind ? queue_.size() : 1;
  const Time latency = plan_.latency / 2 + dice_.exponential(plan_.latency / 2 + 1);
  return std::max(now, stalled_until_) + latency * factor_ + 1;
}

raft::IoId ModelDisk::finish() {
  raft::IoId last;
  for (; under_way_ > 0; --under_way_) {
    make_durable(queue_.front());
    if (queue_.front().id) last = queue_.front().id;
    queue_.pop_front();
  }
  return last;
}

ModelDisk::Loss ModelDisk::crash() {
  Loss loss{0, queue_.size()};
  if (!queue_.empty()) {
    const std::uint64_t how = dice_.below(4);
    loss.kept = how == 0 ? 0 : how == 1 ? queue_.size() : dice_.below(queue_.size() + 1);
  }
  for (std::size_t i = 0; i < loss.kept; ++i) {
    make_durable(queue_.front());
    queue_.pop_front();
  }
  if (!queue_.empty() && dice_.percent(plan_.torn_percent)) make_part_durable(queue_.front());
  queue_.clear();
  under_way_ = 0;
  view_ = durable_;
  return loss;
}

void ModelDisk::heal() noexcept {
  stalled_until_ = 0;
  factor_ = 1;
  // A disk that is fine works off what piled up at once.
  plan_.merged = true;
}

raft::IoId ModelDisk::newest() const noexcept {
  for (auto item = queue_.rbegin(); item != queue_.rend(); ++item) {
    if (item->id) return item->id;
  }
  return {};
}

void ModelDisk::make_durable(Item& item) {
  std::vector<Slot> survives;
  if (item.reset) durable_.reset(*item.reset, item.chain);
  if (item.truncate_from) {
    const Index behind = *item.truncate_from + item.append.size();
    if (slips(Slip::tail_survives_truncation)) survives = durable_.tail(behind);
    durable_.truncate(*item.truncate_from);
  }
  const bool forgets = slips(Slip::hard_state_after_entries) && !item.append.empty();
  if (item.hard_state && !forgets) durable_.hard_state = *item.hard_state;
  for (Slot& slot : item.append) durable_.append(std::move(slot));
  for (Slot& slot : survives) durable_.append(std::move(slot));
  if (item.purge) durable_.purge(item.purge);
}

void ModelDisk::make_part_durable(Item& item) {
  if (!item.id) return;
  const std::uint64_t parts = dice_.below(item.append.size() + 2);
  if (item.reset) durable_.reset(*item.reset, item.chain);
  if (item.truncate_from) durable_.truncate(*item.truncate_from);
  if (parts == 0) return;
  if (item.hard_state) durable_.hard_state = *item.hard_state;
  for (std::uint64_t i = 0; i + 1 < parts; ++i) durable_.append(std::move(item.append[i]));
}

}  // namespace aspen::sim
