#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "node/adapter/posix/clock.h"
#include "node/adapter/posix/entropy.h"
#include "node/adapter/posix/file_system.h"
#include "node/adapter/posix/small_file.h"
#include "node/base/limits.h"
#include "tests/contract/sim_file_system.h"

namespace aspen::adapter::posix {
namespace {

class PosixFiles : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "aspen-posix-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  [[nodiscard]] std::string path(const std::string& name) const { return directory_ + "/" + name; }

  PosixFileSystem files_;
  std::string directory_;
};

TEST_F(PosixFiles, ManyPartsAreWrittenOneBehindTheOther) {
  auto file = files_.open(path("f"), OpenMode::create_new).value();
  std::vector<std::string> texts;
  std::vector<std::string_view> parts;
  std::string expected;
  for (int i = 0; i < 3'000; ++i)
    texts.push_back(std::string(static_cast<std::size_t>(i % 7), 'a'));
  for (const std::string& text : texts) {
    parts.push_back(text);
    expected += text;
  }
  ASSERT_TRUE(file->write(10, parts).has_value());
  std::string got(expected.size() + 20, 'z');
  EXPECT_EQ(file->read(10, got).value(), expected.size());
  EXPECT_EQ(got.substr(0, expected.size()), expected);
  EXPECT_EQ(file->size_bytes().value(), expected.size() + 10);
  EXPECT_EQ(file->read(1'000'000, got).value(), 0u);
}

TEST_F(PosixFiles, AnAllocatedFileIsZeroAndOfItsSize) {
  auto file = files_.open(path("f"), OpenMode::create_new).value();
  const std::uint64_t size = 5 * 1024 * 1024 + 17;
  ASSERT_TRUE(file->allocate_zeroed(size).has_value());
  ASSERT_TRUE(file->sync().has_value());
  std::string got(size + 1, 'x');
  EXPECT_EQ(file->read(0, got).value(), size);
  EXPECT_EQ(std::ranges::count(got, '\0'), static_cast<std::ptrdiff_t>(size));
}

TEST_F(PosixFiles, ErrorsAreOfTheirClass) {
  EXPECT_EQ(files_.open(path("none"), OpenMode::existing).error().code, Code::not_found);
  ASSERT_TRUE(files_.open(path("f"), OpenMode::create_new).has_value());
  EXPECT_EQ(files_.open(path("f"), OpenMode::create_new).error().code, Code::already_exists);
  EXPECT_EQ(files_.remove(path("none")).error().code, Code::not_found);
  EXPECT_EQ(files_.rename(path("none"), path("g")).error().code, Code::not_found);
  EXPECT_EQ(files_.list(path("none")).error().code, Code::not_found);
  EXPECT_EQ(files_.open("/dev/full", OpenMode::existing)
                .value()
                ->write(0, std::vector<std::string_view>{"x"})
                .error()
                .code,
            Code::no_space);
}

TEST_F(PosixFiles, NamesAreListedInOrderWithoutDirectories) {
  for (const char* name : {"c", "a", "b"}) {
    ASSERT_TRUE(files_.open(path(name), OpenMode::create_new).has_value());
  }
  ASSERT_TRUE(files_.create_directory(path("d/e")).has_value());
  ASSERT_TRUE(files_.create_directory(path("d/e")).has_value());
  ASSERT_TRUE(files_.rename(path("c"), path("z")).has_value());
  ASSERT_TRUE(files_.sync_directory(directory_).has_value());
  EXPECT_EQ(files_.list(directory_).value(), (std::vector<std::string>{"a", "b", "z"}));
  EXPECT_GT(files_.free_bytes(directory_).value(), 0u);
}

TEST_F(PosixFiles, ALockIsHeldByOneAndGoesWithItsOwner) {
  auto lock = files_.lock(path("LOCK"));
  ASSERT_TRUE(lock.has_value());
  EXPECT_EQ(files_.lock(path("LOCK")).error().code, Code::unavailable);
  lock->reset();
  EXPECT_TRUE(files_.lock(path("LOCK")).has_value());
}

TEST_F(PosixFiles, ASmallFileIsReplacedAsAWhole) {
  EXPECT_EQ(read_small_file(files_, path("identity")).error().code, Code::not_found);
  ASSERT_TRUE(write_small_file(files_, path("identity"), "one").has_value());
  ASSERT_TRUE(write_small_file(files_, path("identity"), "two").has_value());
  EXPECT_EQ(read_small_file(files_, path("identity")).value(), "two");
  EXPECT_EQ(files_.list(directory_).value(), std::vector<std::string>{"identity"});
}

// Its size may come from somebody else.
TEST_F(PosixFiles, ATooLargeSmallFileIsRefusedAndTheOldOneStays) {
  ASSERT_TRUE(write_small_file(files_, path("identity"), "one").has_value());
  const std::string large(limits::small_file_bytes_max + 1, 'x');
  EXPECT_EQ(write_small_file(files_, path("identity"), large).error().code, Code::invalid_argument);
  EXPECT_EQ(read_small_file(files_, path("identity")).value(), "one");
  EXPECT_TRUE(write_small_file(files_, path("identity"), large.substr(1)).has_value());
}

// Goal: a power loss at any operation leaves the old or the new content, and the new one once the
// write returned.
TEST(SmallFile, APowerLossLeavesTheOldOrTheNewContent) {
  for (std::uint64_t cut = 1; cut <= 6; ++cut) {
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
      SCOPED_TRACE("cut at " + std::to_string(cut) + ", seed " + std::to_string(seed));
      Prng prng(seed);
      contract::SimFileSystem files;
      ASSERT_TRUE(write_small_file(files, "dir/f", "the old content").has_value());
      files.crash_at(files.operations() + cut);
      const bool written = write_small_file(files, "dir/f", "new").has_value();
      files.restart(contract::Crash::power, prng);
      const auto found = read_small_file(files, "dir/f");
      ASSERT_TRUE(found.has_value());
      EXPECT_TRUE(*found == "new" || (!written && *found == "the old content")) << *found;
      EXPECT_TRUE(write_small_file(files, "dir/f", "again").has_value());
    }
  }
}

TEST(PosixClock, TimeMovesOn) {
  const PosixClock clock;
  const Instant before = clock.now();
  while (clock.now() == before) {
  }
  EXPECT_GT(clock.now(), before);
  EXPECT_GT(clock.wall().ns, 1'500'000'000'000'000'000);
}

TEST(PosixEntropy, BitsDiffer) {
  PosixEntropy entropy;
  EXPECT_NE(entropy.u64(), entropy.u64());
}

}  // namespace
}  // namespace aspen::adapter::posix
