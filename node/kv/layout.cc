#include "node/kv/layout.h"

#include <algorithm>

#include "node/base/assert.h"
#include "node/base/bytes.h"

namespace aspen::kv::layout {
namespace {

// A zero byte inside a key becomes 00 FF; 00 01 ends it. So no escaped key is a prefix of another,
// and escaped keys are ordered as the keys are.
constexpr char escape = '\0';
constexpr char escaped_zero = '\xff';
constexpr char terminator = '\x01';

constexpr std::uint8_t flag_tombstone = 1;
constexpr std::uint8_t flag_superseded = 2;

constexpr std::size_t change_row_bytes = 1 + 8 + 4;

void append_be64(std::string& out, std::uint64_t v) {
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(v >> shift));
}

void append_be32(std::string& out, std::uint32_t v) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(v >> shift));
}

std::uint64_t read_be(std::string_view text) {
  ASPEN_ASSERT(text.size() <= 8);
  std::uint64_t v = 0;
  for (const char c : text) v = (v << 8U) | static_cast<unsigned char>(c);
  return v;
}

std::uint64_t bits(std::int64_t v) {
  return static_cast<std::uint64_t>(v);
}

std::int64_t signed_of(std::uint64_t v) {
  return static_cast<std::int64_t>(v);
}

void append_escaped(std::string& out, std::string_view key) {
  std::size_t at = 0;
  for (std::size_t zero = key.find(escape); zero != std::string_view::npos;
       zero = key.find(escape, at)) {
    out.append(key.substr(at, zero + 1 - at));
    out.push_back(escaped_zero);
    at = zero + 1;
  }
  out.append(key.substr(at));
  out.push_back(escape);
  out.push_back(terminator);
}

}  // namespace

std::string key_row(std::string_view key) {
  std::string row;
  row.reserve(1 + key.size());
  row.push_back('k');
  row.append(key);
  return row;
}

std::string version_prefix(std::string_view key) {
  std::string row;
  row.reserve(1 + key.size() + 2 + version_suffix_bytes);
  row.push_back('v');
  append_escaped(row, key);
  return row;
}

void append_inverted(std::string& row, Revision mod) {
  append_be64(row, ~bits(mod));
}

std::string version_row(std::string_view key, Revision mod) {
  ASPEN_ASSERT(mod > 0);
  std::string row = version_prefix(key);
  append_inverted(row, mod);
  return row;
}

std::string change_row(ChangeId id) {
  ASPEN_ASSERT(id.revision >= 0);
  std::string row;
  row.reserve(change_row_bytes);
  row.push_back('r');
  append_be64(row, bits(id.revision));
  append_be32(row, id.sub);
  return row;
}

RowRange key_rows(std::string_view lower, std::string_view upper) {
  return {key_row(lower), upper.empty() ? std::string("l") : key_row(upper)};
}

RowRange version_rows(std::string_view lower, std::string_view upper) {
  return {version_prefix(lower), upper.empty() ? std::string("w") : version_prefix(upper)};
}

RowRange change_rows(ChangeId from) {
  return {change_row(from), "s"};
}

Result<std::string_view> prefix_of_version_row(std::string_view row) {
  if (row.size() < 1 + 2 + version_suffix_bytes || row[0] != 'v') {
    return fail(Code::corrupt, "state store: malformed version row");
  }
  return row.substr(0, row.size() - version_suffix_bytes);
}

Result<Revision> mod_of_version_row(std::string_view row) {
  const auto prefix = prefix_of_version_row(row);
  if (!prefix) return tl::unexpected(prefix.error());
  const Revision mod = signed_of(~read_be(row.substr(prefix->size())));
  if (mod <= 0) return fail(Code::corrupt, "state store: malformed revision of a version row");
  return mod;
}

Result<std::string> key_of_version_row(std::string_view row) {
  const auto prefix = prefix_of_version_row(row);
  if (!prefix) return tl::unexpected(prefix.error());
  std::string_view rest = prefix->substr(1);
  ASPEN_ASSERT(rest.size() >= 2);  // prefix_of_version_row() saw to it
  if (!rest.ends_with(std::string_view("\0\x01", 2))) {
    return fail(Code::corrupt, "state store: version row without the end of its key");
  }
  rest.remove_suffix(2);
  std::string key;
  key.reserve(rest.size());
  while (!rest.empty()) {
    const std::size_t zero = rest.find(escape);
    if (zero == std::string_view::npos) break;
    if (zero + 1 >= rest.size() || rest[zero + 1] != escaped_zero) {
      return fail(Code::corrupt, "state store: malformed escape in a version row");
    }
    key.append(rest.substr(0, zero + 1));
    rest.remove_prefix(zero + 2);
  }
  key.append(rest);
  ASPEN_ASSERT(key.size() < row.size());
  return key;
}

Result<ChangeId> id_of_change_row(std::string_view row) {
  if (row.size() != change_row_bytes || row[0] != 'r') {
    return fail(Code::corrupt, "state store: malformed change row");
  }
  const ChangeId id{signed_of(read_be(row.substr(1, 8))),
                    static_cast<std::uint32_t>(read_be(row.substr(9)))};
  if (id.revision <= 0) return fail(Code::corrupt, "state store: malformed revision of a change");
  return id;
}

std::string encode(const Meta& meta) {
  ASPEN_ASSERT(meta.create <= meta.mod && meta.version > 0);
  Writer out;
  out.varint(bits(meta.create)).varint(bits(meta.mod));
  out.varint(bits(meta.version)).varint(bits(meta.lease));
  return out.take();
}

Result<Meta> decode_meta(std::string_view text) {
  Reader in(text);
  Meta meta;
  meta.create = signed_of(in.varint());
  meta.mod = signed_of(in.varint());
  meta.version = signed_of(in.varint());
  meta.lease = signed_of(in.varint());
  const bool sound = in.done() && meta.create > 0 && meta.create <= meta.mod && meta.version > 0;
  if (!sound) return fail(Code::corrupt, "state store: malformed key row");
  return meta;
}

std::string encode_version(const Meta& meta, std::string_view value) {
  ASPEN_ASSERT(meta.create <= meta.mod && meta.version > 0);
  Writer out;
  out.reserve(value.size() + 32);
  out.u8(0).varint(bits(meta.create)).varint(bits(meta.version)).varint(bits(meta.lease));
  out.raw(value);
  return out.take();
}

std::string encode_tombstone() {
  return std::string(1, static_cast<char>(flag_tombstone));
}

Result<Version> decode_version(Revision mod, std::string_view text) {
  ASPEN_ASSERT(mod > 0);
  Reader in(text);
  Version version;
  const std::uint8_t flags = in.u8();
  version.tombstone = flags == flag_tombstone;
  version.meta.mod = mod;
  if (version.tombstone) {
    if (!in.done()) return fail(Code::corrupt, "state store: malformed tombstone");
    return version;
  }
  version.meta.create = signed_of(in.varint());
  version.meta.version = signed_of(in.varint());
  version.meta.lease = signed_of(in.varint());
  version.value = in.rest();
  const bool sound = in.ok() && flags == 0 && version.meta.create > 0 &&
                     version.meta.create <= mod && version.meta.version > 0;
  if (!sound) return fail(Code::corrupt, "state store: malformed version");
  ASPEN_ASSERT(version.value.size() < text.size());
  return version;
}

std::string encode(const Change& change) {
  ASPEN_ASSERT(change.previous >= 0);
  Writer out;
  out.reserve(change.key.size() + 16);
  const int flags =
      (change.tombstone ? flag_tombstone : 0) | (change.superseded ? flag_superseded : 0);
  out.u8(static_cast<std::uint8_t>(flags)).varint(bits(change.previous)).raw(change.key);
  return out.take();
}

Result<Change> decode_change(std::string_view text) {
  Reader in(text);
  const std::uint8_t flags = in.u8();
  Change change;
  change.tombstone = (flags & flag_tombstone) != 0;
  change.superseded = (flags & flag_superseded) != 0;
  change.previous = signed_of(in.varint());
  change.key = in.rest();
  if (!in.ok() || flags > (flag_tombstone | flag_superseded) || change.previous < 0) {
    return fail(Code::corrupt, "state store: malformed change");
  }
  ASPEN_ASSERT(change.key.size() < text.size());
  return change;
}

std::string encode(const State& state) {
  ASPEN_ASSERT(state.revision >= revision_initial);
  ASPEN_ASSERT(state.cleaned_revision <= state.compact_revision);
  Writer out;
  out.varint(format_number);
  out.varint(state.applied.term.value).varint(state.applied.index.value);
  out.varint(bits(state.revision)).varint(bits(state.compact_revision));
  out.varint(bits(state.cleaned_revision)).varint(bits(state.clean_next_revision));
  out.varint(state.clean_next_sub);
  return out.take();
}

Result<State> decode_state(std::string_view text) {
  Reader in(text);
  State state;
  state.applied.term = Term(in.varint());
  state.applied.index = Index(in.varint());
  state.revision = signed_of(in.varint());
  state.compact_revision = signed_of(in.varint());
  state.cleaned_revision = signed_of(in.varint());
  state.clean_next_revision = signed_of(in.varint());
  const std::uint64_t sub = in.varint();
  state.clean_next_sub = static_cast<std::uint32_t>(sub);
  const bool sound =
      in.done() && state.revision >= revision_initial && state.compact_revision <= state.revision &&
      state.compact_revision >= compact_revision_initial &&
      state.cleaned_revision <= state.compact_revision && state.clean_next_revision >= 0 &&
      state.clean_next_revision <= std::max<Revision>(state.compact_revision, 0) &&
      sub <= UINT32_MAX;
  if (!sound) return fail(Code::corrupt, "state store: malformed state row");
  return state;
}

}  // namespace aspen::kv::layout
