#include "node/adapter/segment_log/recovery.h"

#include <algorithm>
#include <utility>

#include "node/base/assert.h"

namespace aspen::adapter::segment_log {
namespace {

constexpr std::string_view segment_suffix = ".log";
constexpr std::size_t generation_digits = 16;

// The generation that a file's name stands for.
std::optional<std::uint64_t> parse_name(std::string_view name) noexcept {
  if (name.size() != generation_digits + segment_suffix.size()) return std::nullopt;
  if (!name.ends_with(segment_suffix)) return std::nullopt;
  std::uint64_t generation = 0;
  for (const char c : name.substr(0, generation_digits)) {
    const std::size_t digit = std::string_view("0123456789abcdef").find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    generation = generation * 16 + digit;
  }
  return generation;
}

Result<Bytes> read_bytes(const File& file, std::uint64_t offset, std::uint64_t size_bytes) {
  BytesBuilder builder(size_bytes);
  auto got = file.read(offset, builder.spare());
  if (!got) return tl::unexpected(got.error());
  builder.filled(*got);
  return builder.finish();
}

struct Found {
  std::string path;
  SegmentHeader header;
  std::shared_ptr<File> file;
};

class Scanner {
 public:
  Scanner(FileSystem& files, const SegmentLogOptions& options, LogDamage& damage)
      : files_(files), options_(options), damage_(damage) {}

  Result<Recovery> run();

 private:
  Result<void> list();
  Result<Found> open(std::uint64_t generation);
  Result<void> check_links(std::size_t number);
  Result<void> scan(std::size_t number);
  Result<void> replay(const Found& found, const RecordHeader& header, const Bytes& record);
  Result<void> replay_batch(const RecordHeader& header, const Bytes& record);
  Result<void> check_tail(const Found& found, std::string_view bytes);
  Result<void> apply_mark();
  Result<void> settle();
  tl::unexpected<Error> damaged(const std::string& path, std::uint64_t offset, const char* what);

  FileSystem& files_;
  const SegmentLogOptions& options_;
  LogDamage& damage_;
  Recovery recovery_;
  std::vector<std::uint64_t> generations_;
  std::vector<Found> found_;  // the newest segments without a gap
  std::optional<MarkBody> mark_;
  std::uint64_t proven_ = 0;       // up to here a record says that the newest segment was synced
  Bytes unproven_;                 // from there to the tail
  std::uint64_t remnant_end_ = 0;  // of old records behind the tail
};

tl::unexpected<Error> Scanner::damaged(const std::string& path, std::uint64_t offset,
                                       const char* what) {
  damage_ = {path, offset, what};
  return fail(Code::corrupt, what, offset);
}

Result<Recovery> Scanner::run() {
  if (auto listed = list(); !listed) return tl::unexpected(listed.error());
  for (const std::uint64_t generation : generations_) {
    auto found = open(generation);
    if (!found) return tl::unexpected(found.error());
    if (!found_.empty() && found_.back().header.generation + 1 != generation) {
      // A purge may have been cut while it renamed segments; whether it was, its mark tells.
      for (const Found& old : found_)
        recovery_.obsolete.push_back(segment_name(old.header.generation));
      found_.clear();
    }
    found_.push_back(std::move(*found));
  }
  if (found_.empty()) return std::move(recovery_);
  recovery_.index = EntryIndex(found_.front().header.first_index);
  recovery_.chain = found_.front().header.chain_start;
  for (std::size_t i = 0; i < found_.size(); ++i) {
    if (auto linked = check_links(i); !linked) return tl::unexpected(linked.error());
    if (auto scanned = scan(i); !scanned) return tl::unexpected(scanned.error());
  }
  if (auto applied = apply_mark(); !applied) return tl::unexpected(applied.error());
  if (auto settled = settle(); !settled) return tl::unexpected(settled.error());
  return std::move(recovery_);
}

Result<void> Scanner::list() {
  auto names = files_.list(options_.directory);
  if (!names) return tl::unexpected(names.error());
  for (const std::string& name : *names) {
    if (SegmentPool::owns(name)) recovery_.spares.push_back(name);
    if (const auto generation = parse_name(name)) generations_.push_back(*generation);
  }
  std::ranges::sort(generations_);
  if (generations_.empty() && options_.creation == Creation::never) {
    return damaged(options_.directory, 0, "the log is missing");
  }
  return {};
}

Result<Found> Scanner::open(std::uint64_t generation) {
  Found found;
  found.path = options_.directory + "/" + segment_name(generation);
  auto file = files_.open(found.path, OpenMode::existing);
  if (!file) return tl::unexpected(file.error());
  found.file = std::move(*file);
  auto block = read_bytes(*found.file, 0, header_block_bytes);
  if (!block) return tl::unexpected(block.error());
  auto header = decode_header(block->view());
  if (!header && header.error().code == Code::corrupt) {
    return damaged(found.path, 0, header.error().what);
  }
  if (!header) return tl::unexpected(header.error());
  found.header = *header;
  if (header->cluster != options_.cluster) {
    return fail(Code::wrong_cluster, "the log belongs to another cluster", header->cluster.value);
  }
  if (header->self != options_.self) {
    return fail(Code::wrong_incarnation, "the log belongs to another node or data directory",
                header->self.id.value);
  }
  auto size = found.file->size_bytes();
  if (!size) return tl::unexpected(size.error());
  if (*size != header->segment_bytes) return damaged(found.path, *size, "a segment was cut short");
  if (header->generation != generation) return damaged(found.path, 0, "a segment was renamed");
  return found;
}

Result<void> Scanner::check_links(std::size_t number) {
  if (number == 0) return {};
  const Found& found = found_[number];
  const Found& before = found_[number - 1];
  if (recovery_.tail != found.header.previous_bytes ||
      recovery_.chain != found.header.chain_start) {
    return damaged(before.path, recovery_.tail, "a record that was durable is damaged");
  }
  if (found.header.first_index != recovery_.index.last() + 1) {
    return damaged(found.path, 0, "a segment does not follow the one before");
  }
  return {};
}

Result<void> Scanner::scan(std::size_t number) {
  const Found& found = found_[number];
  const bool newest = number + 1 == found_.size();
  const std::uint64_t end =
      newest ? found.header.segment_bytes : found_[number + 1].header.previous_bytes;
  if (end > found.header.segment_bytes || end < header_block_bytes) {
    return damaged(found.path, 0, "two segments do not fit together");
  }
  auto bytes = read_bytes(*found.file, 0, end);
  if (!bytes) return tl::unexpected(bytes.error());
  if (bytes->size() != end) return damaged(found.path, bytes->size(), "a segment was cut short");
  const std::uint64_t salt = segment_salt(options_.self, found.header.generation);
  std::uint64_t& at = recovery_.tail;
  at = header_block_bytes;
  proven_ = header_block_bytes;
  while (at < end) {
    const auto header = find_record(bytes->view().substr(at), at, found.header.generation, salt);
    if (!header || header->kind == RecordKind::hint) break;
    if (header->previous != recovery_.chain || at + header->record_bytes() > end) break;
    const Bytes record = bytes->slice(at, header->record_bytes());
    if (!record_intact(*header, record.view(), salt)) break;
    if (auto replayed = replay(found, *header, record); !replayed) return replayed;
    recovery_.chain = header->checksum;
    at += header->record_bytes();
    proven_ = std::max(proven_, header->synced);
  }
  if (!newest) return {};
  if (auto checked = check_tail(found, bytes->view()); !checked) return checked;
  ASPEN_ASSERT(proven_ <= at);
  unproven_ = bytes->slice(proven_, at - proven_);
  return {};
}

Result<void> Scanner::replay(const Found& found, const RecordHeader& header, const Bytes& record) {
  if (header.kind == RecordKind::batch) {
    auto replayed = replay_batch(header, record);
    if (!replayed) return damaged(found.path, header.offset, replayed.error().what);
    return {};
  }
  ASPEN_ASSERT(header.kind == RecordKind::mark);
  auto mark = decode_mark(record.view().substr(record_header_bytes, header.body_bytes));
  if (!mark) return damaged(found.path, header.offset, mark.error().what);
  recovery_.hard_state = mark->hard_state;
  mark_ = std::move(*mark);
  return {};
}

Result<void> Scanner::replay_batch(const RecordHeader& header, const Bytes& record) {
  auto body = decode_batch(header, record);
  if (!body) return tl::unexpected(body.error());
  EntryIndex& index = recovery_.index;
  if (body->reset) {
    // Nothing before this segment is needed any more.
    if (!body->hard_state || body->truncate_from)
      return fail(Code::corrupt, "a reset is malformed");
    mark_ =
        MarkBody{body->reset->purged, header.generation, *body->hard_state, body->reset->config};
    index.reset(std::move(*body->reset));
  }
  if (body->truncate_from) {
    const Index from = *body->truncate_from;
    if (from <= index.purged().index || from > index.last() + 1) {
      return fail(Code::corrupt, "a truncation lies beyond the log");
    }
    index.truncate(from);
  }
  if (body->hard_state) {
    if (body->hard_state->term < recovery_.hard_state.term) {
      return fail(Code::corrupt, "a term goes back");
    }
    recovery_.hard_state = *body->hard_state;
  }
  if (body->entries.empty()) return {};
  if (body->entries.front().id.index != index.last() + 1) {
    return fail(Code::corrupt, "entries are missing");
  }
  Term term = index.runs().empty() ? index.purged().term : index.runs().back().term;
  for (const Entry& entry : body->entries) {
    if (entry.id.term < term) return fail(Code::corrupt, "an entry's term goes back");
    term = entry.id.term;
  }
  index.append(body->entries, {header.generation, static_cast<std::uint32_t>(header.offset),
                               static_cast<std::uint32_t>(header.record_bytes())});
  return {};
}

// Everything from the tail on was written after the last sync, or else something there proves that
// the sync had covered it.
Result<void> Scanner::check_tail(const Found& found, std::string_view bytes) {
  const std::uint64_t salt = segment_salt(options_.self, found.header.generation);
  const std::uint64_t tail = recovery_.tail;
  for (std::uint64_t at = tail; at < bytes.size(); at += record_alignment) {
    const auto header = find_record(bytes.substr(at), at, found.header.generation, salt);
    if (!header) continue;
    if (header->synced > tail) {
      return damaged(found.path, tail, "a record that was durable is damaged");
    }
    proven_ = std::max(proven_, header->synced);
    const std::uint64_t end = std::min(at + header->record_bytes(), std::uint64_t{bytes.size()});
    remnant_end_ = std::max(remnant_end_, end);
    if (at != tail || header->kind != RecordKind::hint) continue;
    const std::string_view record = bytes.substr(at, end - at);
    if (!record_intact(*header, record, salt)) continue;
    auto successor = decode_hint(record.substr(record_header_bytes, header->body_bytes));
    if (!successor) return damaged(found.path, at, successor.error().what);
    if (*successor != 0) return damaged(found.path, at, "the segment after this one is missing");
  }
  return {};
}

Result<void> Scanner::apply_mark() {
  const SegmentHeader& first = found_.front().header;
  const std::uint64_t oldest = mark_ ? mark_->oldest_generation : 1;
  if (first.generation > oldest) {
    return damaged(options_.directory, 0, "the oldest segment that is needed is missing");
  }
  if (!mark_) return {};
  EntryIndex& index = recovery_.index;
  if (mark_->purged.index < index.floor() || mark_->purged.index > index.last()) {
    return damaged(options_.directory, 0, "the log does not reach from its purge mark");
  }
  index.purge(mark_->purged);
  index.set_config_at_purge(std::move(mark_->config));
  std::erase_if(found_, [&](const Found& found) {
    if (found.header.generation >= oldest) return false;
    recovery_.obsolete.push_back(segment_name(found.header.generation));
    return true;
  });
  ASPEN_ASSERT(!found_.empty());
  return {};
}

// A process may have died before it synced, and what it wrote is still only in the kernel's
// memory: what is reported as recovered counts as durable from now on. If a sync failed, the kernel
// takes what it could not write for written, and only writing it again brings it to the disk.
Result<void> Scanner::settle() {
  const Found& newest = found_.back();
  if (!unproven_.empty()) {
    const std::string_view part = unproven_.view();
    if (auto written = newest.file->write(proven_, std::span(&part, 1)); !written) return written;
    unproven_ = {};
  }
  if (remnant_end_ > recovery_.tail) {
    // An old record behind the tail could become part of the chain again, if the new one before it
    // happened to be equal to the lost one.
    const std::string zeros(remnant_end_ - recovery_.tail, '\0');
    const std::string_view part = zeros;
    if (auto zeroed = newest.file->write(recovery_.tail, std::span(&part, 1)); !zeroed) {
      return zeroed;
    }
  }
  if (auto synced = newest.file->sync(); !synced) return synced;
  if (auto synced = files_.sync_directory(options_.directory); !synced) return synced;
  for (Found& found : found_) {
    recovery_.segments.push_back(
        {found.header.generation, std::move(found.file), found.header.segment_bytes});
  }
  return {};
}

}  // namespace

std::string segment_name(std::uint64_t generation) {
  return to_hex(generation) + std::string(segment_suffix);
}

Result<Recovery> recover(FileSystem& files, const SegmentLogOptions& options, LogDamage& damage) {
  return Scanner(files, options, damage).run();
}

}  // namespace aspen::adapter::segment_log
