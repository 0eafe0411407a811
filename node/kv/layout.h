// The rows of the store: how keys, versions and changes are laid out in the one ordered key space
// of a StateStore. Part of the on-disk format: see format_number. Foreign bytes give `corrupt`.
//
//   m name                              state (format first), configuration
//   k key                               Meta of the newest version, live keys only
//   v escaped(key) be64(~mod)           one version: a tombstone, or Meta and value; newest first
//   r be64(revision) be32(sub)          one change: flags, superseded mod revision, key
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "node/base/error.h"
#include "node/kv/request.h"
#include "node/kv/snapshot.h"

namespace aspen::kv::layout {

// Stands at the beginning of the state row, as a varint; a newer one is refused.
inline constexpr std::uint32_t format_number = 1;
inline constexpr std::string_view state_row = "mstate";
inline constexpr std::string_view config_row = "mconfig";

inline constexpr std::size_t version_suffix_bytes = 8;

// What is known of a live key without its value.
struct Meta {
  Revision create = 0;
  Revision mod = 0;
  std::int64_t version = 0;
  LeaseId lease = 0;
  friend bool operator==(const Meta&, const Meta&) noexcept = default;
};

struct Version {
  bool tombstone = false;
  Meta meta;               // of a tombstone: mod only
  std::string_view value;  // a view into the row
};

struct Change {
  bool tombstone = false;
  // A later change of the same revision wrote the key again: no version belongs to this one.
  bool superseded = false;
  Revision previous = 0;  // the version that this one superseded, 0 if there was none
  std::string_view key;   // a view into the row
};

struct ChangeId {
  Revision revision = 0;
  std::uint32_t sub = 0;
};

// A range of rows, [lower, upper).
struct RowRange {
  std::string lower;
  std::string upper;
};

// ---- row keys. Preconditions: revisions are positive, keys have no bound here.
[[nodiscard]] std::string key_row(std::string_view key);
[[nodiscard]] std::string version_row(std::string_view key, Revision mod);
[[nodiscard]] std::string change_row(ChangeId id);
// What the rows of all versions of `key` begin with, and nothing else does.
[[nodiscard]] std::string version_prefix(std::string_view key);
void append_inverted(std::string& row, Revision mod);

// Rows of the keys in [lower, upper); an empty upper means no bound.
[[nodiscard]] RowRange key_rows(std::string_view lower, std::string_view upper);
[[nodiscard]] RowRange version_rows(std::string_view lower, std::string_view upper);
[[nodiscard]] RowRange change_rows(ChangeId from);

// ---- rows back to what they stand for. Possible errors: corrupt.
[[nodiscard]] inline std::string_view key_of_key_row(std::string_view row) {
  return row.substr(1);
}
// The prefix that version_prefix() made.
[[nodiscard]] Result<std::string_view> prefix_of_version_row(std::string_view row);
[[nodiscard]] Result<Revision> mod_of_version_row(std::string_view row);
[[nodiscard]] Result<std::string> key_of_version_row(std::string_view row);
[[nodiscard]] Result<ChangeId> id_of_change_row(std::string_view row);

// ---- row values. Possible errors of the decoders: corrupt.
[[nodiscard]] std::string encode(const Meta& meta);
[[nodiscard]] Result<Meta> decode_meta(std::string_view text);
[[nodiscard]] std::string encode_version(const Meta& meta, std::string_view value);
[[nodiscard]] std::string encode_tombstone();
// `mod` comes from the row's key.
[[nodiscard]] Result<Version> decode_version(Revision mod, std::string_view text);
[[nodiscard]] std::string encode(const Change& change);
[[nodiscard]] Result<Change> decode_change(std::string_view text);
// With the format before it.
[[nodiscard]] std::string encode(const State& state);
// Without it.
[[nodiscard]] Result<State> decode_state(std::string_view text);

}  // namespace aspen::kv::layout
