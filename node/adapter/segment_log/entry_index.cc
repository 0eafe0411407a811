#include "node/adapter/segment_log/entry_index.h"

#include <algorithm>

#include "node/base/assert.h"

namespace aspen::adapter::segment_log {

void EntryIndex::truncate(Index from) {
  ASPEN_ASSERT(from > purged_.index);
  ASPEN_ASSERT(from <= last_ + 1);
  while (!refs_.empty() && refs_.back().first >= from) refs_.pop_back();
  if (!refs_.empty() && refs_.back().last() >= from) {
    refs_.back().count = static_cast<std::uint32_t>(distance(refs_.back().first, from));
    refs_.back().size_bytes = 0;
  }
  while (!runs_.empty() && runs_.back().from >= from) runs_.pop_back();
  while (!configs_.empty() && configs_.back().id.index >= from) configs_.pop_back();
  last_ = from - 1;
  floor_ = std::min(floor_, last_);
}

void EntryIndex::append(std::span<const Entry> entries, RecordPlace place) {
  ASPEN_ASSERT(!entries.empty());
  ASPEN_ASSERT(entries.front().id.index == last_ + 1);
  BatchRef ref{last_ + 1, static_cast<std::uint32_t>(entries.size()), 0, place};
  for (const Entry& entry : entries) {
    ref.size_bytes += static_cast<std::uint32_t>(entry.size_bytes());
    ASPEN_ASSERT(runs_.empty() || runs_.back().term <= entry.id.term);
    if (runs_.empty() || runs_.back().term != entry.id.term) {
      runs_.push_back({entry.id.index, entry.id.term});
    }
    if (entry.kind != EntryKind::config) continue;
    // A copy: a slice would keep a whole record alive as long as the configuration.
    configs_.push_back({entry.id, entry.kind, Bytes(entry.payload.view())});
  }
  refs_.push_back(ref);
  last_ = entries.back().id.index;
}

void EntryIndex::reset(LogReset reset) {
  refs_.clear();
  runs_.clear();
  configs_.clear();
  config_at_purge_ = std::move(reset.config);
  purged_ = reset.purged;
  last_ = reset.purged.index;
  floor_ = reset.purged.index;
}

void EntryIndex::purge(LogId through) {
  ASPEN_ASSERT(through.index >= floor_);
  ASPEN_ASSERT(through.index <= last_);
  while (!refs_.empty() && refs_.front().last() <= through.index) refs_.pop_front();
  const auto beyond = std::ranges::find_if(
      runs_, [&](const LogTermRun& run) { return run.from > through.index + 1; });
  if (beyond != runs_.begin()) {
    const auto first = beyond - 1;
    first->from = std::max(first->from, through.index + 1);
    runs_.erase(runs_.begin(), first);
  }
  if (through.index == last_) runs_.clear();
  const auto kept = std::ranges::find_if(
      configs_, [&](const Entry& entry) { return entry.id.index > through.index; });
  if (kept != configs_.begin()) config_at_purge_ = *(kept - 1);
  configs_.erase(configs_.begin(), kept);
  purged_ = through;
  floor_ = through.index;
}

Term EntryIndex::term_at(Index index) const noexcept {
  if (index == purged_.index) return purged_.term;
  ASPEN_ASSERT(index > floor_);
  ASPEN_ASSERT(index <= last_);
  const auto beyond = std::ranges::upper_bound(runs_, index, {}, &LogTermRun::from);
  ASPEN_ASSERT(beyond != runs_.begin());
  return (beyond - 1)->term;
}

std::optional<std::size_t> EntryIndex::find(Index index) const noexcept {
  if (index <= floor_ || index > last_) return std::nullopt;
  const auto beyond = std::ranges::upper_bound(refs_, index, {}, &BatchRef::first);
  ASPEN_ASSERT(beyond != refs_.begin());
  return static_cast<std::size_t>(beyond - refs_.begin()) - 1;
}

Index EntryIndex::last_in(std::uint64_t generation) const noexcept {
  const auto beyond = std::ranges::upper_bound(
      refs_, generation, {}, [](const BatchRef& ref) { return ref.place.generation; });
  return beyond == refs_.begin() ? floor_ : (beyond - 1)->last();
}

}  // namespace aspen::adapter::segment_log
