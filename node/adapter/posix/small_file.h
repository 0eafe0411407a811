// Small files that are replaced as a whole, such as a data directory's identity: a reader after a
// crash finds the old content or the new one, never a mixture.
#pragma once

#include <string>
#include <string_view>

#include "node/base/error.h"
#include "node/port/file_system.h"

namespace aspen::adapter::posix {

// Durable when it returns: writes `path`.new, syncs it, renames it to `path`, syncs the directory.
// Possible errors: no_space, invalid_argument (longer than limits::small_file_bytes_max; nothing
// changed after either), io_error. Blocks.
[[nodiscard]] Result<void> write_small_file(FileSystem& files, const std::string& path,
                                            std::string_view content);

// Possible errors: not_found, io_error, corrupt (longer than limits::small_file_bytes_max). Blocks.
[[nodiscard]] Result<std::string> read_small_file(FileSystem& files, const std::string& path);

}  // namespace aspen::adapter::posix
