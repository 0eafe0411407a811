// The rows: their order is that of keys and revisions, and everything comes back.
#include "node/kv/layout.h"

#include <gtest/gtest.h>

#include <vector>

#include "node/base/prng.h"

namespace aspen::kv::layout {
namespace {

std::string random_key(Prng& prng) {
  static constexpr char letters[] = {'\0', '\x01', '\x02', 'a', '\xfe', '\xff'};
  std::string key;
  for (std::uint64_t i = prng.below(5); i > 0; --i) key.push_back(letters[prng.below(6)]);
  return key;
}

TEST(Layout, VersionRowsAreOrderedByKeyThenNewestFirst) {
  Prng prng(1);
  for (int i = 0; i < 100'000; ++i) {
    const std::string a = random_key(prng);
    const std::string b = random_key(prng);
    const auto mod_a = static_cast<Revision>(1 + prng.below(300));
    const auto mod_b = static_cast<Revision>(1 + prng.below(300));
    const bool before = a < b || (a == b && mod_a > mod_b);
    EXPECT_EQ(version_row(a, mod_a) < version_row(b, mod_b), before);
    EXPECT_EQ(version_row(b, mod_b).starts_with(version_prefix(a)), a == b);
  }
}

TEST(Layout, RowsComeBack) {
  Prng prng(2);
  for (int i = 0; i < 10'000; ++i) {
    const std::string key = random_key(prng);
    const auto mod = static_cast<Revision>(1 + prng.below(1'000'000));
    const std::string row = version_row(key, mod);
    EXPECT_EQ(*key_of_version_row(row), key);
    EXPECT_EQ(*mod_of_version_row(row), mod);
    EXPECT_EQ(*prefix_of_version_row(row), version_prefix(key));
    const ChangeId id{mod, static_cast<std::uint32_t>(prng.next())};
    EXPECT_EQ(id_of_change_row(change_row(id))->revision, id.revision);
    EXPECT_EQ(id_of_change_row(change_row(id))->sub, id.sub);
  }
}

TEST(Layout, ValuesComeBack) {
  const Meta meta{3, 9, 4, -7};
  EXPECT_EQ(*decode_meta(encode(meta)), meta);
  const std::string version_text = encode_version(meta, "value");
  const auto version = decode_version(9, version_text);
  ASSERT_TRUE(version.has_value());
  EXPECT_EQ(version->meta, meta);
  EXPECT_EQ(version->value, "value");
  EXPECT_TRUE(decode_version(9, encode_tombstone())->tombstone);
  const std::string change_text = encode(Change{true, true, 8, "key"});
  const auto change = decode_change(change_text);
  ASSERT_TRUE(change.has_value());
  EXPECT_TRUE(change->tombstone && change->superseded);
  EXPECT_EQ(change->previous, 8);
  EXPECT_EQ(change->key, "key");
}

TEST(Layout, DamagedRowsAreRefused) {
  Prng prng(3);
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    for (std::uint64_t size = prng.below(24); size > 0; --size) {
      text.push_back(static_cast<char>(prng.next() >> prng.below(8)));
    }
    for (const char* table : {"", "v", "r", "k"}) {
      const std::string row = table + text;
      if (const auto key = key_of_version_row(row)) {
        EXPECT_EQ(version_prefix(*key), *prefix_of_version_row(row));
      }
      if (const auto id = id_of_change_row(row)) {
        EXPECT_GT(id->revision, 0);
      }
      if (const auto mod = mod_of_version_row(row)) {
        EXPECT_GT(*mod, 0);
      }
    }
    if (const auto meta = decode_meta(text)) {
      EXPECT_GT(meta->version, 0);
    }
    if (const auto version = decode_version(5, text)) {
      EXPECT_LE(version->meta.create, 5);
    }
    if (const auto change = decode_change(text)) {
      EXPECT_GE(change->previous, 0);
    }
    if (const auto state = decode_state(text)) {
      EXPECT_GE(state->revision, 1);
    }
  }
}

}  // namespace
}  // namespace aspen::kv::layout
