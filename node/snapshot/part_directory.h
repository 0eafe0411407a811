// A snapshot that is being put together: its files in ROOT/<digest>.part, its manifest beside them
// in ROOT/<digest>.manifest. Nothing says which chunks are there but their hashes, so a write that
// was torn or never reached the disk is a chunk that is missing, and no more.
//
// Every call may block; one thread at a time. One chunk and the manifest are in memory.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "node/base/error.h"
#include "node/port/file_system.h"
#include "node/snapshot/manifest.h"

namespace aspen::snapshot {

class PartDirectory {
 public:
  // Nothing is made yet. `files` outlives it.
  PartDirectory(FileSystem& files, std::string root, const Digest& digest);

  // The manifest, if an earlier life has kept a sound one; then manifest() may be used.
  // Possible errors: io_error.
  [[nodiscard]] Result<bool> load();
  // Keeps a manifest, durably. Possible errors: corrupt (not of this digest, malformed),
  // unsupported, no_space, io_error.
  [[nodiscard]] Result<void> keep_manifest(std::string_view text);
  // Precondition: load() gave true or keep_manifest() succeeded. So for all that follow.
  [[nodiscard]] const Manifest& manifest() const noexcept { return *manifest_; }
  [[nodiscard]] const ChunkMap& chunks() const noexcept { return *chunks_; }

  // Which chunks are there, by number. Possible errors: io_error.
  [[nodiscard]] Result<std::vector<bool>> scan();
  // The same for `count` chunks from `first` on, or to the end.
  [[nodiscard]] Result<void> scan_some(std::size_t first, std::size_t count,
                                       std::vector<bool>& there);
  // Now and then a file is synced, so that little is left for the end. Precondition: content has
  // the chunk's size. Possible errors: no_space, io_error.
  [[nodiscard]] Result<void> write(std::size_t chunk, std::string_view content);
  // Checks all content against the manifest and makes it durable: then path() may be installed.
  // Possible errors: corrupt (scan again), no_space, io_error.
  [[nodiscard]] Result<void> finish();
  // finish() without the check, for who has scanned.
  [[nodiscard]] Result<void> seal();
  // Removes everything that is left. Possible errors: io_error.
  [[nodiscard]] Result<void> remove();

  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  [[nodiscard]] Result<void> open(std::size_t file, OpenMode mode);
  [[nodiscard]] Result<bool> present(std::size_t chunk, std::string& space);
  [[nodiscard]] Result<void> finish_file(std::size_t file);
  [[nodiscard]] Result<void> remove_foreign();
  void adopt(Manifest manifest);

  FileSystem& files_;
  const std::string root_;
  const Digest digest_;
  const std::string path_;
  const std::string manifest_path_;
  std::unique_ptr<Manifest> manifest_;
  std::unique_ptr<ChunkMap> chunks_;
  std::unique_ptr<File> file_;  // the one used last
  std::size_t open_file_ = 0;
  std::uint64_t unsynced_bytes_ = 0;  // written to it
};

// Whether the manifest of a snapshot at `id` is kept under `root`: it is from before it is
// installed until the log begins behind it. Possible errors: io_error.
[[nodiscard]] Result<bool> keeps_manifest_of(FileSystem& files, const std::string& root,
                                             const LogId& id);

// Removes what is left of snapshots that the state has: of `applied` and before. Possible errors:
// io_error.
[[nodiscard]] Result<void> remove_parts_up_to(FileSystem& files, const std::string& root,
                                              Index applied);

// Removes what snapshots other than `keep` have left under `root`. Possible errors: io_error.
[[nodiscard]] Result<void> remove_other_parts(FileSystem& files, const std::string& root,
                                              const std::optional<Digest>& keep);

}  // namespace aspen::snapshot
