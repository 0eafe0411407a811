#include "tests/support/ports.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>

namespace aspen::support {
namespace {

TEST(Ports, AreOutsideTheRangeOfOutgoingConnections) {
  const std::uint16_t port = free_port();
  EXPECT_GE(port, 20'000);
  EXPECT_LT(port, 32'768);
}

// Method: as many processes as share a machine at a time, begun at the same place by a fork; each
// writes what it got and holds it until all have written.
TEST(Ports, AreGivenOnceAmongProcessesThatRunSideBySide) {
  constexpr int processes = 4;
  constexpr int each = 20;
  static_cast<void>(free_port());
  int results[2];
  int ended[2];
  ASSERT_EQ(::pipe(results), 0);
  ASSERT_EQ(::pipe(ended), 0);
  for (int i = 0; i < processes; ++i) {
    if (::fork() != 0) continue;
    ::close(ended[1]);
    for (int k = 0; k < each; ++k) {
      const std::uint16_t port = free_port();
      if (::write(results[1], &port, sizeof port) != sizeof port) ::_exit(1);
    }
    char none = 0;
    static_cast<void>(!::read(ended[0], &none, 1));  // until the test has read everything
    ::_exit(0);
  }
  std::set<std::uint16_t> ports;
  for (int i = 0; i < processes * each; ++i) {
    std::uint16_t port = 0;
    ASSERT_EQ(::read(results[0], &port, sizeof port), static_cast<ssize_t>(sizeof port));
    EXPECT_TRUE(ports.insert(port).second) << port;
  }
  ::close(ended[1]);
  for (int i = 0; i < processes; ++i) ::wait(nullptr);
}

}  // namespace
}  // namespace aspen::support
