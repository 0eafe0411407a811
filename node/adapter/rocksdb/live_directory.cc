#include "node/adapter/rocksdb/live_directory.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include <rocksdb/env.h>
#include <rocksdb/status.h>

#include "node/adapter/rocksdb/format_file.h"
#include "node/base/assert.h"

namespace aspen::adapter::rocksdb {
namespace {

constexpr std::string_view first_name = "db";
constexpr std::string_view later_prefix = "db-";

// The number of a database's name, 0 for the first.
std::optional<std::uint64_t> number_of(std::string_view name) noexcept {
  if (name == first_name) return 0;
  if (!name.starts_with(later_prefix)) return std::nullopt;
  const std::string_view digits = name.substr(later_prefix.size());
  std::uint64_t number = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (parsed.ec != std::errc{} || parsed.ptr != digits.data() + digits.size() || number == 0) {
    return std::nullopt;
  }
  return number;
}

std::string name_of(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

Result<std::vector<std::string>> databases(::rocksdb::Env& env, const std::string& directory) {
  std::vector<std::string> names;
  const auto listed = env.GetChildren(directory, &names);
  if (!listed.ok()) return tl::unexpected(error_of(listed));
  std::erase_if(names, [](const std::string& name) { return !number_of(name); });
  std::ranges::sort(names);
  return names;
}

::rocksdb::Status sync_files(::rocksdb::Env& env, const std::string& directory) {
  std::vector<std::string> names;
  auto status = env.GetChildren(directory, &names);
  for (const std::string& name : names) {
    if (!status.ok()) return status;
    if (name == "." || name == "..") continue;
    std::unique_ptr<::rocksdb::WritableFile> file;
    status = env.ReopenWritableFile(directory + "/" + name, &file, {});
    if (status.ok()) status = file->Fsync();
    if (status.ok()) status = file->Close();
  }
  return status.ok() ? sync_directory(env, directory) : status;
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

}  // namespace

Result<std::string> live_database(::rocksdb::Env& env, const std::string& directory) {
  std::string text;
  const auto read = ::rocksdb::ReadFileToString(&env, directory + "/LIVE", &text);
  if (read.IsNotFound() || read.IsPathNotFound()) return directory + "/" + std::string(first_name);
  if (!read.ok()) return tl::unexpected(error_of(read));
  const bool whole = text.ends_with('\n');
  if (whole) text.pop_back();
  if (!whole || !number_of(text)) {
    return fail(Code::corrupt, "state directory: malformed LIVE file");
  }
  const std::string path = directory + "/" + text;
  if (!env.FileExists(path).ok()) {
    return fail(Code::corrupt, "state directory: the database that LIVE names is missing");
  }
  return path;
}

Result<void> remove_others(::rocksdb::Env& env, const std::string& directory,
                           const std::string& live) {
  const auto names = databases(env, directory);
  if (!names) return tl::unexpected(names.error());
  for (const std::string& name : *names) {
    if (name != name_of(live)) remove_database(env, directory + "/" + name);
  }
  return {};
}

Result<std::string> take_over(::rocksdb::Env& env, const std::string& directory,
                              const std::string& source) {
  const auto names = databases(env, directory);
  if (!names) return tl::unexpected(names.error());
  std::uint64_t number = 0;
  for (const std::string& name : *names) number = std::max(number, number_of(name).value_or(0));
  const std::string path = directory + "/" + std::string(later_prefix) + std::to_string(number + 1);
  auto status = sync_files(env, source);
  if (status.ok()) status = env.RenameFile(source, path);
  if (status.ok()) status = sync_directory(env, directory);
  if (status.ok()) status = sync_directory(env, parent_of(source));
  if (!status.ok()) return tl::unexpected(error_of(status));
  return path;
}

Result<void> point_to(::rocksdb::Env& env, const std::string& directory,
                      const std::string& database) {
  ASPEN_ASSERT(number_of(name_of(database)).value_or(0) > 0);
  const std::string path = directory + "/LIVE";
  constexpr bool synced = true;
  auto status = ::rocksdb::WriteStringToFile(&env, name_of(database) + "\n", path + ".new", synced);
  if (status.ok()) status = env.RenameFile(path + ".new", path);
  if (status.ok()) status = sync_directory(env, directory);
  if (!status.ok()) return tl::unexpected(error_of(status));
  return {};
}

void remove_database(::rocksdb::Env& env, const std::string& path) noexcept {
  std::vector<std::string> names;
  if (!env.GetChildren(path, &names).ok()) return;
  for (const std::string& name : names) {
    if (name != "." && name != "..") env.DeleteFile(path + "/" + name).PermitUncheckedError();
  }
  env.DeleteDir(path).PermitUncheckedError();
}

}  // namespace aspen::adapter::rocksdb
