// A directory of files to take a snapshot of.
#pragma once

#include <gtest/gtest.h>

#include <span>
#include <string>

#include "node/base/limits.h"
#include "node/base/prng.h"
#include "node/port/file_system.h"
#include "node/snapshot/manifest.h"
#include "tests/contract/sim_file_system.h"

namespace aspen::snapshot {

inline std::string random_text(Prng& prng, std::size_t size_bytes) {
  std::string text(size_bytes, '\0');
  for (char& c : text) c = static_cast<char>(prng.next());
  return text;
}

inline void make_file(FileSystem& files, const std::string& path, std::string_view content) {
  auto file = files.open(path, OpenMode::create_new);
  ASSERT_TRUE(file.has_value());
  ASSERT_TRUE((*file)->write(0, std::span(&content, 1)).has_value());
  ASSERT_TRUE((*file)->sync().has_value());
}

// Files of all kinds of sizes: empty ones at either end, whole chunks, a few chunks and a rest.
inline Manifest make_sample(contract::SimFileSystem& files, const std::string& directory,
                            std::uint64_t seed) {
  constexpr std::size_t chunk = limits::snapshot_chunk_bytes;
  Prng prng(seed);
  make_file(files, directory + "/000-empty", "");
  make_file(files, directory + "/CURRENT", "MANIFEST-000005\n");
  make_file(files, directory + "/a.sst", random_text(prng, 3 * chunk + 12'345));
  make_file(files, directory + "/b.sst", random_text(prng, 2 * chunk));
  make_file(files, directory + "/c.sst", random_text(prng, 1));
  make_file(files, directory + "/z-empty", "");
  EXPECT_TRUE(files.sync_directory(directory).has_value());
  Manifest head;
  head.cluster = ClusterId(0xc1);
  head.id = {Term(3), Index(1'000 + seed)};
  head.config_id = {Term(1), Index(1)};
  head.config = "a configuration";
  head.revision = 77;
  head.state_format = 1;
  auto manifest = describe(files, directory, head);
  EXPECT_TRUE(manifest.has_value());
  return *manifest;
}

inline void expect_same_files(contract::SimFileSystem& files, const std::string& a,
                              const std::string& b) {
  ASSERT_EQ(files.list(a).value(), files.list(b).value());
  const std::vector<std::string> names = files.list(a).value();
  for (const std::string& name : names) {
    EXPECT_TRUE(files.content(a + "/" + name) == files.content(b + "/" + name)) << name;
  }
}

}  // namespace aspen::snapshot
