// The file operations that durable storage of our own needs: whole-file allocation, positioned
// gathered writes, explicit syncs of data and of directories. Nothing is durable before the sync
// that covers it returned: a crash may keep any part of what was written since, sector by sector,
// and directory entries likewise.
//
// Owner: the assembly; it outlives its users. Any thread may call; calls on one File may overlap,
// except that writes to the same bytes are the caller's to order. Every call may block.
//
// Possible errors, unless a function says otherwise: no_space (a full disk or quota), not_found,
// io_error (everything else; the affected bytes are then of unknown content). detail: errno.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "node/base/error.h"

namespace aspen {

// An open regular file. It stays readable after its name was removed, until it is closed.
class File {
 public:
  virtual ~File() = default;

  // Writes all parts, one behind the other, from `offset` on. After an error any part of them may
  // have been written.
  [[nodiscard]] virtual Result<void> write(std::uint64_t offset,
                                           std::span<const std::string_view> parts) = 0;
  // The number of bytes read: less than asked for only at the end of the file.
  [[nodiscard]] virtual Result<std::size_t> read(std::uint64_t offset,
                                                 std::span<char> space) const = 0;
  // Makes the file's data and size durable, not its name. A failed sync is never retried.
  [[nodiscard]] virtual Result<void> sync() = 0;
  // Makes an empty file `size_bytes` long, filled with zeros that were really written, so that
  // overwriting them needs no space and a sync of them changes no metadata. Not durable yet.
  // After an error the file is best removed.
  [[nodiscard]] virtual Result<void> allocate_zeroed(std::uint64_t size_bytes) = 0;
  [[nodiscard]] virtual Result<std::uint64_t> size_bytes() const = 0;
};

// Held until destruction or the end of the process.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

enum class OpenMode : std::uint8_t {
  existing,    // for reading and writing; not_found if there is none
  create_new,  // already_exists if there is one
};

// Paths are those of the host; their last part names the object in its directory.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // Possible errors: already_exists besides those above.
  [[nodiscard]] virtual Result<std::unique_ptr<File>> open(const std::string& path,
                                                           OpenMode mode) = 0;
  // Replaces `to` if it exists. Atomic, not durable before sync_directory. A directory is renamed
  // with what is in it.
  [[nodiscard]] virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  [[nodiscard]] virtual Result<void> remove(const std::string& path) = 0;
  // Creates missing parents too; it is no error if the directory exists.
  [[nodiscard]] virtual Result<void> create_directory(const std::string& path) = 0;
  // Names of the regular files in a directory, ascending.
  [[nodiscard]] virtual Result<std::vector<std::string>> list(const std::string& path) = 0;
  // Names of the directories in it, ascending.
  [[nodiscard]] virtual Result<std::vector<std::string>> list_directories(
      const std::string& path) = 0;
  // Precondition: nothing is in it.
  [[nodiscard]] virtual Result<void> remove_directory(const std::string& path) = 0;
  // Makes creations, renames and removals in this directory durable.
  [[nodiscard]] virtual Result<void> sync_directory(const std::string& path) = 0;
  // What an unprivileged process may still allocate on the file system of `path`.
  [[nodiscard]] virtual Result<std::uint64_t> free_bytes(const std::string& path) = 0;
  // Creates the file if needed. Possible errors: unavailable (somebody else holds it).
  [[nodiscard]] virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
};

}  // namespace aspen
