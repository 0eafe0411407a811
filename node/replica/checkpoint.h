// A copy of the state in a directory of its own, which is removed when nobody uses it any more.
//
// Immutable; shared by transfers and by clients that save it. Any thread. It must not outlive the
// file system.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "node/base/bytes.h"
#include "node/base/error.h"
#include "node/port/file_system.h"
#include "node/snapshot/manifest.h"

namespace aspen::replica {

class Checkpoint {
 public:
  // Precondition: `directory` holds what `manifest` says.
  Checkpoint(FileSystem& files, std::string directory, snapshot::Manifest manifest);
  ~Checkpoint();
  Checkpoint(const Checkpoint&) = delete;
  Checkpoint& operator=(const Checkpoint&) = delete;

  [[nodiscard]] FileSystem& files() const noexcept { return files_; }
  [[nodiscard]] const std::string& directory() const noexcept { return directory_; }
  [[nodiscard]] const snapshot::Manifest& manifest() const noexcept { return manifest_; }
  [[nodiscard]] const snapshot::Digest& digest() const noexcept { return digest_; }
  [[nodiscard]] const Bytes& encoded() const noexcept { return encoded_; }  // the manifest
  [[nodiscard]] std::uint32_t chunks() const noexcept;
  // Precondition: number < chunks(). Possible errors: io_error, not_found, corrupt (not what it
  // was).
  [[nodiscard]] Result<Bytes> read(std::uint32_t number) const;

 private:
  FileSystem& files_;
  const std::string directory_;
  const snapshot::Manifest manifest_;
  const Bytes encoded_;
  const snapshot::Digest digest_;
  const snapshot::ChunkMap chunks_;
};

// Removes a directory that holds files only. Possible errors: io_error.
[[nodiscard]] Result<void> remove_with_files(FileSystem& files, const std::string& directory);
// Removes what an earlier process has left under `root`. Possible errors: io_error.
[[nodiscard]] Result<void> remove_checkpoints(FileSystem& files, const std::string& root);
// A name that no other boot of the replica gives, as somebody may still read what that one made.
struct CheckpointName {
  std::uint64_t boot = 0;
  std::uint64_t number = 0;
};
[[nodiscard]] std::string checkpoint_directory(const std::string& root, const CheckpointName& name);

}  // namespace aspen::replica
