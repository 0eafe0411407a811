// The bytes of a segment: a header block, then records at multiples of eight bytes, then zeros or
// what an earlier life of the file left behind. Integers are little-endian.
//
// A record's checksum covers its header and body and the checksum of the record before it, across
// segments: the records form one chain. Every checksum is salted with the replica's incarnation
// and the segment's generation, so that neither a recycled file's old bytes nor a payload made up
// by a client can pass for a record.
//
// Pure functions over bytes; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "node/base/bytes.h"
#include "node/base/entry.h"
#include "node/base/error.h"
#include "node/base/ids.h"
#include "node/port/log_store.h"

namespace aspen::adapter::segment_log {

inline constexpr std::uint32_t format_version = 1;
inline constexpr std::uint64_t header_block_bytes = 4096;  // the first record stands behind it
inline constexpr std::uint64_t record_header_bytes = 64;
inline constexpr std::uint64_t record_alignment = 8;

[[nodiscard]] constexpr std::uint64_t aligned(std::uint64_t bytes) noexcept {
  return (bytes + record_alignment - 1) / record_alignment * record_alignment;
}

// Written and synced before the segment gets its name: a named segment's header is never torn.
struct SegmentHeader {
  ClusterId cluster;
  PeerId self;
  std::uint64_t generation = 0;      // grows by one per segment, never reused
  Index first_index;                 // of the next entry when the segment was begun
  std::uint64_t chain_start = 0;     // checksum of the last record before this segment
  std::uint64_t previous_bytes = 0;  // where the segment before ends, 0 for the first
  std::uint64_t segment_bytes = 0;
};

[[nodiscard]] std::string encode_header(const SegmentHeader& header);
// Possible errors: unsupported (a newer format; detail: its version), corrupt.
[[nodiscard]] Result<SegmentHeader> decode_header(std::string_view block);

enum class RecordKind : std::uint8_t {
  batch = 1,  // reset, truncation, hard state and entries of one append, each of them optional
  mark = 2,   // purge mark, with what lived in the purged segments copied forward
  // Says at the log's end how far it is durable. It is no part of the chain and never synced for
  // its own sake: the next record overwrites it.
  hint = 3,
};

struct RecordHeader {
  std::uint64_t checksum = 0;
  std::uint64_t previous = 0;  // checksum of the record before
  std::uint64_t generation = 0;
  std::uint64_t offset = 0;  // of the record itself
  // Up to here the segment was durable when the record was written: what is damaged below was
  // acknowledged, what is torn above may never have been.
  std::uint64_t synced = 0;
  std::uint32_t body_bytes = 0;
  RecordKind kind = RecordKind::batch;
  GroupId group;

  [[nodiscard]] std::uint64_t record_bytes() const noexcept {
    return record_header_bytes + aligned(body_bytes);
  }
};

// The salt of all checksums of one segment.
[[nodiscard]] std::uint64_t segment_salt(const PeerId& self, std::uint64_t generation) noexcept;

// A record as parts for one gathered write. Large payloads are referred to, not copied: the batch
// must outlive the parts.
struct EncodedRecord {
  std::vector<std::string_view> parts;
  std::uint64_t record_bytes = 0;
  std::uint64_t checksum = 0;
};

// Reuses its memory from record to record. Not thread-safe.
class RecordEncoder {
 public:
  // Carries the truncation and hard state of `state` and these entries, which may be another part
  // of a batch than that of `state`. The result lives until the next call.
  [[nodiscard]] const EncodedRecord& batch(RecordHeader header, const LogBatch& state,
                                           std::span<const Entry> entries, std::uint64_t salt);
  [[nodiscard]] const EncodedRecord& body(RecordHeader header, std::string_view body,
                                          std::uint64_t salt);

 private:
  const EncodedRecord& seal(RecordHeader header, std::uint64_t salt);

  struct Piece {
    std::string_view view;  // null: copied into text_
    std::size_t text_bytes = 0;
  };
  Writer text_;
  std::vector<Piece> pieces_;
  std::string head_;
  EncodedRecord record_;
};

// What `entries` and the state take as one record.
[[nodiscard]] std::uint64_t batch_record_bytes(const LogBatch& state,
                                               std::span<const Entry> entries) noexcept;

// What one more entry adds, before alignment.
[[nodiscard]] std::uint64_t batch_entry_bytes(const Entry& entry) noexcept;

// Null if no intact header of this segment stands at the start of `bytes`, which are those of the
// segment from `offset` on. The body is not looked at.
[[nodiscard]] std::optional<RecordHeader> find_record(std::string_view bytes, std::uint64_t offset,
                                                      std::uint64_t generation,
                                                      std::uint64_t salt) noexcept;
// `record` holds header.record_bytes() bytes.
[[nodiscard]] bool record_intact(const RecordHeader& header, std::string_view record,
                                 std::uint64_t salt) noexcept;

struct BatchBody {
  std::optional<LogReset> reset;  // with a hard state
  std::optional<Index> truncate_from;
  std::optional<HardState> hard_state;
  std::vector<Entry> entries;  // payloads share the memory of the record
};
// `record` is intact. Possible errors: corrupt.
[[nodiscard]] Result<BatchBody> decode_batch(const RecordHeader& header, const Bytes& record);

struct MarkBody {
  LogId purged;
  std::uint64_t oldest_generation = 0;  // that recovery still needs
  HardState hard_state;
  std::optional<Entry> config;  // in force at the purge point
};
[[nodiscard]] std::string encode_mark(const MarkBody& mark);
[[nodiscard]] Result<MarkBody> decode_mark(std::string_view body);

// A hint's body: the generation of the segment that follows, 0 if none does.
[[nodiscard]] std::string encode_hint(std::uint64_t successor);
[[nodiscard]] Result<std::uint64_t> decode_hint(std::string_view body);

}  // namespace aspen::adapter::segment_log
