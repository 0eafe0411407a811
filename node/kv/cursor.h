// Walks over the live keys of a range, in key order: as they are now, or as they were at a
// revision. Both stay valid while the view (and the overlay) they walk over does not change.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "node/base/error.h"
#include "node/kv/layout.h"
#include "node/kv/overlay.h"
#include "node/port/state_store.h"

namespace aspen::kv {

// Keys in [lower, upper); an empty upper means no bound.
struct KeyInterval {
  std::string_view lower;
  std::string_view upper;

  // Nothing can lie in it.
  [[nodiscard]] bool empty() const noexcept { return !upper.empty() && upper <= lower; }
};

// etcd's range_end, which is not empty: one zero byte means no bound.
[[nodiscard]] KeyInterval interval_of(std::string_view key, std::string_view range_end) noexcept;

// The newest live keys: the rows of the view, and over them the overlay, which may be null.
class LatestCursor {
 public:
  // Precondition: !interval.empty().
  LatestCursor(const StateView& view, const Overlay* overlay, KeyInterval interval);

  [[nodiscard]] bool valid() const noexcept { return in_rows_ || in_overlay_; }
  void next();
  // Preconditions of all that follow: valid().
  [[nodiscard]] std::string_view key() const;
  // Possible errors: corrupt.
  [[nodiscard]] Result<layout::Meta> meta() const;
  // Null: the version is in the state store.
  [[nodiscard]] const Pending* pending() const;

  // Check it when valid() turned false. Possible errors: io_error, corrupt.
  [[nodiscard]] Result<void> status() const { return rows_->status(); }

 private:
  void settle();

  std::unique_ptr<StateIterator> rows_;
  Overlay::Map::const_iterator overlay_at_;
  Overlay::Map::const_iterator overlay_end_;
  // Which of the two stands on the current key; rows_ wins no tie, the overlay is newer.
  bool in_rows_ = false;
  bool in_overlay_ = false;
};

// The keys that were live at a revision, with their values.
class HistoryCursor {
 public:
  // Precondition: !interval.empty(), revision > 0.
  HistoryCursor(const StateView& view, KeyInterval interval, Revision revision);

  [[nodiscard]] bool valid() const noexcept { return valid_; }
  void next();
  // Precondition of both: valid(). Possible errors: corrupt.
  [[nodiscard]] Result<std::string> key() const { return layout::key_of_version_row(rows_->key()); }
  // The value is a view until the cursor moves.
  [[nodiscard]] const layout::Version& version() const noexcept { return version_; }

  // Check it when valid() turned false. Possible errors: io_error, corrupt.
  [[nodiscard]] Result<void> status() const;

 private:
  void settle();
  // Behind all rows of the current key that are not newer than `mod`.
  void skip_to(Revision mod);
  void fail_with(const Error& error) noexcept;

  std::unique_ptr<StateIterator> rows_;
  Revision revision_;
  layout::Version version_;
  Error error_;
  bool valid_ = false;
};

}  // namespace aspen::kv
