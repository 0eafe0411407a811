// Which of the databases in a state directory is the live one. `LIVE` names it; without it that is
// `db`. A database is taken over in steps, each durable before the next: its files, its place in
// the state directory, the pointer. A process that ends in between leaves the old database live;
// what is not live is removed at the next start.
#pragma once

#include <string>

#include "node/base/error.h"

namespace rocksdb {
class Env;
}

namespace aspen::adapter::rocksdb {

// The path of the live database, which need not exist yet if there was none before.
// Possible errors: corrupt (a malformed pointer, or one to nothing), io_error.
[[nodiscard]] Result<std::string> live_database(::rocksdb::Env& env, const std::string& directory);

// Removes every other database. Possible errors: io_error.
[[nodiscard]] Result<void> remove_others(::rocksdb::Env& env, const std::string& directory,
                                         const std::string& live);

// Makes the files in `source` durable and moves it, which must be on the same file system, into the
// state directory. Gives its path there. Possible errors: no_space, io_error.
[[nodiscard]] Result<std::string> take_over(::rocksdb::Env& env, const std::string& directory,
                                            const std::string& source);

// Atomic, and durable when it returns. Possible errors: no_space and io_error; then either may be
// the live one. Precondition: `database` is a path that take_over() gave.
[[nodiscard]] Result<void> point_to(::rocksdb::Env& env, const std::string& directory,
                                    const std::string& database);

// As far as it can; the next start removes the rest.
void remove_database(::rocksdb::Env& env, const std::string& path) noexcept;

}  // namespace aspen::adapter::rocksdb
