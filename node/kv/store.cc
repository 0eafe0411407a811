#include "node/kv/store.h"

#include <algorithm>
#include <string>
#include <utility>

#include "node/base/assert.h"
#include "node/base/bytes.h"
#include "node/base/limits.h"
#include "node/kv/layout.h"
#include "node/kv/read_state.h"
#include "node/kv/writer.h"

namespace aspen::kv {
namespace {

// What a put's rows cost beside key (three times) and value.
constexpr std::size_t put_overhead_bytes = 128;

std::string encode(const AppliedConfig& config) {
  ASPEN_ASSERT(config.id.index.value > 0);
  aspen::Writer out;
  out.varint(config.id.term.value).varint(config.id.index.value).raw(config.payload.view());
  return out.take();
}

Result<AppliedConfig> decode_config_row(std::string_view text) {
  Reader in(text);
  AppliedConfig config;
  config.id.term = Term(in.varint());
  config.id.index = Index(in.varint());
  if (!in.ok()) return fail(Code::corrupt, "state store: malformed configuration row");
  config.payload = Bytes(in.rest());
  ASPEN_ASSERT(config.payload.size() <= text.size());
  return config;
}

std::size_t batch_bytes_expected(std::span<const Entry> entries) {
  std::size_t bytes = 0;
  for (const Entry& entry : entries) bytes += entry.payload.size() + put_overhead_bytes;
  ASPEN_ASSERT(bytes >= entries.size());
  return std::min(bytes, limits::apply_batch_bytes_max);
}

}  // namespace

Result<std::optional<AppliedConfig>> read_config(const StateView& view) {
  const auto row = view.get(layout::config_row);
  if (!row) return tl::unexpected(row.error());
  if (!*row) return std::optional<AppliedConfig>();
  auto config = decode_config_row(**row);
  if (!config) return tl::unexpected(config.error());
  ASPEN_ASSERT(config->id.index.value > 0);
  return std::optional<AppliedConfig>(std::move(*config));
}

Result<void> replace_config(StateStore& state, const AppliedConfig& config) {
  StateBatch batch;
  batch.put(layout::config_row, encode(config));
  return state.write(batch);
}

Result<Store> Store::open(StateStore& state) {
  Store store(state);
  const auto read = read_state(state);
  if (!read) return tl::unexpected(read.error());
  store.state_ = *read;
  auto config = read_config(state);
  if (!config) return tl::unexpected(config.error());
  store.config_ = std::move(*config);
  ASPEN_ASSERT(store.state_.cleaned_revision <= store.state_.compact_revision);
  ASPEN_ASSERT(store.state_.compact_revision <= store.state_.revision);
  return store;
}

Result<Applied> Store::apply(std::span<const Entry> entries) {
  ASPEN_ASSERT(!entries.empty());
  ASPEN_ASSERT(entries.front().id.index == state_.applied.index + 1);
  ASPEN_ASSERT(entries.front().id.term >= state_.applied.term);
  Writer writer(*store_, state_, known_);
  writer.batch().reserve(batch_bytes_expected(entries));
  Applied applied;
  std::optional<AppliedConfig> config;
  for (const Entry& entry : entries) {
    const bool full = writer.memory_bytes() >= limits::apply_batch_bytes_max ||
                      writer.response_bytes() >= limits::apply_batch_responses_bytes_max;
    if (full) break;
    if (entry.kind == EntryKind::config) config = AppliedConfig{entry.id, entry.payload};
    if (entry.kind == EntryKind::command) {
      const auto executed = apply_command(writer, entry, applied);
      if (!executed) return tl::unexpected(executed.error());
      if (*executed == Step::needs_own_batch) break;
    }
    ASPEN_ASSERT(entry.id.index == writer.state().applied.index + 1);
    writer.state().applied = entry.id;
    ++applied.entries;
  }
  ASPEN_ASSERT(applied.entries > 0);
  if (config) writer.batch().put(layout::config_row, encode(*config));
  writer.finish();
  if (const auto written = store_->write(writer.batch()); !written) {
    return tl::unexpected(written.error());
  }
  state_ = writer.state();
  for (const auto& [key, pending] : writer.overlay().entries()) {
    known_.set(key, pending.live, pending.meta);
  }
  if (config) config_ = std::move(config);
  return applied;
}

Result<Store::Step> Store::apply_command(Writer& writer, const Entry& entry, Applied& applied) {
  auto command = decode_command(entry.payload);
  if (!command) return tl::unexpected(command.error());
  if (writer.must_start_a_batch(command->request)) {
    ASPEN_ASSERT(applied.entries > 0);
    return Step::needs_own_batch;
  }
  auto response = writer.execute(command->request);
  if (!response && durability_failure(response.error().code)) {
    return tl::unexpected(response.error());
  }
  ASPEN_ASSERT(applied.results.size() <= applied.entries);
  applied.results.push_back({entry.id, command->header.origin, std::move(response)});
  return Step::done;
}

Result<LogId> Store::applied_durable() const {
  const auto text = store_->get_durable(layout::state_row);
  if (!text) return tl::unexpected(text.error());
  if (!*text) return LogId{};
  const auto state = parse_state(**text);
  if (!state) return tl::unexpected(state.error());
  ASPEN_ASSERT(state->applied.index <= state_.applied.index);
  ASPEN_ASSERT(state->revision <= state_.revision);
  return state->applied;
}

Result<Snapshot> Store::snapshot() const {
  return Snapshot::open(store_->snapshot());
}

// ---- physical deletion

bool Store::clean_pending() const noexcept {
  return state_.cleaned_revision < state_.compact_revision;
}

Revision Store::cleaned() const noexcept {
  return state_.cleaned_revision;
}

Result<void> Store::clean(std::size_t rows_max) {
  ASPEN_ASSERT(rows_max > 0);
  ASPEN_ASSERT(rows_max <= limits::clean_rows_max);
  if (!clean_pending()) return {};
  State next = state_;
  StateBatch batch;
  if (const auto walked = clean_rows(rows_max, batch, next); !walked) return walked;
  ASPEN_ASSERT(next.cleaned_revision >= state_.cleaned_revision);
  batch.put(layout::state_row, layout::encode(next));
  if (const auto written = store_->write(batch); !written) return written;
  state_ = next;
  return {};
}

Result<void> Store::clean_rows(std::size_t rows_max, StateBatch& batch, State& next) const {
  const Revision floor = state_.compact_revision;
  const layout::RowRange range =
      layout::change_rows({state_.clean_next_revision, state_.clean_next_sub});
  const auto rows = store_->iterator(range.lower, range.upper);
  rows->seek(range.lower);
  for (std::size_t count = 0; rows->valid(); rows->next(), ++count) {
    const auto id = layout::id_of_change_row(rows->key());
    if (!id) return tl::unexpected(id.error());
    if (id->revision > floor) break;
    if (count == rows_max || batch.size_bytes() >= limits::apply_batch_bytes_max) {
      next.clean_next_revision = id->revision;
      next.clean_next_sub = id->sub;
      next.cleaned_revision = std::max(next.cleaned_revision, id->revision - 1);
      ASPEN_ASSERT(next.cleaned_revision < floor);
      return {};
    }
    const auto cleaned = clean_row(batch, *id, *rows);
    if (!cleaned) return cleaned;
  }
  if (const auto sound = rows->status(); !sound) return sound;
  // Rows at the floor stay, for a watch that starts there: the next floor begins with them.
  next.clean_next_revision = std::max<Revision>(floor, 0);
  next.clean_next_sub = 0;
  next.cleaned_revision = floor;
  ASPEN_ASSERT(next.clean_next_revision >= state_.clean_next_revision);
  return {};
}

Result<void> Store::clean_row(StateBatch& batch, const layout::ChangeId& id,
                              const StateIterator& rows) const {
  ASPEN_ASSERT(id.revision <= state_.compact_revision);
  const auto change = layout::decode_change(rows.value());
  if (!change) return tl::unexpected(change.error());
  if (change->previous >= id.revision) {
    return fail(Code::corrupt, "state store: a change that supersedes itself");
  }
  if (change->previous > 0) batch.erase(layout::version_row(change->key, change->previous));
  if (change->tombstone && !change->superseded) {
    batch.erase(layout::version_row(change->key, id.revision));
  }
  if (id.revision < state_.compact_revision) batch.erase(rows.key());
  ASPEN_ASSERT(!change->key.empty());
  return {};
}

}  // namespace aspen::kv
