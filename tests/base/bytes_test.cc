#include "node/base/bytes.h"

#include <gtest/gtest.h>

#include "node/base/membership.h"
#include "node/base/prng.h"

namespace aspen {
namespace {

// Goal: a slice keeps the memory alive after the whole is gone, and no copy is made.
TEST(Bytes, SliceSharesTheMemoryOfTheWhole) {
  Bytes part;
  {
    const Bytes whole("hello world");
    part = whole.slice(6, 5);
    EXPECT_EQ(part.data(), whole.data() + 6);
  }
  EXPECT_EQ(part.view(), "world");
  Bytes self = part;
  self = *&self;
  EXPECT_EQ(self.view(), "world");
}

// Goal: what a Writer wrote, a Reader reads; every cut of it fails without a read beyond the end.
TEST(Codec, ReadsBackAndFailsOnEveryCut) {
  Writer out;
  out.u8(7)
      .u16(0x1234)
      .u32(0xdeadbeef)
      .u64(~std::uint64_t{0})
      .varint(300)
      .varint(~std::uint64_t{0});
  out.bytes("value");
  const std::string text = out.take();
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    Reader in(std::string_view(text).substr(0, cut));
    const bool same = in.u8() == 7 && in.u16() == 0x1234 && in.u32() == 0xdeadbeef &&
                      in.u64() == ~std::uint64_t{0} && in.varint() == 300 &&
                      in.varint() == ~std::uint64_t{0} && in.bytes() == "value";
    EXPECT_EQ(in.done(), cut == text.size());
    EXPECT_EQ(same && in.done(), cut == text.size());
  }
}

TEST(Codec, RefusesAnOverlongVarint) {
  Reader in("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02");
  EXPECT_EQ(in.varint(), 0U);
  EXPECT_FALSE(in.ok());
}

// Goal: membership survives its codec; each cut, and each flipped order, is refused.
TEST(Membership, DecodesWhatItEncodedAndNothingElse) {
  Config config;
  for (std::uint64_t i = 1; i <= 3; ++i) {
    config.members.push_back(Member{PeerId{NodeId(i), Incarnation{i, i + 1}},
                                    Role::voter,
                                    "n" + std::to_string(i),
                                    "127.0.0.1:2380",
                                    {"a:1", "b:2"}});
  }
  const std::string text = encode(config);
  const auto decoded = decode_config(text);
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(*decoded, config);
  for (std::size_t cut = 0; cut < text.size(); ++cut) {
    EXPECT_FALSE(decode_config(std::string_view(text).substr(0, cut)).has_value());
  }
  std::string newer = text;
  newer[0] = 9;
  EXPECT_EQ(decode_config(newer).error().code, Code::unsupported);
}

// Goal: the generator replays, its streams are independent of the order of splitting.
TEST(Prng, ReplaysAndSplitsByName) {
  Prng a(42);
  const Prng b(42);
  const Prng network = b.split("network");
  EXPECT_EQ(a.split("network"), network);
  EXPECT_NE(a.split("disk"), network);
  EXPECT_NE(a.split("disk", 1), a.split("disk", 2));
  (void)a.next();
  EXPECT_EQ(a.split("network"), network);
  for (int i = 0; i < 1000; ++i) EXPECT_LT(a.below(7), 7U);
  EXPECT_EQ(Prng(1).next(), 12966619160104079557U);  // Fixed for ever: seeds must replay.
}

// Goal: filling in pieces gives the same bytes as copying at once, and what is left over is unused.
TEST(BytesBuilder, CollectsPiecesInOrder) {
  BytesBuilder builder(10);
  builder.append("ab");
  builder.append("");
  builder.append("cde");
  EXPECT_EQ(builder.size(), 5U);
  EXPECT_EQ(builder.left(), 5U);
  const Bytes bytes = builder.finish();
  EXPECT_EQ(bytes.view(), "abcde");
  EXPECT_EQ(builder.size(), 0U);
  EXPECT_EQ(builder.left(), 0U);
  EXPECT_TRUE(BytesBuilder(4).finish().empty());
}

}  // namespace
}  // namespace aspen
