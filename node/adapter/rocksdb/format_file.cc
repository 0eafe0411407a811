#include "node/adapter/rocksdb/format_file.h"

#include <charconv>
#include <memory>
#include <string_view>

#include <rocksdb/env.h>
#include <rocksdb/status.h>

#include "node/base/assert.h"

namespace aspen::adapter::rocksdb {
namespace {

constexpr std::string_view prefix = "aspen-state ";

Result<std::uint64_t> parse(std::string_view text) {
  std::uint64_t number = 0;
  if (!text.starts_with(prefix) || !text.ends_with('\n')) {
    return fail(Code::corrupt, "state directory: malformed FORMAT file");
  }
  text.remove_prefix(prefix.size());
  text.remove_suffix(1);
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size() || number == 0) {
    return fail(Code::corrupt, "state directory: malformed FORMAT file");
  }
  return number;
}

::rocksdb::Status write_format(::rocksdb::Env& env, const std::string& directory) {
  const std::string path = directory + "/FORMAT";
  const std::string text = std::string(prefix) + std::to_string(state_format) + "\n";
  constexpr bool synced = true;
  auto status = ::rocksdb::WriteStringToFile(&env, text, path + ".new", synced);
  if (status.ok()) status = env.RenameFile(path + ".new", path);
  if (status.ok()) status = sync_directory(env, directory);
  return status;
}

}  // namespace

::rocksdb::Status sync_directory(::rocksdb::Env& env, const std::string& directory) {
  std::unique_ptr<::rocksdb::Directory> opened;
  auto status = env.NewDirectory(directory, &opened);
  if (status.ok()) status = opened->Fsync();
  return status;
}

Error error_of(const ::rocksdb::Status& status) noexcept {
  ASPEN_ASSERT(!status.ok());
  if (status.IsNoSpace()) return {Code::no_space, "state store: the disk is full"};
  if (status.IsCorruption()) return {Code::corrupt, "state store: damaged data"};
  return {Code::io_error, "state store: I/O failed"};
}

Result<void> prepare_directory(::rocksdb::Env& env, const std::string& directory) {
  if (const auto made = env.CreateDirIfMissing(directory); !made.ok()) {
    return tl::unexpected(error_of(made));
  }
  std::string text;
  const auto read = ::rocksdb::ReadFileToString(&env, directory + "/FORMAT", &text);
  if (read.IsNotFound() || read.IsPathNotFound()) {
    if (env.FileExists(directory + "/db").ok() || env.FileExists(directory + "/LIVE").ok()) {
      return fail(Code::corrupt, "state directory: a database without a FORMAT file");
    }
    if (const auto written = write_format(env, directory); !written.ok()) {
      return tl::unexpected(error_of(written));
    }
    return {};
  }
  if (!read.ok()) return tl::unexpected(error_of(read));
  const auto format = parse(text);
  if (!format) return tl::unexpected(format.error());
  if (*format > state_format) {
    return fail(Code::unsupported, "state directory: a newer format, upgrade this node", *format);
  }
  ASPEN_ASSERT(*format == state_format);
  return {};
}

}  // namespace aspen::adapter::rocksdb
