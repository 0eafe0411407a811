// A snapshot as one file: a head, the manifest and its digest, the content of each file in the
// manifest's order, zeros up to a multiple of 512 bytes, and the SHA-256 of all before, so that
// etcd's client-side check accepts it. Integers are little-endian.
//
// Everything streams: at most one chunk and the manifest are in memory. All calls may block on
// files; one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "node/base/error.h"
#include "node/port/file_system.h"
#include "node/snapshot/manifest.h"
#include "node/snapshot/sha256.h"

namespace aspen::snapshot {

inline constexpr std::string_view container_magic = "ASPENSNP";
inline constexpr std::uint32_t container_format = 1;
inline constexpr std::uint64_t container_head_bytes = 8 + 4 + 4;
inline constexpr std::uint64_t container_alignment = 512;

// The whole file's size.
[[nodiscard]] std::uint64_t container_bytes(const Manifest& manifest);

// Gives a container's bytes from front to back, of a directory that holds the manifest's files.
class ContainerSource {
 public:
  // `files` outlives it.
  ContainerSource(FileSystem& files, std::string directory, Manifest manifest);
  // The next bytes, at most a chunk; empty at the end. Each chunk is compared with its hash.
  // Possible errors: io_error, not_found, corrupt (a file differs from the manifest).
  [[nodiscard]] Result<std::string> next();

 private:
  enum class Stage : std::uint8_t { head, content, end, over };
  [[nodiscard]] Result<std::string> next_chunk();

  FileSystem& files_;
  const std::string directory_;
  const Manifest manifest_;
  const ChunkMap chunks_;
  Stage stage_ = Stage::head;
  std::size_t chunk_ = 0;
  std::size_t open_file_ = 0;
  std::unique_ptr<File> file_;
  Sha256 sum_;
  std::uint64_t given_bytes_ = 0;
};

// Takes a container's bytes in pieces of any size and checks them. With a directory it restores the
// files into it, which must be new.
class ContainerSink {
 public:
  // Verifies only.
  ContainerSink() = default;
  // Restores. `files` outlives it.
  ContainerSink(FileSystem& files, std::string directory)
      : files_(&files), directory_(std::move(directory)) {}
  // Possible errors: corrupt, unsupported (a newer format), no_space, io_error, already_exists.
  [[nodiscard]] Result<void> accept(std::string_view piece);
  // After the last piece; restored files are durable then. Possible errors: as accept().
  [[nodiscard]] Result<Manifest> finish();

 private:
  enum class Stage : std::uint8_t { head, manifest, content, padding, checksum, over };

  // Whether the stage has all its bytes in buffer_.
  [[nodiscard]] Result<void> turn_stage();
  [[nodiscard]] Result<void> read_head();
  [[nodiscard]] Result<void> read_manifest();
  [[nodiscard]] Result<void> take_chunk();
  [[nodiscard]] Result<void> next_file();
  void begin_content();
  void begin_padding();

  FileSystem* files_ = nullptr;
  std::string directory_;
  Stage stage_ = Stage::head;
  std::uint64_t wanted_bytes_ = container_head_bytes;  // of the stage's next step
  std::string buffer_;
  Sha256 sum_;
  std::uint64_t taken_bytes_ = 0;
  Digest expected_{};
  Manifest manifest_;
  std::unique_ptr<ChunkMap> chunks_;
  std::size_t chunk_ = 0;
  std::size_t files_begun_ = 0;
  std::unique_ptr<File> file_;
};

// Writes the snapshot in `directory` to a new file, durably. Possible errors: those of
// ContainerSource, already_exists, no_space.
[[nodiscard]] Result<void> save_container(FileSystem& files, const std::string& directory,
                                          const Manifest& manifest, const std::string& path);
// Possible errors: corrupt, unsupported, not_found, io_error.
[[nodiscard]] Result<Manifest> verify_container(FileSystem& files, const std::string& path);
// Verifies first, then restores into a new directory, durably. Possible errors: those of
// ContainerSink, not_found.
[[nodiscard]] Result<Manifest> restore_container(FileSystem& files, const std::string& path,
                                                 const std::string& directory);

}  // namespace aspen::snapshot
