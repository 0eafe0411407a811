#include "node/kv/cursor.h"

#include "node/base/assert.h"

namespace aspen::kv {
namespace {

constexpr std::string_view no_bound{"\0", 1};

// Rows of one key that are stepped over one by one before a seek is cheaper.
constexpr int steps_before_seek = 8;

const Overlay::Map& entries_or_none(const Overlay* overlay) {
  static const Overlay::Map none;
  return overlay == nullptr ? none : overlay->entries();
}

}  // namespace

KeyInterval interval_of(std::string_view key, std::string_view range_end) noexcept {
  ASPEN_ASSERT(!range_end.empty());
  if (range_end == no_bound) return {key, {}};
  return {key, range_end};
}

// ---- LatestCursor

LatestCursor::LatestCursor(const StateView& view, const Overlay* overlay, KeyInterval interval) {
  ASPEN_ASSERT(!interval.empty());
  const layout::RowRange rows = layout::key_rows(interval.lower, interval.upper);
  ASPEN_ASSERT(rows.lower < rows.upper);
  rows_ = view.iterator(rows.lower, rows.upper);
  rows_->seek(rows.lower);
  const Overlay::Map& entries = entries_or_none(overlay);
  overlay_at_ = entries.lower_bound(interval.lower);
  overlay_end_ = interval.upper.empty() ? entries.end() : entries.lower_bound(interval.upper);
  settle();
}

void LatestCursor::settle() {
  while (true) {
    const bool has_row = rows_->valid();
    const bool has_pending = overlay_at_ != overlay_end_;
    if (!has_pending) {
      in_rows_ = has_row;
      in_overlay_ = false;
      return;
    }
    const int order =
        has_row ? layout::key_of_key_row(rows_->key()).compare(overlay_at_->first) : 1;
    in_rows_ = order <= 0;
    in_overlay_ = order >= 0;
    if (!in_overlay_ || overlay_at_->second.live) return;
    // Deleted by this batch: it hides the row of the same key.
    if (in_rows_) rows_->next();
    ++overlay_at_;
    ASPEN_MAYBE(rows_->valid());
  }
}

void LatestCursor::next() {
  ASPEN_ASSERT(valid());
  if (in_rows_) rows_->next();
  if (in_overlay_) ++overlay_at_;
  settle();
}

std::string_view LatestCursor::key() const {
  ASPEN_ASSERT(valid());
  if (in_overlay_) return overlay_at_->first;
  return layout::key_of_key_row(rows_->key());
}

Result<layout::Meta> LatestCursor::meta() const {
  ASPEN_ASSERT(valid());
  if (in_overlay_) return overlay_at_->second.meta;
  return layout::decode_meta(rows_->value());
}

const Pending* LatestCursor::pending() const {
  ASPEN_ASSERT(valid());
  return in_overlay_ ? &overlay_at_->second : nullptr;
}

// ---- HistoryCursor

HistoryCursor::HistoryCursor(const StateView& view, KeyInterval interval, Revision revision)
    : revision_(revision) {
  ASPEN_ASSERT(!interval.empty());
  ASPEN_ASSERT(revision > 0);
  const layout::RowRange rows = layout::version_rows(interval.lower, interval.upper);
  rows_ = view.iterator(rows.lower, rows.upper);
  rows_->seek(rows.lower);
  settle();
}

void HistoryCursor::fail_with(const Error& error) noexcept {
  error_ = error;
  valid_ = false;
}

void HistoryCursor::settle() {
  valid_ = false;
  while (rows_->valid()) {
    const auto mod = layout::mod_of_version_row(rows_->key());
    if (!mod) return fail_with(mod.error());
    if (*mod > revision_) {
      skip_to(revision_);
      continue;
    }
    const auto version = layout::decode_version(*mod, rows_->value());
    if (!version) return fail_with(version.error());
    if (!version->tombstone) {
      version_ = *version;
      valid_ = true;
      ASPEN_ASSERT(version_.meta.mod <= revision_);
      return;
    }
    skip_to(0);
  }
  ASPEN_ASSERT(!valid_);
}

void HistoryCursor::skip_to(Revision mod) {
  const auto prefix = layout::prefix_of_version_row(rows_->key());
  ASPEN_ASSERT(prefix.has_value());  // settle() read the row's revision
  std::string target(*prefix);
  layout::append_inverted(target, mod);
  ASPEN_ASSERT(target > rows_->key());
  for (int step = 0; step < steps_before_seek; ++step) {
    rows_->next();
    if (!rows_->valid() || rows_->key() >= target) return;
  }
  rows_->seek(target);
}

void HistoryCursor::next() {
  ASPEN_ASSERT(valid_);
  skip_to(0);
  settle();
}

Result<void> HistoryCursor::status() const {
  if (error_.code != Code::ok) return tl::unexpected(error_);
  return rows_->status();
}

}  // namespace aspen::kv
