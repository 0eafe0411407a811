#include "node/resources.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace aspen {
namespace {

class Resources : public testing::Test {
 protected:
  Resources() : root_(testing::TempDir() + "aspen-root-" + std::to_string(::getpid()) + "/") {}
  ~Resources() override { std::filesystem::remove_all(root_); }
  void put(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }
  std::string root_;
};

TEST_F(Resources, TheCgroupsLimitCounts) {
  put("sys/fs/cgroup/memory.max", "536870912\n");
  EXPECT_EQ(memory_limit_bytes(root_), 512U << 20U);
}

TEST_F(Resources, TheOlderCgroupVersionCountsToo) {
  put("sys/fs/cgroup/memory/memory.limit_in_bytes", "268435456\n");
  EXPECT_EQ(memory_limit_bytes(root_), 256U << 20U);
}

TEST_F(Resources, TheSmallestLimitOnTheWayUpCounts) {
  put("proc/self/cgroup", "0::/kubepods.slice/pod7.slice/aspen\n");
  put("sys/fs/cgroup/kubepods.slice/memory.max", "805306368\n");
  put("sys/fs/cgroup/kubepods.slice/pod7.slice/memory.max", "402653184\n");
  put("sys/fs/cgroup/kubepods.slice/pod7.slice/aspen/memory.max", "max\n");
  EXPECT_EQ(memory_limit_bytes(root_), 384U << 20U);
  put("sys/fs/cgroup/kubepods.slice/pod7.slice/aspen/memory.max", "268435456\n");
  EXPECT_EQ(memory_limit_bytes(root_), 256U << 20U);
}

TEST_F(Resources, TheOlderVersionsGroupCountsToo) {
  put("proc/self/cgroup", "12:cpuset:/other\n4:hugetlb,memory:/docker/7\n0::/\n");
  put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  put("sys/fs/cgroup/memory/docker/7/memory.limit_in_bytes", "268435456\n");
  EXPECT_EQ(memory_limit_bytes(root_), 256U << 20U);
}

// A container's own view of its groups: the path is of the host, its root is the container's.
TEST_F(Resources, AGroupOutOfSightLeavesTheRoot) {
  put("proc/self/cgroup", "0::/../../aspen\nnonsense\n");
  put("sys/fs/cgroup/memory.max", "536870912\n");
  EXPECT_EQ(memory_limit_bytes(root_), 512U << 20U);
}

TEST_F(Resources, WithoutALimitItIsHalfOfTheMachine) {
  const std::uint64_t half = memory_limit_bytes(root_);
  EXPECT_GT(half, 0U);
  put("sys/fs/cgroup/memory.max", "max\n");
  put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(memory_limit_bytes(root_), half);
}

}  // namespace
}  // namespace aspen
