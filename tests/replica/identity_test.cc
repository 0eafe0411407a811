#include "node/replica/identity.h"

#include <gtest/gtest.h>

namespace aspen::replica {
namespace {

Identity placed() {
  Identity identity{ClusterId(7), {NodeId(8), {9, 10}}, "n1", {}};
  identity.bootstrap.members.push_back({identity.self, Role::voter, "n1", "a:2380", {"a:2379"}});
  return identity;
}

TEST(Identity, RoundTripsBeforeAndAfterInit) {
  const Identity born{ClusterId(), {NodeId(), {1, 2}}, "n1", {}};
  EXPECT_EQ(decode_identity(encode(born)).value(), born);
  EXPECT_EQ(decode_identity(encode(placed())).value(), placed());
  Identity started = placed();
  started.started = true;
  EXPECT_EQ(decode_identity(encode(started)).value(), started);
}

TEST(Identity, EveryFlippedBitAndEveryCutIsRefused) {
  const std::string whole = encode(placed());
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string bytes = whole;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ static_cast<char>(1U << (bit % 8)));
    ASSERT_FALSE(decode_identity(bytes).has_value()) << bit;
  }
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    ASSERT_FALSE(decode_identity(std::string_view(whole).substr(0, cut)).has_value()) << cut;
  }
}

TEST(Identity, ANewerFormatIsNamed) {
  std::string bytes = encode(placed());
  bytes[8] = 3;
  EXPECT_EQ(decode_identity(bytes).error().code, Code::unsupported);
  EXPECT_EQ(decode_identity(bytes).error().detail, 3U);
}

// An older version reads what it can follow, and refuses what it would not understand.
TEST(Identity, WhoJoinedOrWasRemovedIsWrittenInANewerFormat) {
  EXPECT_EQ(encode(placed())[8], 1);
  Identity joined = placed();
  joined.joined = true;
  EXPECT_EQ(encode(joined)[8], 2);
  EXPECT_EQ(decode_identity(encode(joined)), joined);
  Identity removed = placed();
  removed.started = true;
  removed.removed = true;
  EXPECT_EQ(decode_identity(encode(removed)), removed);
}

}  // namespace
}  // namespace aspen::replica
