// Goal: bulk messages share a link with what is urgent and never delay it.
#include <gtest/gtest.h>

#include "node/base/limits.h"
#include "node/cluster/bulk_reader.h"
#include "node/cluster/send_queue.h"
#include "tests/cluster/sim_cluster.h"

namespace aspen::cluster {
namespace {

constexpr std::size_t part_bytes = limits::link_bulk_part_bytes;
constexpr std::size_t credit_bytes = limits::link_bulk_credit_bytes;

// Takes what it is given, up to a limit a call.
class Sink final : public Stream {
 public:
  void set_sink(StreamSink*) override {}
  Result<std::size_t> read(std::span<char>) override { return 0; }
  Result<std::size_t> write(std::span<const std::string_view> parts) override {
    std::size_t taken = 0;
    for (const std::string_view part : parts) {
      const std::string_view some = part.substr(0, room - taken);
      text.append(some);
      taken += some.size();
    }
    return taken;
  }
  [[nodiscard]] std::string peer_address() const override { return "sink"; }

  std::size_t room = SIZE_MAX;
  std::string text;
};

std::vector<wire::FrameType> types_in(std::string_view text) {
  std::vector<wire::FrameType> types;
  while (!text.empty()) {
    const auto header = wire::decode_frame_header(text.substr(0, wire::frame_header_bytes));
    types.push_back(header->type);
    text.remove_prefix(wire::frame_header_bytes + header->body_bytes());
  }
  return types;
}

TEST(Bulk, WaitsForAllElseAndForCredit) {
  SendQueue queue;
  Sink sink;
  ASSERT_TRUE(queue.push_bulk({9, the_group, Bytes(std::string(2 * credit_bytes, 'b'))}));
  const Bytes payload(std::string(100'000, 'c'));
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(
        queue.push({wire::FrameType::cast, the_group, "m", payload}, SendQueue::Kind::cast));
  }
  ASSERT_TRUE(queue.flush(sink).has_value());
  const std::vector<wire::FrameType> types = types_in(sink.text);
  ASSERT_EQ(types.size(), 10 + credit_bytes / part_bytes);
  EXPECT_EQ(std::count(types.begin(), types.begin() + 10, wire::FrameType::cast), 10);
  EXPECT_TRUE(queue.empty());  // nothing may be written before something has arrived
  EXPECT_TRUE(queue.credit(part_bytes));
  EXPECT_FALSE(queue.empty());
  sink.text.clear();
  ASSERT_TRUE(queue.flush(sink).has_value());
  EXPECT_EQ(types_in(sink.text).size(), 1u);
  EXPECT_FALSE(queue.credit(credit_bytes + 1));
}

// An urgent frame waits for the part under way and for no more.
TEST(Bulk, AnUrgentFrameOvertakesTheRestOfAMessage) {
  SendQueue queue;
  Sink sink;
  ASSERT_TRUE(queue.push_bulk({9, the_group, Bytes(std::string(4 * part_bytes, 'b'))}));
  sink.room = part_bytes / 2;
  ASSERT_TRUE(queue.flush(sink).has_value());
  ASSERT_TRUE(queue.push({wire::FrameType::ping, the_group, "12345678", Bytes()},
                         SendQueue::Kind::control));
  sink.room = SIZE_MAX;
  ASSERT_TRUE(queue.flush(sink).has_value());
  const std::vector<wire::FrameType> types = types_in(sink.text);
  ASSERT_EQ(types.size(), 5u);
  EXPECT_EQ(types[0], wire::FrameType::bulk);
  EXPECT_EQ(types[1], wire::FrameType::ping);
}

TEST(Bulk, AFullQueueRefuses) {
  SendQueue queue;
  const Bytes mib(std::string(1024 * 1024, 'b'));
  std::size_t taken = 0;
  while (queue.push_bulk({9, the_group, mib})) taken += mib.size();
  EXPECT_EQ(taken, limits::link_bulk_queue_bytes_max);
}

TEST(Bulk, PartsOutOfOrderAreRefused) {
  const std::string part(1000, 'x');
  const auto take = [&part](BulkReader& reader, wire::BulkHead head) {
    return reader.take({head, the_group, part});
  };
  BulkReader reader;
  EXPECT_FALSE(take(reader, {9, 3000, 1000}).has_value());
  EXPECT_FALSE(take(reader, {9, 500, 0}).has_value());
  ASSERT_TRUE(take(reader, {9, 3000, 0}).has_value());
  EXPECT_FALSE(take(reader, {9, 3000, 0}).has_value());
  EXPECT_FALSE(take(reader, {9, 3000, 2000}).has_value());
  EXPECT_FALSE(take(reader, {9, 4000, 1000}).has_value());
  EXPECT_FALSE(take(reader, {8, 3000, 1000}).has_value());
  ASSERT_TRUE(take(reader, {9, 3000, 1000}).has_value());
  const auto last = take(reader, {9, 3000, 2000});
  ASSERT_TRUE(last.has_value() && last->has_value());
  EXPECT_EQ((*last)->payload.size(), 3000u);
}

TEST(Bulk, MessagesArriveWholeAndInOrderBesideCasts) {
  SimCluster cluster(5, 2);
  cluster.start();
  cluster.world.run_for(std::chrono::seconds(1));
  ASSERT_TRUE(cluster.all_linked());
  Prng prng(5);
  std::vector<std::string> sent;
  for (int i = 0; i < 8; ++i) {
    std::string text(1 + prng.below(1'500'000), static_cast<char>('a' + i));
    Cast cast{NodeId(2), {}, the_group, test_cast, "", Bytes(text), Lane::bulk};
    ASSERT_TRUE(cluster.node(1).server.tell(std::move(cast)).has_value());
    sent.push_back(std::move(text));
  }
  cluster.node(1).cast(2, "urgent");
  cluster.world.run_for(std::chrono::seconds(20));
  std::vector<std::string> got;
  for (const auto& each : cluster.node(2).received) got.push_back(each.payload);
  ASSERT_EQ(got.size(), sent.size() + 1);
  EXPECT_EQ(got.front(), "urgent");
  got.erase(got.begin());
  EXPECT_TRUE(got == sent);
}

}  // namespace
}  // namespace aspen::cluster
