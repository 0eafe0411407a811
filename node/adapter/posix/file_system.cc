#include "node/adapter/posix/file_system.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "node/base/assert.h"

namespace aspen::adapter::posix {
namespace {

constexpr std::size_t parts_per_call_max = 256;
static_assert(parts_per_call_max <= IOV_MAX, "one call of pwritev takes them");
constexpr std::size_t zero_block_bytes = 1024 * 1024;
constexpr std::uint64_t zero_blocks_per_sync = 4;

tl::unexpected<Error> failed(const char* what, int error) noexcept {
  const auto detail = static_cast<std::uint64_t>(error);
  if (error == ENOSPC || error == EDQUOT) return fail(Code::no_space, what, detail);
  if (error == ENOENT) return fail(Code::not_found, what, detail);
  if (error == EEXIST) return fail(Code::already_exists, what, detail);
  return fail(Code::io_error, what, detail);
}

template <class Call>
auto retried(Call call) noexcept {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

class Descriptor {
 public:
  explicit Descriptor(int fd) noexcept : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const noexcept { return fd_; }

 private:
  int fd_;
};

class PosixFile final : public File {
 public:
  explicit PosixFile(Descriptor fd) noexcept : fd_(std::move(fd)) {}

  Result<void> write(std::uint64_t offset, std::span<const std::string_view> parts) override {
    while (!parts.empty()) {
      const std::size_t count = std::min(parts.size(), parts_per_call_max);
      auto written = write_some(offset, parts.first(count));
      if (!written) return tl::unexpected(written.error());
      offset += *written;
      parts = parts.subspan(count);
    }
    return {};
  }

  Result<std::size_t> read(std::uint64_t offset, std::span<char> space) const override {
    std::size_t done = 0;
    while (done < space.size()) {
      const ssize_t got = retried([&] {
        return ::pread(fd_.get(), space.data() + done, space.size() - done,
                       static_cast<off_t>(offset + done));
      });
      if (got < 0) return failed("cannot read", errno);
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  Result<void> sync() override {
    if (::fdatasync(fd_.get()) != 0) {
      // The kernel may have dropped the dirty pages: even a full disk is fatal here.
      return fail(Code::io_error, "cannot sync a file", static_cast<std::uint64_t>(errno));
    }
    return {};
  }

  Result<void> allocate_zeroed(std::uint64_t size_bytes) override {
    // Fails at once if there is no room, where writing would fill the disk first.
    const int refused = ::posix_fallocate(fd_.get(), 0, static_cast<off_t>(size_bytes));
    if (refused != 0) return failed("cannot allocate a file", refused);
    const std::string zeros(std::min<std::uint64_t>(size_bytes, zero_block_bytes), '\0');
    for (std::uint64_t at = 0; at < size_bytes; at += zeros.size()) {
      const std::string_view part =
          std::string_view(zeros).substr(0, std::min<std::uint64_t>(zeros.size(), size_bytes - at));
      if (auto written = write(at, std::span(&part, 1)); !written) return written;
      // In steps, so that a file prepared in the background does not hold up the syncs of others
      // behind one burst of writes.
      if ((at / zeros.size() + 1) % zero_blocks_per_sync != 0) continue;
      if (auto synced = sync(); !synced) return synced;
    }
    return {};
  }

  Result<std::uint64_t> size_bytes() const override {
    struct stat status {};
    if (::fstat(fd_.get(), &status) != 0) return failed("cannot stat a file", errno);
    return static_cast<std::uint64_t>(status.st_size);
  }

 private:
  // Writes all of at most parts_per_call_max parts; gives their size.
  Result<std::uint64_t> write_some(std::uint64_t offset, std::span<const std::string_view> parts) {
    std::array<iovec, parts_per_call_max> vectors;
    std::uint64_t left = 0;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      vectors[i] = {const_cast<char*>(parts[i].data()), parts[i].size()};
      left += parts[i].size();
    }
    const std::uint64_t total = left;
    std::size_t first = 0;
    while (left > 0) {
      const ssize_t put = retried([&] {
        return ::pwritev(fd_.get(), &vectors[first], static_cast<int>(parts.size() - first),
                         static_cast<off_t>(offset + (total - left)));
      });
      if (put < 0) return failed("cannot write", errno);
      if (put == 0) return failed("cannot write", EIO);
      left -= static_cast<std::uint64_t>(put);
      auto skip = static_cast<std::size_t>(put);
      while (first < parts.size() && skip >= vectors[first].iov_len)
        skip -= vectors[first++].iov_len;
      if (skip == 0) continue;
      ASPEN_ASSERT(first < parts.size());
      vectors[first].iov_base = static_cast<char*>(vectors[first].iov_base) + skip;
      vectors[first].iov_len -= skip;
    }
    return total;
  }

  Descriptor fd_;
};

class PosixLock final : public FileLock {
 public:
  explicit PosixLock(Descriptor fd) noexcept : fd_(std::move(fd)) {}

 private:
  Descriptor fd_;
};

struct CloseDirectory {
  void operator()(DIR* directory) const noexcept { ::closedir(directory); }
};

mode_t kind_of(const std::string& path) noexcept {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 ? status.st_mode & S_IFMT : 0;
}

// Names of what is of one kind, S_IFREG or S_IFDIR.
Result<std::vector<std::string>> list_kind(const std::string& path, mode_t kind) {
  const std::unique_ptr<DIR, CloseDirectory> directory(::opendir(path.c_str()));
  if (!directory) return failed("cannot list a directory", errno);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(directory.get())) {
    std::string name = entry->d_name;
    const bool own = name == "." || name == "..";
    if (!own && kind_of(path + "/" + name) == kind) names.push_back(std::move(name));
    errno = 0;
  }
  if (errno != 0) return failed("cannot list a directory", errno);
  std::ranges::sort(names);
  return names;
}

}  // namespace

Result<std::unique_ptr<File>> PosixFileSystem::open(const std::string& path, OpenMode mode) {
  const int flags = O_RDWR | O_CLOEXEC | (mode == OpenMode::create_new ? O_CREAT | O_EXCL : 0);
  const int fd = retried([&] { return ::open(path.c_str(), flags, 0600); });
  if (fd < 0) return failed("cannot open a file", errno);
  return std::make_unique<PosixFile>(Descriptor(fd));
}

Result<void> PosixFileSystem::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return failed("cannot rename a file", errno);
  return {};
}

Result<void> PosixFileSystem::remove(const std::string& path) {
  if (::unlink(path.c_str()) != 0) return failed("cannot remove a file", errno);
  return {};
}

Result<void> PosixFileSystem::create_directory(const std::string& path) {
  for (std::size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1)) {
    // Whether the whole path works shows at its last part.
    static_cast<void>(::mkdir(path.substr(0, at).c_str(), 0700));
  }
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return failed("cannot create a directory", errno);
  }
  return {};
}

Result<std::vector<std::string>> PosixFileSystem::list(const std::string& path) {
  return list_kind(path, S_IFREG);
}

Result<std::vector<std::string>> PosixFileSystem::list_directories(const std::string& path) {
  return list_kind(path, S_IFDIR);
}

Result<void> PosixFileSystem::remove_directory(const std::string& path) {
  if (::rmdir(path.c_str()) != 0) return failed("cannot remove a directory", errno);
  return {};
}

Result<void> PosixFileSystem::sync_directory(const std::string& path) {
  const Descriptor fd(
      retried([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (fd.get() < 0) return failed("cannot open a directory", errno);
  if (::fsync(fd.get()) != 0) {
    return fail(Code::io_error, "cannot sync a directory", static_cast<std::uint64_t>(errno));
  }
  return {};
}

Result<std::uint64_t> PosixFileSystem::free_bytes(const std::string& path) {
  struct statvfs status {};
  if (::statvfs(path.c_str(), &status) != 0) return failed("cannot stat a file system", errno);
  return std::uint64_t{status.f_bavail} * std::uint64_t{status.f_frsize};
}

Result<std::unique_ptr<FileLock>> PosixFileSystem::lock(const std::string& path) {
  Descriptor fd(retried([&] { return ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600); }));
  if (fd.get() < 0) return failed("cannot open the lock file", errno);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return failed("cannot lock the lock file", errno);
    return fail(Code::unavailable, "another process holds the lock");
  }
  return std::make_unique<PosixLock>(std::move(fd));
}

}  // namespace aspen::adapter::posix
