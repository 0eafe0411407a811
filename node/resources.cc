#include "node/resources.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <vector>

namespace aspen {

namespace {

// A number alone in a file; nothing if it says "max" or cannot be read.
std::optional<std::uint64_t> read_number(const std::string& path) {
  std::ifstream file(path);
  std::uint64_t number = 0;
  if (!(file >> number)) return std::nullopt;
  return number;
}

std::uint64_t physical_bytes() {
  const auto pages = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES));
  return pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

// A limit counts for all groups below it: the files of this process's group and of those above.
void add_files_up(std::string base, std::string path, const char* name,
                  std::vector<std::string>& files) {
  // A path from outside of this namespace of groups cannot be followed; its root can.
  if (path.find("..") != std::string::npos) path.clear();
  while (!path.empty() && path.back() == '/') path.pop_back();
  files.push_back(base + path + "/" + name);
  while (!path.empty()) {  // shrinks
    path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
    files.push_back(base + path + "/" + name);
  }
}

// Lines of /proc/self/cgroup: "0::/path" for version 2, "4:cpu,memory:/path" for version 1. Where
// the path is not to be seen, as in many containers, the roots are.
std::vector<std::string> limit_files(const std::string& root) {
  std::string unified;
  std::string memory;
  std::ifstream groups(root + "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    if (controllers == ",,") unified = line.substr(second + 1);
    if (controllers.find(",memory,") != std::string::npos) memory = line.substr(second + 1);
  }
  std::vector<std::string> files;
  add_files_up(root + "sys/fs/cgroup", unified, "memory.max", files);
  add_files_up(root + "sys/fs/cgroup/memory", memory, "memory.limit_in_bytes", files);
  return files;
}

}  // namespace

std::uint64_t memory_limit_bytes(const std::string& root) {
  const std::uint64_t physical = physical_bytes();
  std::uint64_t smallest = physical;
  for (const std::string& file : limit_files(root)) {
    const std::optional<std::uint64_t> limit = read_number(file);
    // Version 1 says "no limit" by an absurd number.
    if (limit && *limit > 0) smallest = std::min(smallest, *limit);
  }
  return smallest < physical ? smallest : physical / 2;
}

}  // namespace aspen
