#include "node/base/assert.h"
#include "node/base/bytes.h"
#include "node/base/checksum.h"
#include "node/kv/errors.h"
#include "node/kv/layout.h"
#include "node/kv/snapshot.h"

// Checksums of the state, the same on every member. Versions are taken in the order of the version
// table. A version is left out if a compaction at the floor removes it: whether that has happened
// physically is no difference between members.
namespace aspen::kv {
namespace {

std::uint32_t folded(std::uint64_t sum) {
  return static_cast<std::uint32_t>(sum ^ (sum >> 32U));
}

class VersionSum {
 public:
  VersionSum(Revision revision, Revision compact_revision)
      : revision_(revision), compact_revision_(compact_revision) {}

  // Rows come in table order: by key, newest first.
  Result<void> add(std::string_view row, std::string_view text) {
    const auto prefix = layout::prefix_of_version_row(row);
    const auto mod = layout::mod_of_version_row(row);
    if (!mod) return tl::unexpected(mod.error());
    ASPEN_ASSERT(prefix.has_value());  // the revision behind it was read
    const auto version = layout::decode_version(*mod, text);
    if (!version) return tl::unexpected(version.error());
    if (*prefix != prefix_) {
      prefix_ = *prefix;
      kept_at_floor_ = false;
    }
    if (*mod > revision_) return {};
    if (*mod <= compact_revision_) {
      const bool newest = !kept_at_floor_;
      kept_at_floor_ = true;
      if (!newest || version->tombstone) return {};
    }
    ASPEN_ASSERT(*mod <= revision_);
    sum_ = checksum64(text, checksum64(row, sum_));
    return {};
  }

  [[nodiscard]] std::uint64_t sum() const noexcept { return sum_; }

 private:
  Revision revision_;
  Revision compact_revision_;
  std::string prefix_;
  bool kept_at_floor_ = false;
  std::uint64_t sum_ = 0;
};

}  // namespace

Result<HashKvResponse> Snapshot::hash_kv(Revision revision) const {
  ASPEN_ASSERT(state_.compact_revision <= state_.revision);
  if (revision > state_.revision) return tl::unexpected(errors::future_revision);
  const Revision through = revision > 0 ? revision : state_.revision;
  if (through < state_.compact_revision) return tl::unexpected(errors::compacted);
  VersionSum sum(through, state_.compact_revision);
  const auto rows = view_->iterator("v", "w");
  for (rows->seek("v"); rows->valid(); rows->next()) {
    const auto added = sum.add(rows->key(), rows->value());
    if (!added) return tl::unexpected(added.error());
  }
  if (const auto sound = rows->status(); !sound) return tl::unexpected(sound.error());
  ASPEN_ASSERT(through <= state_.revision);
  return HashKvResponse{state_.revision, folded(sum.sum()), state_.compact_revision, through};
}

Result<HashResponse> Snapshot::hash() const {
  const auto kv = hash_kv(0);
  if (!kv) return tl::unexpected(kv.error());
  ASPEN_ASSERT(kv->hash_revision == state_.revision);
  Writer text;
  text.u32(kv->hash).u64(static_cast<std::uint64_t>(state_.revision));
  text.u64(static_cast<std::uint64_t>(state_.compact_revision));
  return HashResponse{state_.revision, folded(checksum64(text.view()))};
}

}  // namespace aspen::kv
