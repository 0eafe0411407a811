#include "node/replica/parked.h"

#include <gtest/gtest.h>

#include "node/base/limits.h"
#include "node/wire/raft_codec.h"

namespace aspen::replica {
namespace {

raft::Message heartbeat_reply(std::uint64_t epoch) {
  return raft::HeartbeatReply{Term(1), raft::Epoch(epoch), {}, {}};
}
raft::Message append(std::uint64_t prev) {
  return raft::Append{Term(1), LogId{Term(1), Index(prev)}, {}, {}, {}};
}
std::vector<OutgoingCast> released(ParkedMessages& parked, std::uint64_t durable) {
  std::vector<OutgoingCast> casts;
  parked.release(raft::IoId(durable), casts);
  return casts;
}

TEST(ParkedMessages, LeaveInOrderWhenTheirWriteIsDurable) {
  ParkedMessages parked;
  parked.add(raft::IoId(1), NodeId(2), append(1));
  parked.add(raft::IoId(1), NodeId(2), append(2));
  parked.add(raft::IoId(3), NodeId(2), append(3));
  const auto first = released(parked, 2);
  ASSERT_EQ(first.size(), 2U);
  EXPECT_EQ(wire::decode_raft(first[0].payload).value(), append(1));
  EXPECT_EQ(wire::decode_raft(first[1].payload).value(), append(2));
  EXPECT_EQ(released(parked, 3).size(), 1U);
}

// Goal: a disk that hangs for long costs no memory, and no storm of stale answers at its end. An
// answer that waits for an earlier write is not held back by a later one.
TEST(ParkedMessages, OfAnswersThatWaitForTheSameWriteTheNewestIsKept) {
  ParkedMessages parked;
  parked.add(raft::IoId(1), NodeId(2), heartbeat_reply(1));
  for (std::uint64_t epoch = 2; epoch <= 100'000; ++epoch) {
    parked.add(raft::IoId(2), NodeId(2), heartbeat_reply(epoch));
    parked.add(raft::IoId(2), NodeId(3), heartbeat_reply(epoch));
  }
  EXPECT_EQ(parked.size(), 3U);
  EXPECT_EQ(released(parked, 1).size(), 1U);
  const auto rest = released(parked, 2);
  ASSERT_EQ(rest.size(), 2U);
  EXPECT_EQ(wire::decode_raft(rest[0].payload).value(), heartbeat_reply(100'000));
}

TEST(ParkedMessages, AreBounded) {
  ParkedMessages parked;
  for (std::size_t i = 0; i < 2 * limits::parked_messages_max; ++i) {
    parked.add(raft::IoId(1), NodeId(2), append(i));
  }
  EXPECT_EQ(parked.size(), limits::parked_messages_max);
}

}  // namespace
}  // namespace aspen::replica
