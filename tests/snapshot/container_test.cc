#include "node/snapshot/container.h"

#include <gtest/gtest.h>

#include "tests/snapshot/sample.h"

namespace aspen::snapshot {
namespace {

using contract::Crash;
using contract::SimFileSystem;

class ContainerTest : public testing::Test {
 protected:
  void save() {
    ASSERT_TRUE(save_container(files, "state", manifest, "backup/snap").has_value());
    content = files.content("backup/snap");
  }
  // What verifying and restoring say about other bytes.
  Code verdict(const std::string& bytes) {
    files.replace("backup/other", bytes);
    const auto verified = verify_container(files, "backup/other");
    const auto restored = restore_container(files, "backup/other", "never");
    EXPECT_EQ(verified.has_value(), restored.has_value());
    if (!restored) {
      EXPECT_TRUE(files.list("never").value().empty()) << "a damaged file leaves nothing";
    }
    return verified ? Code::ok : verified.error().code;
  }

  SimFileSystem files;
  Manifest manifest = make_sample(files, "state", 1);
  std::string content;
};

TEST(Sha256Test, KnownAnswers) {
  EXPECT_EQ(to_hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(to_hex(sha256("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(to_hex(sha256(std::string(1'000'000, 'a'))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256Test, PiecesOfAnySizeGiveTheSame) {
  Prng prng(5);
  for (int i = 0; i < 300; ++i) {
    const std::string text = random_text(prng, prng.below(400));
    Sha256 sum;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t piece = 1 + prng.below(130);
      sum.update(std::string_view(text).substr(at, piece));
      at += std::min(piece, text.size() - at);
    }
    ASSERT_EQ(sum.finish(), sha256(text)) << text.size();
  }
}

TEST_F(ContainerTest, WhatIsSavedIsRestored) {
  save();
  EXPECT_EQ(verify_container(files, "backup/snap").value(), manifest);
  EXPECT_EQ(restore_container(files, "backup/snap", "fresh").value(), manifest);
  expect_same_files(files, "state", "fresh");
  // It is durable.
  Prng prng(1);
  files.restart(Crash::power, prng);
  expect_same_files(files, "state", "fresh");
  EXPECT_TRUE(verify_container(files, "backup/snap").has_value());
}

TEST_F(ContainerTest, EtcdsCheckOfTheEndHolds) {
  save();
  ASSERT_EQ(content.size(), container_bytes(manifest));
  EXPECT_EQ(content.size() % 512, sizeof(Digest));
  const std::size_t end = content.size() - sizeof(Digest);
  EXPECT_EQ(view(sha256(content.substr(0, end))), content.substr(end));
}

TEST_F(ContainerTest, AStateWithoutFilesFits) {
  SimFileSystem empty;
  Manifest none;
  ASSERT_TRUE(save_container(empty, "state", none, "backup/snap").has_value());
  EXPECT_EQ(restore_container(empty, "backup/snap", "fresh").value(), none);
}

TEST_F(ContainerTest, EveryDamageIsFound) {
  save();
  for (std::size_t at = 0; at < content.size(); at += at < 700 ? 3 : 900'001) {
    std::string damaged = content;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    EXPECT_NE(verdict(damaged), Code::ok) << at;
  }
  for (std::size_t back = 1; back < 600; back += 57) {
    std::string damaged = content;
    damaged[content.size() - back] = static_cast<char>(damaged[content.size() - back] ^ 1);
    EXPECT_EQ(verdict(damaged), Code::corrupt) << back;
  }
  for (const std::size_t size : {0UL, 1UL, 15UL, 16UL, 300UL, 2'000'000UL, content.size() - 1}) {
    EXPECT_EQ(verdict(content.substr(0, size)), Code::corrupt) << size;
  }
  EXPECT_EQ(verdict(content + "x"), Code::corrupt);
  EXPECT_EQ(verdict(std::string(100'000, 'x')), Code::corrupt);
}

TEST_F(ContainerTest, ANewerFormatIsRefusedByName) {
  save();
  std::string newer = content;
  newer[8] = 2;
  EXPECT_EQ(verdict(newer), Code::unsupported);
}

TEST_F(ContainerTest, AFileThatChangedIsNotSaved) {
  std::string spoilt = files.content("state/b.sst");
  spoilt[5] = static_cast<char>(spoilt[5] ^ 1);
  files.replace("state/b.sst", spoilt);
  EXPECT_EQ(save_container(files, "state", manifest, "backup/snap").error().code, Code::corrupt);
}

// Goal: a manifest from outside never leaves its directory and never names more than there is.
TEST(ManifestTest, HostileManifestsAreRefused) {
  SimFileSystem files;
  const Manifest good = make_sample(files, "state", 1);
  EXPECT_EQ(decode_manifest(encode(good)).value(), good);
  const auto refused = [&good](auto spoil) {
    Manifest bad = good;
    spoil(bad);
    return decode_manifest(encode(bad)).error().code == Code::corrupt;
  };
  for (const std::string name : {"", ".", "..", "../x", "/etc/passwd", "a/b"}) {
    EXPECT_TRUE(refused([&](Manifest& m) { m.files[0].name = name; })) << name;
  }
  EXPECT_TRUE(refused([](Manifest& m) { m.files[0].name = std::string("0\0", 2); }));
  EXPECT_TRUE(refused([](Manifest& m) { m.files[5].name = std::string(256, 'z'); }));
  EXPECT_TRUE(refused([](Manifest& m) { m.files[1].name = m.files[2].name; }));
  EXPECT_TRUE(refused([](Manifest& m) { std::swap(m.files[0], m.files[1]); }));
  EXPECT_TRUE(refused([](Manifest& m) { m.files[2].chunks[1].low ^= 1; }));
  EXPECT_TRUE(refused([](Manifest& m) { m.files[2].hash.high ^= 1; }));
  const std::string text = encode(good);
  for (std::size_t cut = 0; cut < text.size(); ++cut) {
    EXPECT_FALSE(decode_manifest(std::string_view(text).substr(0, cut)).has_value()) << cut;
  }
  EXPECT_FALSE(decode_manifest(text + "x").has_value());
  Prng prng(9);
  for (int i = 0; i < 20'000; ++i) {
    std::string spoilt = text;
    for (std::uint64_t n = 1 + prng.below(3); n > 0; --n) {
      spoilt[prng.below(spoilt.size())] = static_cast<char>(prng.next());
    }
    const Bytes exact(spoilt);
    static_cast<void>(decode_manifest(exact.view()).has_value());
  }
}

TEST(ManifestTest, ChunksCoverTheFilesInOrder) {
  SimFileSystem files;
  const Manifest manifest = make_sample(files, "state", 1);
  const ChunkMap chunks(manifest);
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    const ChunkPlace place = chunks.at(i);
    const std::string file = files.content("state/" + manifest.files[place.file].name);
    EXPECT_EQ(hash_content(std::string_view(file).substr(place.offset, place.size_bytes)),
              place.hash);
    bytes += place.size_bytes;
  }
  EXPECT_EQ(bytes, manifest.size_bytes());
  EXPECT_EQ(chunks.size(), 1u + 4u + 2u + 1u);
}

}  // namespace
}  // namespace aspen::snapshot
