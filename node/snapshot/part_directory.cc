#include "node/snapshot/part_directory.h"

#include <algorithm>
#include <span>
#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"

namespace aspen::snapshot {
namespace {

constexpr std::string_view part_suffix = ".part";
constexpr std::string_view manifest_suffix = ".manifest";
constexpr std::string_view unfinished_suffix = ".new";
constexpr std::uint64_t unsynced_bytes_max = 16 * limits::snapshot_chunk_bytes;

Result<std::optional<Manifest>> read_manifest(FileSystem& files, const std::string& path) {
  auto file = files.open(path, OpenMode::existing);
  if (!file) return tl::unexpected(file.error());
  const auto size = (*file)->size_bytes();
  if (!size) return tl::unexpected(size.error());
  if (*size > limits::snapshot_manifest_bytes_max) return std::optional<Manifest>();
  std::string text(*size, '\0');
  const auto got = (*file)->read(0, text);
  if (!got) return tl::unexpected(got.error());
  auto manifest = decode_manifest(text);
  if (!manifest) return std::optional<Manifest>();
  return std::optional<Manifest>(std::move(*manifest));
}

Result<void> remove_if_there(FileSystem& files, const std::string& path) {
  auto removed = files.remove(path);
  if (!removed && removed.error().code == Code::not_found) return {};
  return removed;
}

Result<void> remove_files(FileSystem& files, const std::string& directory) {
  auto names = files.list(directory);
  if (!names && names.error().code == Code::not_found) return {};
  if (!names) return tl::unexpected(names.error());
  for (const std::string& name : *names) {
    if (auto removed = files.remove(directory + "/" + name); !removed) return removed;
  }
  auto removed = files.remove_directory(directory);
  if (!removed && removed.error().code == Code::not_found) return {};
  return removed;
}

}  // namespace

PartDirectory::PartDirectory(FileSystem& files, std::string root, const Digest& digest)
    : files_(files),
      root_(std::move(root)),
      digest_(digest),
      path_(root_ + "/" + to_hex(digest) + std::string(part_suffix)),
      manifest_path_(root_ + "/" + to_hex(digest) + std::string(manifest_suffix)) {}

void PartDirectory::adopt(Manifest manifest) {
  manifest_ = std::make_unique<Manifest>(std::move(manifest));
  chunks_ = std::make_unique<ChunkMap>(*manifest_);
}

Result<bool> PartDirectory::load() {
  auto file = files_.open(manifest_path_, OpenMode::existing);
  if (!file && file.error().code == Code::not_found) return false;
  if (!file) return tl::unexpected(file.error());
  const auto size = (*file)->size_bytes();
  if (!size) return tl::unexpected(size.error());
  if (*size > limits::snapshot_manifest_bytes_max) return false;
  std::string text(*size, '\0');
  const auto got = (*file)->read(0, text);
  if (!got) return tl::unexpected(got.error());
  ASPEN_ASSERT(*got <= text.size());
  if (sha256(text) != digest_) return false;
  auto manifest = decode_manifest(text);
  if (!manifest) return false;
  adopt(std::move(*manifest));
  ASPEN_ASSERT(manifest_ != nullptr);
  return true;
}

Result<void> PartDirectory::keep_manifest(std::string_view text) {
  if (sha256(text) != digest_) return fail(Code::corrupt, "a manifest is not that of its digest");
  auto manifest = decode_manifest(text);
  if (!manifest) return tl::unexpected(manifest.error());
  if (auto made = files_.create_directory(path_); !made) return made;
  const std::string fresh = manifest_path_ + std::string(unfinished_suffix);
  if (auto removed = remove_if_there(files_, fresh); !removed) return removed;
  auto file = files_.open(fresh, OpenMode::create_new);
  if (!file) return tl::unexpected(file.error());
  ASPEN_ASSERT(text.size() <= limits::snapshot_manifest_bytes_max);
  if (auto written = (*file)->write(0, std::span(&text, 1)); !written) return written;
  if (auto synced = (*file)->sync(); !synced) return synced;
  if (auto renamed = files_.rename(fresh, manifest_path_); !renamed) return renamed;
  if (auto synced = files_.sync_directory(root_); !synced) return synced;
  adopt(std::move(*manifest));
  ASPEN_ASSERT(manifest_ != nullptr);
  return {};
}

Result<void> PartDirectory::open(std::size_t file, OpenMode mode) {
  ASPEN_ASSERT(file < manifest_->files.size());
  if (file_ && open_file_ == file) return {};
  auto opened = files_.open(path_ + "/" + manifest_->files[file].name, mode);
  if (!opened) return tl::unexpected(opened.error());
  file_ = std::move(*opened);
  open_file_ = file;
  return {};
}

Result<bool> PartDirectory::present(std::size_t chunk, std::string& space) {
  const ChunkPlace place = chunks_->at(chunk);
  auto opened = open(place.file, OpenMode::existing);
  if (!opened && opened.error().code == Code::not_found) return false;
  if (!opened) return tl::unexpected(opened.error());
  space.resize(place.size_bytes);
  const auto got = file_->read(place.offset, space);
  if (!got) return tl::unexpected(got.error());
  ASPEN_ASSERT(*got <= place.size_bytes);
  return *got == place.size_bytes && hash_content(space) == place.hash;
}

Result<std::vector<bool>> PartDirectory::scan() {
  ASPEN_ASSERT(manifest_ != nullptr);
  if (auto made = files_.create_directory(path_); !made) return tl::unexpected(made.error());
  std::vector<bool> there(chunks_->size());
  if (auto scanned = scan_some(0, there.size(), there); !scanned) {
    return tl::unexpected(scanned.error());
  }
  return there;
}

Result<void> PartDirectory::scan_some(std::size_t first, std::size_t count,
                                      std::vector<bool>& there) {
  ASPEN_ASSERT(there.size() == chunks_->size());
  std::string space;
  const std::size_t end = std::min(there.size(), first + count);
  for (std::size_t chunk = first; chunk < end; ++chunk) {
    const auto found = present(chunk, space);
    if (!found) return tl::unexpected(found.error());
    there[chunk] = *found;
  }
  return {};
}

Result<void> PartDirectory::write(std::size_t chunk, std::string_view content) {
  const ChunkPlace place = chunks_->at(chunk);
  ASPEN_ASSERT(content.size() == place.size_bytes);
  const bool leaves = file_ && open_file_ != place.file;
  if (unsynced_bytes_ >= unsynced_bytes_max || (leaves && unsynced_bytes_ > 0)) {
    if (auto synced = file_->sync(); !synced) return synced;
    unsynced_bytes_ = 0;
  }
  auto opened = open(place.file, OpenMode::existing);
  if (!opened && opened.error().code == Code::not_found) {
    opened = open(place.file, OpenMode::create_new);
  }
  if (!opened) return opened;
  unsynced_bytes_ += content.size();
  return file_->write(place.offset, std::span(&content, 1));
}

Result<void> PartDirectory::finish() {
  ASPEN_ASSERT(manifest_ != nullptr);
  std::string space;
  for (std::size_t chunk = 0; chunk < chunks_->size(); ++chunk) {
    const auto found = present(chunk, space);
    if (!found) return tl::unexpected(found.error());
    if (!*found) return fail(Code::corrupt, "a chunk of the snapshot is missing", chunk);
  }
  return seal();
}

Result<void> PartDirectory::seal() {
  ASPEN_ASSERT(manifest_ != nullptr);
  unsynced_bytes_ = 0;
  if (auto removed = remove_foreign(); !removed) return removed;
  for (std::size_t file = 0; file < manifest_->files.size(); ++file) {
    if (auto finished = finish_file(file); !finished) return finished;
  }
  file_.reset();
  ASPEN_ASSERT(chunks_->size() <= limits::snapshot_chunks_max);
  if (auto synced = files_.sync_directory(path_); !synced) return synced;
  return files_.sync_directory(root_);
}

Result<void> PartDirectory::finish_file(std::size_t file) {
  auto opened = open(file, OpenMode::existing);
  if (!opened && opened.error().code == Code::not_found) {
    // It is empty: a chunk of it would have made it.
    ASPEN_ASSERT(manifest_->files[file].size_bytes == 0);
    opened = open(file, OpenMode::create_new);
  }
  if (!opened) return opened;
  const auto size = file_->size_bytes();
  if (!size) return tl::unexpected(size.error());
  if (*size != manifest_->files[file].size_bytes) {
    file_.reset();
    if (auto removed = files_.remove(path_ + "/" + manifest_->files[file].name); !removed) {
      return removed;
    }
    return fail(Code::corrupt, "a file of the snapshot is longer than it should be");
  }
  ASPEN_ASSERT(open_file_ == file);
  return file_->sync();
}

Result<void> PartDirectory::remove_foreign() {
  const auto names = files_.list(path_);
  if (!names) return tl::unexpected(names.error());
  for (const std::string& name : *names) {
    const bool known = std::ranges::binary_search(manifest_->files, name, {}, &ManifestFile::name);
    if (known) continue;
    if (auto removed = files_.remove(path_ + "/" + name); !removed) return removed;
  }
  ASPEN_ASSERT(chunks_ != nullptr);
  return {};
}

Result<void> PartDirectory::remove() {
  file_.reset();
  if (auto removed = remove_files(files_, path_); !removed) return removed;
  if (auto removed = remove_if_there(files_, manifest_path_); !removed) return removed;
  ASPEN_ASSERT(!file_);
  return files_.sync_directory(root_);
}

Result<bool> keeps_manifest_of(FileSystem& files, const std::string& root, const LogId& id) {
  ASPEN_ASSERT(id.index.value > 0);
  const auto names = files.list(root);
  if (!names && names.error().code == Code::not_found) return false;
  if (!names) return tl::unexpected(names.error());
  for (const std::string& name : *names) {
    if (!name.ends_with(manifest_suffix)) continue;
    const auto manifest = read_manifest(files, root + "/" + name);
    if (!manifest) return tl::unexpected(manifest.error());
    if (*manifest && (*manifest)->id == id) return true;
  }
  return false;
}

Result<void> remove_parts_up_to(FileSystem& files, const std::string& root, Index applied) {
  const auto names = files.list(root);
  if (!names && names.error().code == Code::not_found) return {};
  if (!names) return tl::unexpected(names.error());
  for (const std::string& name : *names) {
    if (!name.ends_with(manifest_suffix)) continue;
    const auto manifest = read_manifest(files, root + "/" + name);
    if (!manifest) return tl::unexpected(manifest.error());
    if (!*manifest || (*manifest)->id.index > applied) continue;
    PartDirectory part(files, root, sha256(encode(**manifest)));
    if (auto removed = part.remove(); !removed) return removed;
  }
  return {};
}

Result<void> remove_other_parts(FileSystem& files, const std::string& root,
                                const std::optional<Digest>& keep) {
  const std::string kept = keep ? to_hex(*keep) : std::string("none");
  const auto directories = files.list_directories(root);
  if (!directories) return tl::unexpected(directories.error());
  for (const std::string& name : *directories) {
    if (!name.ends_with(part_suffix) || name.starts_with(kept)) continue;
    if (auto removed = remove_files(files, root + "/" + name); !removed) return removed;
  }
  const auto names = files.list(root);
  if (!names) return tl::unexpected(names.error());
  for (const std::string& name : *names) {
    const bool ours = name.ends_with(manifest_suffix) || name.ends_with(unfinished_suffix);
    if (!ours || name.starts_with(kept)) continue;
    if (auto removed = files.remove(root + "/" + name); !removed) return removed;
  }
  ASPEN_ASSERT(!kept.empty());
  ASPEN_ASSERT(directories->size() + names->size() < SIZE_MAX);
  return files.sync_directory(root);
}

}  // namespace aspen::snapshot
