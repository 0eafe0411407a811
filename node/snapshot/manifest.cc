#include "node/snapshot/manifest.h"

#include <algorithm>
#include <utility>

#include "node/base/assert.h"
#include "node/base/checksum.h"
#include "node/base/limits.h"

namespace aspen::snapshot {
namespace {

constexpr std::uint64_t seed_high = 0x9e3779b97f4a7c15;
constexpr std::uint64_t seed_low = 0xc2b2ae3d27d4eb4f;
// A longer file would overflow sums of sizes.
constexpr std::uint64_t file_bytes_max = std::uint64_t{1} << 50U;

std::uint64_t chunks_of(std::uint64_t size_bytes) noexcept {
  return (size_bytes + limits::snapshot_chunk_bytes - 1) / limits::snapshot_chunk_bytes;
}

bool plain(std::string_view name) noexcept {
  if (name.empty() || name.size() > limits::snapshot_name_bytes_max) return false;
  if (name == "." || name == "..") return false;
  return name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

void put(Writer& out, const ContentHash& hash) {
  out.u64(hash.high).u64(hash.low);
}

ContentHash get_hash(Reader& in) {
  ContentHash hash;
  hash.high = in.u64();
  hash.low = in.u64();
  return hash;
}

LogId get_id(Reader& in) {
  LogId id;
  id.term = Term(in.u64());
  id.index = Index(in.u64());
  return id;
}

// Fails the reader if the file is not sound.
ManifestFile get_file(Reader& in) {
  ManifestFile file;
  file.name = in.bytes();
  file.size_bytes = in.u64();
  file.hash = get_hash(in);
  const bool sound = plain(file.name) && file.size_bytes <= file_bytes_max;
  if (!sound || in.left() / sizeof(ContentHash) < chunks_of(file.size_bytes)) {
    in.fail();
    return file;
  }
  file.chunks.reserve(chunks_of(file.size_bytes));
  for (std::uint64_t n = chunks_of(file.size_bytes); n > 0; --n) {
    file.chunks.push_back(get_hash(in));
  }
  if (file.hash != hash_chunks(file.chunks)) in.fail();
  return file;
}

}  // namespace

ContentHash hash_content(std::string_view content) noexcept {
  return {checksum64(content, seed_high), checksum64(content, seed_low)};
}

ContentHash hash_chunks(const std::vector<ContentHash>& chunks) {
  Writer all;
  for (const ContentHash& chunk : chunks) put(all, chunk);
  return hash_content(all.view());
}

std::uint64_t Manifest::size_bytes() const noexcept {
  std::uint64_t bytes = 0;
  for (const ManifestFile& file : files) bytes += file.size_bytes;
  return bytes;
}

std::string encode(const Manifest& manifest) {
  ASPEN_ASSERT(manifest.files.size() <= limits::snapshot_files_max);
  Writer out;
  out.u32(manifest_format).u64(manifest.cluster.value);
  out.u64(manifest.id.term.value).u64(manifest.id.index.value);
  out.u64(manifest.config_id.term.value).u64(manifest.config_id.index.value);
  out.bytes(manifest.config).u64(static_cast<std::uint64_t>(manifest.revision));
  out.u64(manifest.state_format).varint(manifest.files.size());
  for (const ManifestFile& file : manifest.files) {
    ASPEN_ASSERT(file.chunks.size() == chunks_of(file.size_bytes));
    out.bytes(file.name).u64(file.size_bytes);
    put(out, file.hash);
    for (const ContentHash& chunk : file.chunks) put(out, chunk);
  }
  return out.take();
}

Result<Manifest> decode_manifest(std::string_view text) {
  Reader in(text);
  const std::uint32_t format = in.u32();
  if (in.ok() && format > manifest_format) {
    return fail(Code::unsupported, "the snapshot has a newer format than this program", format);
  }
  Manifest manifest;
  manifest.cluster = ClusterId(in.u64());
  manifest.id = get_id(in);
  manifest.config_id = get_id(in);
  manifest.config = in.bytes();
  manifest.revision = static_cast<std::int64_t>(in.u64());
  manifest.state_format = in.u64();
  const std::uint64_t count = in.varint();
  if (format != manifest_format || count > limits::snapshot_files_max ||
      text.size() > limits::snapshot_manifest_bytes_max) {
    return fail(Code::corrupt, "the snapshot's manifest is malformed");
  }
  for (std::uint64_t i = 0; in.ok() && i < count; ++i) {
    ManifestFile file = get_file(in);
    if (!manifest.files.empty() && file.name <= manifest.files.back().name) in.fail();
    manifest.files.push_back(std::move(file));
  }
  if (!in.done()) return fail(Code::corrupt, "the snapshot's manifest is malformed");
  ASPEN_ASSERT(manifest.files.size() == count);
  return manifest;
}

Describer::Describer(FileSystem& files, std::string directory, Manifest head)
    : files_(files),
      directory_(std::move(directory)),
      manifest_(std::move(head)),
      space_(limits::snapshot_chunk_bytes, '\0') {
  ASPEN_ASSERT(manifest_.files.empty());
}

Result<void> Describer::list() {
  auto names = files_.list(directory_);
  if (!names) return tl::unexpected(names.error());
  if (names->size() > limits::snapshot_files_max) {
    return fail(Code::invalid_argument, "a snapshot has at most 16384 files", names->size());
  }
  names_ = std::move(*names);
  listed_ = true;
  return {};
}

Result<bool> Describer::read_chunk() {
  ASPEN_ASSERT(file_ != nullptr);
  ManifestFile& out = manifest_.files.back();
  auto got = file_->read(out.size_bytes, space_);
  if (!got) return tl::unexpected(got.error());
  if (*got > 0) out.chunks.push_back(hash_content(std::string_view(space_).substr(0, *got)));
  out.size_bytes += *got;
  if (*got == space_.size()) return false;
  ASPEN_ASSERT(out.chunks.size() == chunks_of(out.size_bytes));
  out.hash = hash_chunks(out.chunks);
  return true;
}

Result<bool> Describer::step(std::size_t chunks_max) {
  ASPEN_ASSERT(chunks_max > 0);
  if (!listed_) {
    if (auto done = list(); !done) return tl::unexpected(done.error());
  }
  for (std::size_t i = 0; i < chunks_max; ++i) {
    const std::size_t begun = manifest_.files.size();
    if (file_ == nullptr && begun == names_.size()) break;
    if (file_ == nullptr) {
      auto file = files_.open(directory_ + "/" + names_[begun], OpenMode::existing);
      if (!file) return tl::unexpected(file.error());
      file_ = std::move(*file);
      manifest_.files.emplace_back().name = names_[begun];
    }
    const auto ended = read_chunk();
    if (!ended) return tl::unexpected(ended.error());
    if (*ended) file_.reset();
  }
  ASPEN_ASSERT(manifest_.files.size() <= names_.size());
  if (file_ != nullptr || manifest_.files.size() < names_.size()) return false;
  if (encode(manifest_).size() > limits::snapshot_manifest_bytes_max) {
    return fail(Code::invalid_argument, "a snapshot has at most some 800 GiB");
  }
  return true;
}

Result<Manifest> describe(FileSystem& files, const std::string& directory, Manifest head) {
  Describer describer(files, directory, std::move(head));
  constexpr std::size_t at_once = 1024;
  for (;;) {
    const auto done = describer.step(at_once);
    if (!done) return tl::unexpected(done.error());
    if (*done) return describer.take();
  }
}

ChunkMap::ChunkMap(const Manifest& manifest) : manifest_(&manifest) {
  std::size_t end = 0;
  for (const ManifestFile& file : manifest.files) {
    end += file.chunks.size();
    ends_.push_back(end);
  }
  ASPEN_ASSERT(end <= limits::snapshot_chunks_max);
}

ChunkPlace ChunkMap::at(std::size_t chunk) const {
  ASPEN_ASSERT(chunk < size());
  const auto end = std::ranges::upper_bound(ends_, chunk);
  ChunkPlace place;
  place.file = static_cast<std::size_t>(end - ends_.begin());
  const ManifestFile& file = manifest_->files[place.file];
  const std::size_t number = chunk - (*end - file.chunks.size());
  place.offset = std::uint64_t{number} * limits::snapshot_chunk_bytes;
  place.size_bytes =
      std::min<std::uint64_t>(limits::snapshot_chunk_bytes, file.size_bytes - place.offset);
  place.hash = file.chunks[number];
  ASPEN_ASSERT(place.size_bytes > 0);
  return place;
}

}  // namespace aspen::snapshot
