#include "node/adapter/segment_log/format.h"

#include <algorithm>

#include "node/base/assert.h"
#include "node/base/checksum.h"
#include "node/base/limits.h"

namespace aspen::adapter::segment_log {
namespace {

constexpr std::string_view segment_magic = "ASPENLOG";
constexpr std::uint32_t record_magic = 0x43'52'53'41;
constexpr std::size_t copy_bytes_max = 4096;   // larger payloads are gathered, not copied
constexpr std::uint64_t entry_row_bytes = 13;  // term, size, kind
constexpr std::size_t hard_state_bytes = 8 + 1 + 24;
constexpr std::uint8_t has_truncate = 1;
constexpr std::uint8_t has_hard_state = 2;
constexpr std::uint8_t has_reset = 4;
constexpr std::uint8_t parts_known = has_truncate | has_hard_state | has_reset;

void write_hard_state(Writer& out, const HardState& state) {
  const PeerId vote = state.vote.value_or(PeerId{});
  out.u64(state.term.value).u8(state.vote ? 1 : 0);
  out.u64(vote.id.value).u64(vote.incarnation.high).u64(vote.incarnation.low);
}

HardState read_hard_state(Reader& in) {
  HardState state;
  state.term = Term(in.u64());
  const bool voted = in.u8() != 0;
  PeerId vote;
  vote.id = NodeId(in.u64());
  vote.incarnation.high = in.u64();
  vote.incarnation.low = in.u64();
  if (voted) state.vote = vote;
  return state;
}

void write_point(Writer& out, const LogId& purged, const std::optional<Entry>& config) {
  out.u64(purged.term.value).u64(purged.index.value);
  out.u8(config ? 1 : 0);
  if (!config) return;
  out.u64(config->id.term.value).u64(config->id.index.value);
  out.u32(static_cast<std::uint32_t>(config->payload.size())).raw(config->payload.view());
}

std::size_t point_bytes(const std::optional<Entry>& config) noexcept {
  return 16 + 1 + (config ? 16 + 4 + config->payload.size() : 0);
}

LogReset read_point(Reader& in) {
  LogReset point;
  point.purged.term = Term(in.u64());
  point.purged.index = Index(in.u64());
  if (in.u8() == 0) return point;
  Entry config;
  config.kind = EntryKind::config;
  config.id.term = Term(in.u64());
  config.id.index = Index(in.u64());
  config.payload = Bytes(in.raw(in.u32()));
  point.config = std::move(config);
  return point;
}

void write_record_header(Writer& out, const RecordHeader& header) {
  out.u64(header.previous).u64(header.generation).u64(header.offset).u64(header.synced);
  out.u32(header.body_bytes).u8(static_cast<std::uint8_t>(header.kind)).u8(0).u16(0);
  out.u64(header.group.value);
}

bool known_kind(std::uint8_t kind) noexcept {
  return kind >= static_cast<std::uint8_t>(RecordKind::batch) &&
         kind <= static_cast<std::uint8_t>(RecordKind::hint);
}

Result<std::vector<Entry>> decode_entries(Reader& in, const Bytes& record) {
  const std::uint64_t first = in.u64();
  const std::uint32_t count = in.u32();
  if (!in.ok() || in.left() / entry_row_bytes < count) {
    return fail(Code::corrupt, "a record's entry table is cut short");
  }
  std::vector<Entry> entries(count);
  Reader rows(in.raw(count * entry_row_bytes));
  for (std::uint32_t i = 0; i < count; ++i) {
    entries[i].id = {Term(rows.u64()), Index(first + i)};
    const std::string_view payload = in.raw(rows.u32());
    const std::uint8_t kind = rows.u8();
    if (!in.ok() || kind > static_cast<std::uint8_t>(EntryKind::config)) {
      return fail(Code::corrupt, "a record holds a malformed entry");
    }
    entries[i].kind = static_cast<EntryKind>(kind);
    const auto at = static_cast<std::size_t>(payload.data() - record.data());
    if (!payload.empty()) entries[i].payload = record.slice(at, payload.size());
  }
  return entries;
}

}  // namespace

std::string encode_header(const SegmentHeader& header) {
  Writer out;
  out.raw(segment_magic).u32(format_version).u32(0);
  out.u64(header.cluster.value).u64(header.self.id.value);
  out.u64(header.self.incarnation.high).u64(header.self.incarnation.low);
  out.u64(header.generation).u64(header.first_index.value).u64(header.chain_start);
  out.u64(header.previous_bytes).u64(header.segment_bytes);
  // The checksum covers the whole block, in every format to come, so that a newer version is told
  // apart from a flipped bit.
  std::string block = out.take();
  block.resize(header_block_bytes - 8, '\0');
  out.u64(checksum64(block));
  return block + out.take();
}

Result<SegmentHeader> decode_header(std::string_view block) {
  if (block.size() != header_block_bytes) return fail(Code::corrupt, "a segment is too short");
  const std::string_view covered = block.substr(0, header_block_bytes - 8);
  Reader sum(block.substr(header_block_bytes - 8));
  if (sum.u64() != checksum64(covered) || !covered.starts_with(segment_magic)) {
    return fail(Code::corrupt, "a segment's header is damaged");
  }
  Reader in(covered.substr(segment_magic.size()));
  const std::uint32_t version = in.u32();
  if (version > format_version) {
    return fail(Code::unsupported, "the log has a newer format than this program", version);
  }
  static_cast<void>(in.u32());
  SegmentHeader header;
  header.cluster = ClusterId(in.u64());
  header.self.id = NodeId(in.u64());
  header.self.incarnation.high = in.u64();
  header.self.incarnation.low = in.u64();
  header.generation = in.u64();
  header.first_index = Index(in.u64());
  header.chain_start = in.u64();
  header.previous_bytes = in.u64();
  header.segment_bytes = in.u64();
  if (!in.ok() || header.segment_bytes < limits::log_segment_bytes_min ||
      header.segment_bytes > limits::log_segment_bytes_max) {
    return fail(Code::corrupt, "a segment's header is malformed");
  }
  return header;
}

std::uint64_t segment_salt(const PeerId& self, std::uint64_t generation) noexcept {
  const std::uint64_t words[] = {self.id.value, self.incarnation.high, self.incarnation.low};
  return checksum64(words, sizeof words, generation);
}

std::uint64_t batch_entry_bytes(const Entry& entry) noexcept {
  return entry_row_bytes + entry.payload.size();
}

std::uint64_t batch_record_bytes(const LogBatch& state, std::span<const Entry> entries) noexcept {
  std::uint64_t body = 1 + 8 + 4;
  if (state.reset) body += point_bytes(state.reset->config);
  if (state.truncate_from) body += 8;
  if (state.hard_state) body += hard_state_bytes;
  for (const Entry& entry : entries) body += batch_entry_bytes(entry);
  return record_header_bytes + aligned(body);
}

const EncodedRecord& RecordEncoder::batch(RecordHeader header, const LogBatch& state,
                                          std::span<const Entry> entries, std::uint64_t salt) {
  text_.clear();
  pieces_.clear();
  const int parts = (state.truncate_from ? has_truncate : 0) |
                    (state.hard_state ? has_hard_state : 0) | (state.reset ? has_reset : 0);
  text_.u8(static_cast<std::uint8_t>(parts));
  if (state.reset) write_point(text_, state.reset->purged, state.reset->config);
  if (state.truncate_from) text_.u64(state.truncate_from->value);
  if (state.hard_state) write_hard_state(text_, *state.hard_state);
  text_.u64(entries.empty() ? 0 : entries.front().id.index.value);
  text_.u32(static_cast<std::uint32_t>(entries.size()));
  for (const Entry& entry : entries) {
    text_.u64(entry.id.term.value).u32(static_cast<std::uint32_t>(entry.payload.size()));
    text_.u8(static_cast<std::uint8_t>(entry.kind));
  }
  std::size_t copied = 0;
  for (const Entry& entry : entries) {
    if (entry.payload.size() <= copy_bytes_max) {
      text_.raw(entry.payload.view());
      continue;
    }
    pieces_.push_back({{}, text_.size() - copied});
    pieces_.push_back({entry.payload.view(), 0});
    copied = text_.size();
  }
  pieces_.push_back({{}, text_.size() - copied});
  return seal(header, salt);
}

const EncodedRecord& RecordEncoder::body(RecordHeader header, std::string_view body,
                                         std::uint64_t salt) {
  text_.clear();
  text_.raw(body);
  pieces_.assign(1, {{}, body.size()});
  return seal(header, salt);
}

const EncodedRecord& RecordEncoder::seal(RecordHeader header, std::uint64_t salt) {
  static constexpr std::string_view padding{"\0\0\0\0\0\0\0", record_alignment - 1};
  record_.parts.assign(1, {});  // the header, known last
  std::uint64_t body_bytes = 0;
  std::string_view copied = text_.view();
  for (const Piece& piece : pieces_) {
    const std::string_view part =
        piece.view.data() != nullptr ? piece.view : copied.substr(0, piece.text_bytes);
    copied.remove_prefix(piece.text_bytes);
    if (!part.empty()) record_.parts.push_back(part);
    body_bytes += part.size();
  }
  ASPEN_ASSERT(copied.empty());
  ASPEN_ASSERT(body_bytes + record_header_bytes <= limits::log_record_bytes_max);
  record_.parts.push_back(padding.substr(0, aligned(body_bytes) - body_bytes));
  header.body_bytes = static_cast<std::uint32_t>(body_bytes);
  record_.record_bytes = header.record_bytes();

  Writer fixed;
  write_record_header(fixed, header);
  Checksum64 sum(salt);
  sum.update(fixed.view());
  for (const std::string_view part : std::span(record_.parts).subspan(1)) sum.update(part);
  record_.checksum = sum.value();

  Writer summed;
  summed.u64(record_.checksum).raw(fixed.view());
  Writer out;
  out.u32(record_magic).u32(static_cast<std::uint32_t>(checksum64(summed.view(), salt)));
  head_ = out.take() + summed.take();
  ASPEN_ASSERT(head_.size() == record_header_bytes);
  record_.parts.front() = head_;
  return record_;
}

std::optional<RecordHeader> find_record(std::string_view bytes, std::uint64_t offset,
                                        std::uint64_t generation, std::uint64_t salt) noexcept {
  if (bytes.size() < record_header_bytes) return std::nullopt;
  Reader in(bytes.substr(0, record_header_bytes));
  if (in.u32() != record_magic) return std::nullopt;
  const std::uint32_t check = in.u32();
  if (check != static_cast<std::uint32_t>(checksum64(in.rest(), salt))) return std::nullopt;
  RecordHeader header;
  header.checksum = in.u64();
  header.previous = in.u64();
  header.generation = in.u64();
  header.offset = in.u64();
  header.synced = in.u64();
  header.body_bytes = in.u32();
  const std::uint8_t kind = in.u8();
  static_cast<void>(in.raw(3));
  header.group = GroupId(in.u64());
  if (!in.done() || header.generation != generation || header.offset != offset) return std::nullopt;
  if (!known_kind(kind) || header.body_bytes > limits::log_record_bytes_max) return std::nullopt;
  header.kind = static_cast<RecordKind>(kind);
  return header;
}

bool record_intact(const RecordHeader& header, std::string_view record,
                   std::uint64_t salt) noexcept {
  if (record.size() != header.record_bytes()) return false;
  return checksum64(record.substr(16), salt) == header.checksum;
}

Result<BatchBody> decode_batch(const RecordHeader& header, const Bytes& record) {
  ASPEN_ASSERT(record.size() == header.record_bytes());
  Reader in(record.view().substr(record_header_bytes, header.body_bytes));
  BatchBody body;
  const std::uint8_t parts = in.u8();
  if ((parts & ~parts_known) != 0) return fail(Code::corrupt, "a record has an unknown part");
  if ((parts & has_reset) != 0) body.reset = read_point(in);
  if ((parts & has_truncate) != 0) body.truncate_from = Index(in.u64());
  if ((parts & has_hard_state) != 0) body.hard_state = read_hard_state(in);
  auto entries = decode_entries(in, record);
  if (!entries) return tl::unexpected(entries.error());
  if (!in.done()) return fail(Code::corrupt, "a record is longer than its parts");
  body.entries = std::move(*entries);
  return body;
}

std::string encode_mark(const MarkBody& mark) {
  Writer out;
  out.u64(mark.purged.term.value).u64(mark.purged.index.value).u64(mark.oldest_generation);
  write_hard_state(out, mark.hard_state);
  out.u8(mark.config ? 1 : 0);
  if (mark.config) {
    out.u64(mark.config->id.term.value).u64(mark.config->id.index.value);
    out.bytes(mark.config->payload.view());
  }
  return out.take();
}

Result<MarkBody> decode_mark(std::string_view body) {
  Reader in(body);
  MarkBody mark;
  mark.purged.term = Term(in.u64());
  mark.purged.index = Index(in.u64());
  mark.oldest_generation = in.u64();
  mark.hard_state = read_hard_state(in);
  if (in.u8() != 0) {
    Entry config;
    config.kind = EntryKind::config;
    config.id.term = Term(in.u64());
    config.id.index = Index(in.u64());
    config.payload = Bytes(in.bytes());
    mark.config = std::move(config);
  }
  if (!in.done()) return fail(Code::corrupt, "a purge mark is malformed");
  return mark;
}

std::string encode_hint(std::uint64_t successor) {
  Writer out;
  out.u64(successor);
  return out.take();
}

Result<std::uint64_t> decode_hint(std::string_view body) {
  Reader in(body);
  const std::uint64_t successor = in.u64();
  if (!in.done()) return fail(Code::corrupt, "a hint is malformed");
  return successor;
}

}  // namespace aspen::adapter::segment_log
