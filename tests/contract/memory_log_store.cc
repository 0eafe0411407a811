#include "tests/contract/memory_log_store.h"

#include "node/base/assert.h"

namespace aspen::contract {

void MemoryLogStore::Log::apply(const LogBatch& batch) {
  if (batch.reset) {
    ASPEN_ASSERT(batch.reset->purged.index >= purged.index && !batch.truncate_from);
    entries.clear();
    purged = batch.reset->purged;
    last = purged.index;
    config_at_purge = batch.reset->config;
  }
  if (batch.truncate_from) {
    ASPEN_ASSERT(*batch.truncate_from > purged.index);
    ASPEN_ASSERT(*batch.truncate_from <= last + 1);
    entries.erase(entries.lower_bound(*batch.truncate_from), entries.end());
    last = *batch.truncate_from - 1;
  }
  if (batch.hard_state) hard_state = *batch.hard_state;
  for (const Entry& entry : batch.entries) {
    ASPEN_ASSERT(entry.id.index == last + 1);
    entries.emplace(entry.id.index, entry);
    last = entry.id.index;
  }
}

Result<void> MemoryLogStore::append(const LogBatch& batch) {
  now_.apply(batch);
  pending_.push_back(batch);
  return {};
}

void MemoryLogStore::sync(std::function<void(Result<void>)> done) {
  durable_ = now_;
  pending_.clear();
  done({});
}

Result<std::vector<Entry>> MemoryLogStore::read(Index lo, Index hi, std::uint64_t bytes_max) const {
  ASPEN_ASSERT(lo <= hi);
  if (lo <= now_.purged.index || hi > now_.last) return fail(Code::not_found, "not in the log");
  std::vector<Entry> entries;
  std::uint64_t bytes = 0;
  for (Index at = lo; at <= hi; at = at + 1) {
    const Entry& entry = now_.entries.at(at);
    bytes += entry.size_bytes();
    if (bytes > bytes_max && !entries.empty()) break;
    entries.push_back(entry);
  }
  return entries;
}

Result<void> MemoryLogStore::purge(Index through) {
  ASPEN_ASSERT(pending_.empty());  // so that no pending batch reaches below the purge point
  ASPEN_ASSERT(through <= now_.last);
  if (through <= now_.purged.index) return {};
  now_.purged = now_.entries.at(through).id;
  while (!now_.entries.empty() && now_.entries.begin()->first <= through) {
    if (now_.entries.begin()->second.kind == EntryKind::config) {
      now_.config_at_purge = now_.entries.begin()->second;
    }
    now_.entries.erase(now_.entries.begin());
  }
  durable_ = now_;
  return {};
}

Index MemoryLogStore::purge_for(std::uint64_t bytes_max) const {
  std::uint64_t bytes = size_bytes();
  Index through = now_.purged.index;
  for (auto at = now_.entries.begin(); at != now_.entries.end() && bytes > bytes_max; ++at) {
    bytes -= at->second.size_bytes();
    through = at->first;
  }
  return through;
}

std::uint64_t MemoryLogStore::size_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& [index, entry] : now_.entries) bytes += entry.size_bytes();
  return bytes;
}

void MemoryLogStore::restart(std::size_t kept) {
  ASPEN_ASSERT(kept <= pending_.size());
  for (std::size_t i = 0; i < kept; ++i) durable_.apply(pending_[i]);
  pending_.clear();
  now_ = durable_;
  recovered_ = summary();
}

LogRecovered MemoryLogStore::summary() const {
  LogRecovered found;
  found.hard_state = now_.hard_state;
  found.purged = now_.purged;
  found.last = now_.last;
  found.config_at_purge = now_.config_at_purge;
  for (const auto& [index, entry] : now_.entries) {
    if (found.runs.empty() || found.runs.back().term != entry.id.term) {
      found.runs.push_back({index, entry.id.term});
    }
    if (entry.kind == EntryKind::config) found.config_entries.push_back(entry);
  }
  return found;
}

}  // namespace aspen::contract
