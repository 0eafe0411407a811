// Evaluates reads: of a snapshot, or of a batch under way, where the overlay shows what earlier
// commands (and earlier operations of the same transaction) wrote. A value that lives for one call;
// the views it points to outlive it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "node/base/error.h"
#include "node/kv/cursor.h"
#include "node/kv/layout.h"
#include "node/kv/overlay.h"
#include "node/kv/request.h"
#include "node/port/state_store.h"

namespace aspen::kv {

// What a response or a change may still take.
class ByteBudget {
 public:
  explicit ByteBudget(std::size_t size_bytes) noexcept : left_(size_bytes), size_(size_bytes) {}
  // False if there is not that much left; then nothing is left.
  [[nodiscard]] bool take(std::size_t size_bytes) noexcept {
    const bool fits = size_bytes <= left_;
    left_ = fits ? left_ - size_bytes : 0;
    return fits;
  }
  [[nodiscard]] std::size_t taken() const noexcept { return size_ - left_; }
  [[nodiscard]] std::size_t left() const noexcept { return left_; }

 private:
  std::size_t left_;
  std::size_t size_;
};

// A live key, and where its value is.
struct Found {
  layout::Meta meta;
  std::optional<std::size_t> operation;  // of the batch; none: in the state store
};

struct FoundKey {
  std::string key;
  Found found;
  std::optional<std::string> value;  // read on the way

  // What it takes in memory. The same number on every machine, whatever the machine's types take:
  // it decides what is refused.
  [[nodiscard]] std::size_t cost_bytes() const noexcept {
    return cost_overhead_bytes + key.size() + (value ? value->size() : 0);
  }
  static constexpr std::size_t cost_overhead_bytes = 160;
};
static_assert(sizeof(FoundKey) <= FoundKey::cost_overhead_bytes);

class Reading {
 public:
  struct Revisions {
    Revision current = revision_initial;
    Revision compacted = compact_revision_initial;
  };
  // The batch under way; both null for a snapshot.
  struct UnderWay {
    const Overlay* overlay = nullptr;
    const StateBatch* batch = nullptr;
  };

  Reading(const StateView& view, Revisions revisions, UnderWay under_way) noexcept
      : view_(view), revisions_(revisions), under_way_(under_way) {}
  Reading(const StateView& view, Revisions revisions) noexcept : Reading(view, revisions, {}) {}

  // The newest version of a key, none if it is absent. Possible errors: io_error, corrupt.
  [[nodiscard]] Result<std::optional<Found>> find(std::string_view key) const;
  // Precondition: `found` is what find() or a walk gave for `key`.
  // Possible errors: io_error, corrupt.
  [[nodiscard]] Result<std::string> value(std::string_view key, const Found& found) const;
  // The whole pair of the newest version. Possible errors: overloaded, io_error, corrupt.
  [[nodiscard]] Result<std::optional<KeyValue>> get(std::string_view key, ByteBudget& budget) const;
  // The newest live keys of etcd's range, ascending. Possible errors: overloaded (the keys alone
  // are over the budget of a change), io_error, corrupt.
  [[nodiscard]] Result<std::vector<FoundKey>> keys(std::string_view key, std::string_view range_end,
                                                   ByteBudget& budget) const;
  // Reads the values that are not read yet. Possible errors: overloaded, io_error, corrupt.
  [[nodiscard]] Result<std::vector<KeyValue>> pairs(std::vector<FoundKey> found,
                                                    ByteBudget& budget) const;

  // Possible errors: compacted, future_revision, overloaded, io_error, corrupt.
  [[nodiscard]] Result<RangeResponse> range(const RangeRequest& request, ByteBudget& budget) const;
  // Whether all keys that the compare names satisfy it. Possible errors: io_error, corrupt.
  [[nodiscard]] Result<bool> satisfies(const Compare& compare) const;
  // etcd's check of a range before a transaction is executed: only 0 means the newest revision.
  // Possible errors: compacted, future_revision.
  [[nodiscard]] Result<void> check_in_txn(const RangeRequest& request) const;

 private:
  class Selection;

  [[nodiscard]] Result<void> select_latest(const RangeRequest& request, Selection& out) const;
  [[nodiscard]] Result<void> select_at(const RangeRequest& request, Revision revision,
                                       Selection& out) const;
  // Reads values from the front on, in a step of bounded size. How many of the first have theirs
  // now: at least one. Precondition: found is not empty. Possible errors: io_error, corrupt.
  [[nodiscard]] Result<std::size_t> fetch_some(std::span<FoundKey> found) const;
  // Gives what a step has found in the state store to its owners.
  [[nodiscard]] Result<void> fetch_rows(std::span<FoundKey* const> owners,
                                        std::span<const std::string> rows, std::size_t& done) const;
  [[nodiscard]] Result<bool> satisfies_one(const Compare& compare, std::string_view key,
                                           const Found& found) const;

  const StateView& view_;
  Revisions revisions_;
  UnderWay under_way_;
};

}  // namespace aspen::kv
