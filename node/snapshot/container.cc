#include "node/snapshot/container.h"

#include <algorithm>
#include <span>
#include <utility>

#include "node/base/assert.h"
#include "node/base/bytes.h"
#include "node/base/limits.h"

namespace aspen::snapshot {
namespace {

constexpr std::uint64_t digest_bytes = sizeof(Digest);

std::uint64_t padding_after(std::uint64_t bytes) noexcept {
  return (container_alignment - bytes % container_alignment) % container_alignment;
}

tl::unexpected<Error> malformed(const char* what, std::uint64_t offset) noexcept {
  return fail(Code::corrupt, what, offset);
}

Result<Manifest> pour(FileSystem& files, const std::string& path, ContainerSink& sink) {
  auto file = files.open(path, OpenMode::existing);
  if (!file) return tl::unexpected(file.error());
  std::string space(limits::snapshot_chunk_bytes, '\0');
  std::uint64_t at = 0;
  while (true) {
    auto got = (*file)->read(at, space);
    if (!got) return tl::unexpected(got.error());
    if (*got == 0) break;
    at += *got;
    if (auto taken = sink.accept(std::string_view(space).substr(0, *got)); !taken) {
      return tl::unexpected(taken.error());
    }
  }
  return sink.finish();
}

}  // namespace

std::uint64_t container_bytes(const Manifest& manifest) {
  const std::uint64_t bytes =
      container_head_bytes + encode(manifest).size() + digest_bytes + manifest.size_bytes();
  return bytes + padding_after(bytes) + digest_bytes;
}

// ---- source

ContainerSource::ContainerSource(FileSystem& files, std::string directory, Manifest manifest)
    : files_(files),
      directory_(std::move(directory)),
      manifest_(std::move(manifest)),
      chunks_(manifest_) {}

Result<std::string> ContainerSource::next() {
  ASPEN_ASSERT(chunk_ <= chunks_.size());
  std::string out;
  switch (stage_) {
    case Stage::head: {
      const std::string manifest = encode(manifest_);
      Writer head;
      head.raw(container_magic).u32(container_format);
      head.u32(static_cast<std::uint32_t>(manifest.size()));
      head.raw(manifest).raw(view(sha256(manifest)));
      out = head.take();
      stage_ = chunks_.size() > 0 ? Stage::content : Stage::end;
      break;
    }
    case Stage::content: {
      auto chunk = next_chunk();
      if (!chunk) return chunk;
      out = std::move(*chunk);
      if (++chunk_ == chunks_.size()) stage_ = Stage::end;
      break;
    }
    case Stage::end:
      out.assign(padding_after(given_bytes_), '\0');
      sum_.update(out);
      out += view(sum_.finish());
      stage_ = Stage::over;
      return out;
    case Stage::over:
      return out;
  }
  ASPEN_ASSERT(!out.empty());
  sum_.update(out);
  given_bytes_ += out.size();
  return out;
}

Result<std::string> ContainerSource::next_chunk() {
  const ChunkPlace place = chunks_.at(chunk_);
  if (!file_ || open_file_ != place.file) {
    auto file =
        files_.open(directory_ + "/" + manifest_.files[place.file].name, OpenMode::existing);
    if (!file) return tl::unexpected(file.error());
    file_ = std::move(*file);
    open_file_ = place.file;
  }
  std::string chunk(place.size_bytes, '\0');
  auto got = file_->read(place.offset, chunk);
  if (!got) return tl::unexpected(got.error());
  if (*got != chunk.size() || hash_content(chunk) != place.hash) {
    return malformed("a file of the snapshot has changed", place.offset);
  }
  ASPEN_ASSERT(chunk.size() <= limits::snapshot_chunk_bytes);
  return chunk;
}

// ---- sink

Result<void> ContainerSink::accept(std::string_view piece) {
  while (!piece.empty()) {
    if (stage_ == Stage::over) return malformed("bytes follow the snapshot's end", taken_bytes_);
    ASPEN_ASSERT(buffer_.size() < wanted_bytes_);
    const std::size_t taken = std::min<std::uint64_t>(piece.size(), wanted_bytes_ - buffer_.size());
    buffer_.append(piece.substr(0, taken));
    piece.remove_prefix(taken);
    if (buffer_.size() < wanted_bytes_) continue;
    taken_bytes_ += buffer_.size();
    if (stage_ != Stage::checksum) sum_.update(buffer_);
    if (auto turned = turn_stage(); !turned) return turned;
    buffer_.clear();
  }
  return {};
}

Result<void> ContainerSink::turn_stage() {
  ASPEN_ASSERT(buffer_.size() == wanted_bytes_);
  switch (stage_) {
    case Stage::head:
      return read_head();
    case Stage::manifest:
      return read_manifest();
    case Stage::content:
      return take_chunk();
    case Stage::padding:
      if (buffer_.find_first_not_of('\0') != std::string::npos) {
        return malformed("the snapshot's padding is not zero", taken_bytes_);
      }
      expected_ = sum_.finish();
      stage_ = Stage::checksum;
      wanted_bytes_ = digest_bytes;
      return {};
    case Stage::checksum:
      if (buffer_ != view(expected_)) {
        return malformed("the snapshot's checksum differs", taken_bytes_);
      }
      stage_ = Stage::over;
      return {};
    case Stage::over:
      break;
  }
  ASPEN_UNREACHABLE();
}

Result<void> ContainerSink::read_head() {
  Reader in(buffer_);
  if (in.raw(container_magic.size()) != container_magic) {
    return malformed("this is no Aspen snapshot", 0);
  }
  const std::uint32_t format = in.u32();
  if (format > container_format) {
    return fail(Code::unsupported, "the snapshot has a newer format than this program", format);
  }
  const std::uint32_t manifest_bytes = in.u32();
  if (format == 0 || manifest_bytes > limits::snapshot_manifest_bytes_max) {
    return malformed("the snapshot's head is malformed", 0);
  }
  ASPEN_ASSERT(in.done());
  stage_ = Stage::manifest;
  wanted_bytes_ = manifest_bytes + digest_bytes;
  return {};
}

Result<void> ContainerSink::read_manifest() {
  ASPEN_ASSERT(buffer_.size() >= digest_bytes);
  const std::string_view text = std::string_view(buffer_).substr(0, buffer_.size() - digest_bytes);
  if (view(sha256(text)) != std::string_view(buffer_).substr(text.size())) {
    return malformed("the snapshot's manifest is damaged", container_head_bytes);
  }
  auto manifest = decode_manifest(text);
  if (!manifest) return tl::unexpected(manifest.error());
  manifest_ = std::move(*manifest);
  chunks_ = std::make_unique<ChunkMap>(manifest_);
  ASPEN_ASSERT(chunk_ == 0 && files_begun_ == 0);
  if (files_ != nullptr) {
    if (auto made = files_->create_directory(directory_); !made) return made;
  }
  if (chunks_->size() > 0) {
    begin_content();
    return {};
  }
  if (auto begun = next_file(); !begun) return begun;
  begin_padding();
  return {};
}

void ContainerSink::begin_content() {
  ASPEN_ASSERT(chunk_ < chunks_->size());
  stage_ = Stage::content;
  wanted_bytes_ = chunks_->at(chunk_).size_bytes;
}

void ContainerSink::begin_padding() {
  stage_ = Stage::padding;
  wanted_bytes_ = padding_after(taken_bytes_);
  if (wanted_bytes_ > 0) return;
  expected_ = sum_.finish();
  stage_ = Stage::checksum;
  wanted_bytes_ = digest_bytes;
}

Result<void> ContainerSink::take_chunk() {
  const ChunkPlace place = chunks_->at(chunk_);
  ASPEN_ASSERT(buffer_.size() == place.size_bytes);
  if (hash_content(buffer_) != place.hash) {
    return malformed("a file of the snapshot is damaged", taken_bytes_ - buffer_.size());
  }
  while (files_begun_ <= place.file) {
    if (auto begun = next_file(); !begun) return begun;
  }
  if (file_) {
    const std::string_view part = buffer_;
    if (auto written = file_->write(place.offset, std::span(&part, 1)); !written) return written;
  }
  if (++chunk_ < chunks_->size()) {
    begin_content();
    return {};
  }
  // Empty files at the end have no chunk.
  if (auto begun = next_file(); !begun) return begun;
  begin_padding();
  return {};
}

// Ends the file under way and begins the next one, or all that are left behind the last chunk.
Result<void> ContainerSink::next_file() {
  ASPEN_ASSERT(files_begun_ <= manifest_.files.size());
  const bool rest = chunk_ >= chunks_->size();
  do {
    if (file_) {
      if (auto synced = file_->sync(); !synced) return synced;
      file_.reset();
    }
    if (files_begun_ == manifest_.files.size()) return {};
    const std::string path = directory_ + "/" + manifest_.files[files_begun_++].name;
    if (files_ == nullptr) continue;
    auto file = files_->open(path, OpenMode::create_new);
    if (!file) return tl::unexpected(file.error());
    file_ = std::move(*file);
  } while (rest);
  return {};
}

Result<Manifest> ContainerSink::finish() {
  if (stage_ != Stage::over) return malformed("the snapshot is cut short", taken_bytes_);
  ASPEN_ASSERT(files_begun_ == manifest_.files.size());
  ASPEN_ASSERT(!file_);
  if (files_ != nullptr) {
    if (auto synced = files_->sync_directory(directory_); !synced) {
      return tl::unexpected(synced.error());
    }
  }
  return std::move(manifest_);
}

// ---- files

Result<void> save_container(FileSystem& files, const std::string& directory,
                            const Manifest& manifest, const std::string& path) {
  auto file = files.open(path, OpenMode::create_new);
  if (!file) return tl::unexpected(file.error());
  ContainerSource source(files, directory, manifest);
  std::uint64_t at = 0;
  while (true) {
    auto bytes = source.next();
    if (!bytes) return tl::unexpected(bytes.error());
    if (bytes->empty()) break;
    const std::string_view part = *bytes;
    if (auto written = (*file)->write(at, std::span(&part, 1)); !written) return written;
    at += bytes->size();
  }
  ASPEN_ASSERT(at == container_bytes(manifest));
  if (auto synced = (*file)->sync(); !synced) return synced;
  const std::size_t slash = path.rfind('/');
  return files.sync_directory(slash == std::string::npos ? "." : path.substr(0, slash));
}

Result<Manifest> verify_container(FileSystem& files, const std::string& path) {
  ContainerSink sink;
  return pour(files, path, sink);
}

Result<Manifest> restore_container(FileSystem& files, const std::string& path,
                                   const std::string& directory) {
  // A damaged file leaves nothing behind.
  if (auto sound = verify_container(files, path); !sound) return sound;
  ContainerSink sink(files, directory);
  return pour(files, path, sink);
}

}  // namespace aspen::snapshot
