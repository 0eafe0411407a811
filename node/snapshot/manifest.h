// What a snapshot holds: the point of the log that it stands for, and its files, cut into chunks of
// limits::snapshot_chunk_bytes that are numbered through all files. The SHA-256 of the encoded
// manifest is the snapshot's digest: two nodes that name the same digest mean the same bytes.
//
// Values and pure functions, but for describe(), which reads files; any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "node/base/bytes.h"
#include "node/base/error.h"
#include "node/base/ids.h"
#include "node/port/file_system.h"
#include "node/snapshot/sha256.h"

namespace aspen::snapshot {

inline constexpr std::uint32_t manifest_format = 1;

// 128 bits: two chunks of the same hash count as the same.
struct ContentHash {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  friend bool operator==(const ContentHash&, const ContentHash&) noexcept = default;
};
[[nodiscard]] ContentHash hash_content(std::string_view content) noexcept;
// Of a whole file, by the hashes of its chunks.
[[nodiscard]] ContentHash hash_chunks(const std::vector<ContentHash>& chunks);

struct ManifestFile {
  std::string name;  // in the snapshot's directory
  std::uint64_t size_bytes = 0;
  ContentHash hash;                 // hash_chunks(chunks)
  std::vector<ContentHash> chunks;  // none of an empty file
  friend bool operator==(const ManifestFile&, const ManifestFile&) = default;
};

// Invariants of a decoded one: names ascend and are plain; counts and sizes fit each other and
// limits.h.
struct Manifest {
  ClusterId cluster;
  LogId id;            // the last entry applied
  LogId config_id;     // of the configuration entry in force there
  std::string config;  // its payload
  std::int64_t revision = 0;
  std::uint64_t state_format = 0;  // of the files' content
  std::vector<ManifestFile> files;
  friend bool operator==(const Manifest&, const Manifest&) = default;

  [[nodiscard]] std::uint64_t size_bytes() const noexcept;  // of all files
};

[[nodiscard]] std::string encode(const Manifest& manifest);
// Possible errors: unsupported (a newer format; detail: its number), corrupt.
[[nodiscard]] Result<Manifest> decode_manifest(std::string_view text);

// Lists, reads and hashes the files of a directory into head.files; one chunk is in memory.
// Possible errors: io_error, not_found, invalid_argument (too many files or bytes).
[[nodiscard]] Result<Manifest> describe(FileSystem& files, const std::string& directory,
                                        Manifest head);

// The same in steps, for who must not be away for long.
class Describer {
 public:
  // `files` outlives it. Precondition: head.files is empty.
  Describer(FileSystem& files, std::string directory, Manifest head);
  // Reads at most `chunks_max` chunks more; true when all is described. Possible errors: as
  // describe().
  [[nodiscard]] Result<bool> step(std::size_t chunks_max);
  // Precondition: step() gave true.
  [[nodiscard]] Manifest take() noexcept { return std::move(manifest_); }

 private:
  [[nodiscard]] Result<void> list();
  // True if the file has ended.
  [[nodiscard]] Result<bool> read_chunk();

  FileSystem& files_;
  const std::string directory_;
  Manifest manifest_;
  std::vector<std::string> names_;
  bool listed_ = false;
  std::unique_ptr<File> file_;  // the one under way, manifest_.files.back()
  std::string space_;
};

// Where a chunk stands.
struct ChunkPlace {
  std::size_t file = 0;  // of the manifest
  std::uint64_t offset = 0;
  std::size_t size_bytes = 0;
  ContentHash hash;
};

// Finds chunks by their number. The manifest outlives it.
class ChunkMap {
 public:
  explicit ChunkMap(const Manifest& manifest);
  [[nodiscard]] std::size_t size() const noexcept { return ends_.empty() ? 0 : ends_.back(); }
  // Precondition: chunk < size().
  [[nodiscard]] ChunkPlace at(std::size_t chunk) const;

 private:
  const Manifest* manifest_;
  std::vector<std::size_t> ends_;  // chunks up to the end of each file
};

}  // namespace aspen::snapshot
