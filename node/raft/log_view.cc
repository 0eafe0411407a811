#include "node/raft/log_view.h"

#include <algorithm>
#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"

namespace aspen::raft {

LogView::LogView(LogId purged, std::vector<TermRun> runs, Index last)
    : purged_(purged), last_(last), runs_(std::move(runs)) {
  ASPEN_ASSERT(purged_.index <= last_);
  invariants();
}

LogId LogView::last() const noexcept {
  if (runs_.empty()) return purged_;
  return LogId{runs_.back().term, last_};
}

const TermRun& LogView::run_at(Index index) const noexcept {
  ASPEN_ASSERT(index > purged_.index);
  ASPEN_ASSERT(index <= last_);
  if (runs_.back().from <= index) return runs_.back();
  const auto after =
      std::upper_bound(runs_.begin(), runs_.end(), index,
                       [](Index wanted, const TermRun& run) { return wanted < run.from; });
  ASPEN_ASSERT(after != runs_.begin());
  return *std::prev(after);
}

std::optional<Term> LogView::term_at(Index index) const noexcept {
  if (index == purged_.index) return purged_.term;
  if (index < purged_.index || index > last_) return std::nullopt;
  return run_at(index).term;
}

const Entry& LogView::at(Index index) const noexcept {
  ASPEN_ASSERT(index >= tail_first());
  ASPEN_ASSERT(index <= last_);
  return tail_[distance(tail_first(), index)];
}

void LogView::append(Entry entry) {
  ASPEN_ASSERT(entry.id.index == last_ + 1);
  ASPEN_ASSERT(entry.id.term >= last().term);
  if (runs_.empty() || runs_.back().term < entry.id.term) {
    runs_.push_back({entry.id.index, entry.id.term});
  }
  last_ = entry.id.index;
  tail_bytes_ += entry.size_bytes();
  tail_.push_back(std::move(entry));
}

void LogView::truncate(Index from) noexcept {
  ASPEN_ASSERT(from > purged_.index);
  ASPEN_ASSERT(from <= last_);
  while (!tail_.empty() && tail_.back().id.index >= from) {
    tail_bytes_ -= tail_.back().size_bytes();
    tail_.pop_back();
  }
  while (!runs_.empty() && runs_.back().from >= from) runs_.pop_back();
  last_ = from - 1;
}

void LogView::evict(Index through, std::uint64_t bytes_max) noexcept {
  ASPEN_ASSERT(through <= last_);
  while (tail_bytes_ > bytes_max && !tail_.empty() && tail_.front().id.index <= through) {
    ASPEN_ASSERT(tail_bytes_ >= tail_.front().size_bytes());
    tail_bytes_ -= tail_.front().size_bytes();
    tail_.pop_front();
  }
}

void LogView::purge(Index through) noexcept {
  ASPEN_ASSERT(through >= purged_.index);
  ASPEN_ASSERT(through <= last_);
  if (through == purged_.index) return;
  evict(through, 0);
  purged_ = LogId{run_at(through).term, through};
  auto first = runs_.begin();
  while (std::next(first) != runs_.end() && std::next(first)->from <= through + 1) ++first;
  runs_.erase(runs_.begin(), first);
  runs_.front().from = through + 1;
  if (through == last_) runs_.clear();
}

LogId LogView::hint_for(Index prev) const noexcept {
  if (prev > last_) return last();
  const Index before = run_at(prev).from - 1;
  const std::optional<Term> term = term_at(before);
  ASPEN_ASSERT(before < prev);
  ASPEN_ASSERT(term.has_value());
  return LogId{*term, before};
}

Index LogView::agreement_at_most(LogId hint) const noexcept {
  Index position = std::min(hint.index, last_);
  for (auto run = runs_.rbegin(); run != runs_.rend(); ++run) {
    if (run->from > position) continue;
    if (run->term <= hint.term) break;
    position = run->from - 1;
  }
  ASPEN_ASSERT(position <= hint.index);
  return std::max(position, purged_.index);
}

Index LogView::batch_end(Index lo, std::uint64_t bytes_max, std::uint64_t& bytes) const noexcept {
  ASPEN_ASSERT(lo >= tail_first());
  ASPEN_ASSERT(lo <= last_);
  std::uint64_t sum = at(lo).size_bytes();
  Index hi = lo;
  while (hi < last_ && distance(lo, hi) + 1 < limits::append_entries_max) {
    const std::uint64_t more = at(hi + 1).size_bytes();
    if (sum + more > bytes_max) break;
    sum += more;
    hi = hi + 1;
  }
  bytes += sum;
  return hi;
}

std::vector<Entry> LogView::copy(Index lo, Index hi) const {
  std::vector<Entry> entries;
  if (lo > hi) return entries;
  ASPEN_ASSERT(lo >= tail_first());
  ASPEN_ASSERT(hi <= last_);
  entries.reserve(distance(lo, hi) + 1);
  for (Index index = lo; index <= hi; index = index + 1) entries.push_back(at(index));
  return entries;
}

void LogView::invariants() const noexcept {
  ASPEN_ASSERT(purged_.index <= last_);
  ASPEN_ASSERT(runs_.empty() == (purged_.index == last_));
  ASPEN_ASSERT(tail_.size() <= distance(purged_.index, last_));
  ASPEN_ASSERT(tail_.empty() || tail_.back().id.index == last_);
  ASPEN_ASSERT(tail_.empty() == (tail_bytes_ == 0));
  if (runs_.empty()) return;
  ASPEN_ASSERT(runs_.front().from == purged_.index + 1);
  ASPEN_ASSERT(runs_.front().term >= purged_.term);
  ASPEN_ASSERT(runs_.back().from <= last_);
  for (std::size_t i = 1; i < runs_.size(); ++i) {
    ASPEN_ASSERT(runs_[i - 1].from < runs_[i].from);
    ASPEN_ASSERT(runs_[i - 1].term < runs_[i].term);
  }
}

}  // namespace aspen::raft
