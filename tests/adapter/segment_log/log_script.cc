#include "tests/adapter/segment_log/log_script.h"

#include <algorithm>

#include "node/base/assert.h"
#include "tests/contract/log_store_samples.h"

namespace aspen::adapter::segment_log {

void LogState::apply(const LogBatch& batch) {
  if (batch.reset) {
    base = *batch.reset;
    entries.clear();
  }
  if (batch.truncate_from) entries.resize(distance(base.purged.index, *batch.truncate_from) - 1);
  if (batch.hard_state) hard_state = *batch.hard_state;
  entries.insert(entries.end(), batch.entries.begin(), batch.entries.end());
}

LogBatch LogScript::random_batch() {
  const LogState& now = states_.back();
  LogBatch batch;
  HardState state = now.hard_state;
  Index next = now.last() + 1;
  if (prng_.chance(1, 15)) {
    const Index low = std::max(now.base.purged.index, floor_);
    const LogId point{state.term, low + prng_.below(distance(low, std::max(low, now.last())) + 9)};
    batch.reset = LogReset{std::max(point, now.base.purged), std::nullopt};
    if (prng_.chance(1, 2)) batch.reset->config = contract::make_config(batch.reset->purged, "r");
    floor_ = std::max(floor_, batch.reset->purged.index);
    next = batch.reset->purged.index + 1;
    if (prng_.chance(1, 2)) return batch;
  } else if (prng_.chance(1, 8) && now.last() > floor_) {
    batch.truncate_from = Index(prng_.between(floor_.value + 1, now.last().value));
    next = *batch.truncate_from;
    state = {state.term.value == 0 ? Term(1) : Term(state.term.value + 1), std::nullopt};
    batch.hard_state = state;
  } else if (prng_.chance(1, 5)) {
    const std::uint64_t ahead = prng_.below(2);
    state = contract::make_hard_state(Term(state.term.value + ahead), NodeId(1 + prng_.below(3)));
    batch.hard_state = state;
  }
  if (batch.hard_state && prng_.chance(1, 2)) return batch;
  const std::uint64_t count = prng_.between(1, 4);
  const std::size_t size_bytes = prng_.chance(1, 6) ? prng_.below(2'900) : prng_.below(200);
  batch.entries = contract::make_entries({state.term, next}, next + (count - 1), size_bytes);
  if (prng_.chance(1, 8)) {
    Entry& entry = batch.entries.back();
    entry = contract::make_config(entry.id, "config " + std::to_string(prng_.below(1'000)));
  }
  return batch;
}

bool LogScript::step(SegmentLog& log) {
  ASPEN_ASSERT(states_.size() == 1);
  if (!prng_.chance(1, 6) || states_.front().last() == Index(0)) return append_and_sync(log);
  const Index through(prng_.between(1, states_.front().last().value));
  floor_ = std::max(floor_, through);
  const auto purged = log.purge(through);
  return purged.has_value() || purged.error().code == Code::no_space;
}

bool LogScript::append_and_sync(SegmentLog& log) {
  for (std::uint64_t left = prng_.between(1, 3); left > 0; --left) {
    const LogBatch batch = random_batch();
    states_.push_back(states_.back());
    states_.back().apply(batch);
    const auto appended = log.append(batch);
    if (!appended && appended.error().code == Code::no_space) {
      states_.pop_back();
      ++refused_;
    } else if (!appended) {
      EXPECT_EQ(appended.error().code, Code::io_error);
      return false;
    }
  }
  bool synced = false;
  log.sync([&](Result<void> done) { synced = done.has_value(); });
  if (synced) states_.erase(states_.begin(), states_.end() - 1);
  return synced;
}

bool LogScript::matches(const SegmentLog& log, const LogState& state) const {
  const LogRecovered& found = log.recovered();
  if (found.hard_state != state.hard_state || found.last != state.last()) return false;
  if (found.purged.index > floor_ || found.purged.index > state.last()) return false;
  if (found.purged.index < state.base.purged.index) return false;
  if (found.purged.index == state.base.purged.index && found.purged != state.base.purged) {
    return false;
  }
  std::vector<Entry> configs;
  std::optional<Entry> config_at_purge = state.base.config;
  std::vector<LogTermRun> runs;
  for (const Entry& entry : state.entries) {
    const bool purged = entry.id.index <= found.purged.index;
    if (entry.id.index == found.purged.index && entry.id != found.purged) return false;
    if (entry.kind == EntryKind::config && purged) config_at_purge = entry;
    if (entry.kind == EntryKind::config && !purged) configs.push_back(entry);
    if (!purged && (runs.empty() || runs.back().term != entry.id.term)) {
      runs.push_back({entry.id.index, entry.id.term});
    }
  }
  if (configs != found.config_entries || config_at_purge != found.config_at_purge) return false;
  if (runs != found.runs) return false;
  if (found.purged.index == state.last()) return true;
  const auto entries = log.read(found.purged.index + 1, found.last, UINT64_MAX);
  if (!entries) return false;
  return std::equal(entries->begin(), entries->end(),
                    state.entries.begin() + static_cast<std::ptrdiff_t>(distance(
                                                state.base.purged.index, found.purged.index)),
                    state.entries.end());
}

void LogScript::check_recovered(const SegmentLog& log) {
  const auto found =
      std::ranges::find_if(states_, [&](const LogState& state) { return matches(log, state); });
  ASSERT_NE(found, states_.end()) << "recovered: last " << log.recovered().last.value << ", term "
                                  << log.recovered().hard_state.term.value << ", purged "
                                  << log.recovered().purged.index.value << "; acknowledged: last "
                                  << states_.front().last().value << ", term "
                                  << states_.front().hard_state.term.value << ", then "
                                  << states_.size() - 1 << " batches";
  const LogState state = *found;
  states_.assign(1, state);
}

void LogScript::check_exact(const SegmentLog& log) {
  ASSERT_EQ(states_.size(), 1u);
  check_recovered(log);
}

}  // namespace aspen::adapter::segment_log
