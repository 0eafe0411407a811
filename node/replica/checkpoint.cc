#include "node/replica/checkpoint.h"

#include <utility>

#include "node/base/assert.h"

namespace aspen::replica {

namespace {
constexpr std::string_view suffix = ".checkpoint";
}  // namespace

Checkpoint::Checkpoint(FileSystem& files, std::string directory, snapshot::Manifest manifest)
    : files_(files),
      directory_(std::move(directory)),
      manifest_(std::move(manifest)),
      encoded_(snapshot::encode(manifest_)),
      digest_(snapshot::sha256(encoded_.view())),
      chunks_(manifest_) {
  ASPEN_ASSERT(manifest_.id.index.value > 0);
}

Checkpoint::~Checkpoint() {
  // What is left is removed at the next start.
  ASPEN_MAYBE(remove_with_files(files_, directory_));
}

std::uint32_t Checkpoint::chunks() const noexcept {
  return static_cast<std::uint32_t>(chunks_.size());
}

Result<Bytes> Checkpoint::read(std::uint32_t number) const {
  const snapshot::ChunkPlace place = chunks_.at(number);
  const std::string path = directory_ + "/" + manifest_.files[place.file].name;
  const auto file = files_.open(path, OpenMode::existing);
  if (!file) return tl::unexpected<Error>(file.error());
  BytesBuilder content(place.size_bytes);
  const auto got = (*file)->read(place.offset, content.spare());
  if (!got) return tl::unexpected<Error>(got.error());
  if (*got != place.size_bytes) return fail(Code::corrupt, "a file of a checkpoint is too short");
  content.filled(*got);
  ASPEN_ASSERT(content.left() == 0);
  Bytes chunk = content.finish();
  // What is not what it was must not be offered again and again.
  if (snapshot::hash_content(chunk.view()) != place.hash) {
    return fail(Code::corrupt, "a file of a checkpoint has changed");
  }
  return chunk;
}

Result<void> remove_with_files(FileSystem& files, const std::string& directory) {
  const auto names = files.list(directory);
  if (!names && names.error().code == Code::not_found) return {};
  if (!names) return tl::unexpected<Error>(names.error());
  for (const std::string& name : *names) {
    if (auto removed = files.remove(directory + "/" + name); !removed) return removed;
  }
  return files.remove_directory(directory);
}

Result<void> remove_checkpoints(FileSystem& files, const std::string& root) {
  const auto names = files.list_directories(root);
  if (!names) return tl::unexpected<Error>(names.error());
  for (const std::string& name : *names) {
    if (!name.ends_with(suffix)) continue;
    if (auto removed = remove_with_files(files, root + "/" + name); !removed) return removed;
  }
  return {};
}

std::string checkpoint_directory(const std::string& root, const CheckpointName& name) {
  ASPEN_ASSERT(!root.empty());
  return root + "/" + to_hex(name.boot) + "-" + std::to_string(name.number) + std::string(suffix);
}

}  // namespace aspen::replica
