// The key-value state machine: applies committed entries to a StateStore, deterministically, so
// that equal logs give equal state, equal responses and equal errors on every member. It has no
// clock and no thread; an entry's effect, its log id, the revision and the compaction floor go into
// one atomic batch.
//
// Owner and thread: the applier; not thread-safe. Readers on other threads take a Snapshot.
// Bounds: limits::apply_batch_bytes_max per batch, limits::change_bytes_max and
// limits::command_response_bytes_max per command, limits::clean_rows_max per step of physical
// deletion.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "node/base/entry.h"
#include "node/base/error.h"
#include "node/base/ids.h"
#include "node/kv/command.h"
#include "node/kv/meta_cache.h"
#include "node/kv/request.h"
#include "node/kv/snapshot.h"
#include "node/port/state_store.h"

namespace aspen::kv {

class Writer;
namespace layout {
struct ChangeId;
}

// The end of one command entry.
struct CommandResult {
  LogId id;
  Origin origin;
  Result<Response> response;
};

struct Applied {
  // How many of the given entries were applied, at least one. Fewer than given if the batch grew
  // full, or if the next command must read what this batch wrote at a past revision.
  std::size_t entries = 0;
  std::vector<CommandResult> results;  // one per command entry among them, ascending
};

// The newest configuration entry applied.
struct AppliedConfig {
  LogId id;
  Bytes payload;
  friend bool operator==(const AppliedConfig&, const AppliedConfig&) noexcept = default;
};

// As the state has it; empty if none was applied. Possible errors: io_error, corrupt.
[[nodiscard]] Result<std::optional<AppliedConfig>> read_config(const StateView& view);

// Puts another in its place, for who makes a new cluster of an old state. The writer alone.
// Possible errors: io_error, no_space.
[[nodiscard]] Result<void> replace_config(StateStore& state, const AppliedConfig& config);

class Store {
 public:
  // Reads what the state store holds; an empty one is a new store. `state` outlives the Store.
  // Possible errors: io_error, corrupt, unsupported (a newer format).
  [[nodiscard]] static Result<Store> open(StateStore& state);

  // Applies a prefix of `entries` in one batch; call again with the rest. A command's own error
  // (such as `compacted`) is its result and changes nothing.
  // Precondition: entries is not empty, its indexes are contiguous and follow applied().
  // Possible errors, and then nothing was applied: no_space (call again when there is room),
  // io_error, corrupt, unsupported (a command of a newer format).
  [[nodiscard]] Result<Applied> apply(std::span<const Entry> entries);

  [[nodiscard]] const State& state() const noexcept { return state_; }
  [[nodiscard]] LogId applied() const noexcept { return state_.applied; }
  [[nodiscard]] Revision revision() const noexcept { return state_.revision; }
  [[nodiscard]] Revision compact_revision() const noexcept { return state_.compact_revision; }
  [[nodiscard]] const std::optional<AppliedConfig>& config() const noexcept { return config_; }

  // What would be applied after a crash now. Possible errors: io_error, corrupt.
  [[nodiscard]] Result<LogId> applied_durable() const;
  // Possible errors: io_error, corrupt.
  [[nodiscard]] Result<Snapshot> snapshot() const;

  // ---- physical deletion behind the compaction floor
  // True if versions below the floor are still stored; then clean() has work.
  [[nodiscard]] bool clean_pending() const noexcept;
  // Every version that a compaction up to here removes is physically gone: a physical
  // CompactRequest for r is finished when cleaned() >= r.
  [[nodiscard]] Revision cleaned() const noexcept;
  // One bounded step, one batch, its cursor included; a restart goes on where it stopped.
  // Precondition: 0 < rows_max <= limits::clean_rows_max.
  // Possible errors, and then nothing changed: no_space, io_error, corrupt.
  [[nodiscard]] Result<void> clean(std::size_t rows_max);

 private:
  enum class Step : std::uint8_t { done, needs_own_batch };

  explicit Store(StateStore& state) : store_(&state) {}

  [[nodiscard]] static Result<Step> apply_command(Writer& writer, const Entry& entry,
                                                  Applied& applied);
  // Walks over at most `rows_max` change rows and says in `next` where it stopped.
  [[nodiscard]] Result<void> clean_rows(std::size_t rows_max, StateBatch& batch, State& next) const;
  // Adds what goes with the row under the iterator.
  [[nodiscard]] Result<void> clean_row(StateBatch& batch, const layout::ChangeId& id,
                                       const StateIterator& rows) const;

  StateStore* store_;
  State state_;
  std::optional<AppliedConfig> config_;
  MetaCache known_;
};

}  // namespace aspen::kv
