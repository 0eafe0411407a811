#include "node/adapter/posix/small_file.h"

#include "node/base/limits.h"

namespace aspen::adapter::posix {
namespace {

Result<void> write_new(FileSystem& files, const std::string& path, std::string_view content) {
  auto file = files.open(path, OpenMode::create_new);
  if (!file) return tl::unexpected(file.error());
  if (auto written = (*file)->write(0, std::span(&content, 1)); !written) return written;
  return (*file)->sync();
}

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

}  // namespace

Result<void> write_small_file(FileSystem& files, const std::string& path,
                              std::string_view content) {
  if (content.size() > limits::small_file_bytes_max) {
    return fail(Code::invalid_argument, "a small file takes at most 64 KiB", content.size());
  }
  const std::string fresh = path + ".new";
  // A crash may have left one behind.
  if (auto removed = files.remove(fresh); !removed && removed.error().code != Code::not_found) {
    return removed;
  }
  if (auto written = write_new(files, fresh, content); !written) {
    static_cast<void>(files.remove(fresh));
    return written;
  }
  if (auto renamed = files.rename(fresh, path); !renamed) return renamed;
  return files.sync_directory(directory_of(path));
}

Result<std::string> read_small_file(FileSystem& files, const std::string& path) {
  auto file = files.open(path, OpenMode::existing);
  if (!file) return tl::unexpected(file.error());
  std::string content(limits::small_file_bytes_max + 1, '\0');
  auto got = (*file)->read(0, content);
  if (!got) return tl::unexpected(got.error());
  if (*got > limits::small_file_bytes_max) return fail(Code::corrupt, "a small file is too long");
  content.resize(*got);
  return content;
}

}  // namespace aspen::adapter::posix
