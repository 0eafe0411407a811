// The file that names the format of the state directory, so that an older program refuses it by
// name instead of misreading it.
#pragma once

#include <cstdint>
#include <string>

#include "node/base/error.h"

namespace rocksdb {
class Env;
class Status;
}  // namespace rocksdb

namespace aspen::adapter::rocksdb {

inline constexpr std::uint64_t state_format = 1;

// Checks the directory's format, and writes it first if the directory is new; then a database in it
// may be opened. Possible errors: unsupported (a newer format; detail: its number), corrupt (a
// database without a format), no_space, io_error.
[[nodiscard]] Result<void> prepare_directory(::rocksdb::Env& env, const std::string& directory);

// Makes creations, renames and removals in it durable.
[[nodiscard]] ::rocksdb::Status sync_directory(::rocksdb::Env& env, const std::string& directory);

// A failed status as an Error: no_space, corrupt or io_error. Precondition: !status.ok().
[[nodiscard]] Error error_of(const ::rocksdb::Status& status) noexcept;

}  // namespace aspen::adapter::rocksdb
