#include "tests/support/ports.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <mutex>
#include <string>

#include "node/base/assert.h"

namespace aspen::support {
namespace {

constexpr std::uint16_t first_port = 20'000;
constexpr std::uint16_t end_port = 32'768;
constexpr std::uint16_t ports = end_port - first_port;

// Any user may lock any port.
std::string lock_directory() {
  std::string path = std::filesystem::temp_directory_path() / "aspen-test-ports";
  if (::mkdir(path.c_str(), 0777) == 0) ::chmod(path.c_str(), 01777);
  return path;
}

// The lock lives as long as the descriptor, which is never closed and not inherited by programs.
bool lock(const std::string& directory, std::uint16_t port) {
  const std::string file = directory + "/" + std::to_string(port);
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0) return false;
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return true;
  ::close(fd);
  return false;
}

// Reusing the address passes over connections that linger, and not over a listener.
bool nobody_listens(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool bound = ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return bound;
}

}  // namespace

std::uint16_t free_port() {
  static std::mutex mutex;
  static const std::string directory = lock_directory();
  // Processes begin at different places, so that they seldom meet.
  static std::uint16_t next = static_cast<std::uint16_t>(::getpid() * 61 % ports);
  const std::lock_guard guard(mutex);
  for (std::uint16_t tried = 0; tried < ports; ++tried) {
    const auto port = static_cast<std::uint16_t>(first_port + next);
    next = static_cast<std::uint16_t>((next + 1) % ports);
    if (lock(directory, port) && nobody_listens(port)) return port;
  }
  ASPEN_UNREACHABLE();
}

}  // namespace aspen::support
