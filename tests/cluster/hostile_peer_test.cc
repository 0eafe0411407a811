// What reaches the peer port from those who are no members: halves of a handshake, nonsense, and
// silence. No node may fall, and the links between members must not notice.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/cluster/sim_cluster.h"

namespace aspen::cluster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Kind = NodeEvent::Kind;

// A raw stream to a node.
class RawPeer final : public StreamSink {
 public:
  RawPeer(SimCluster& cluster, const std::string& from, const std::string& to)
      : stream_(std::move(*cluster.network.host(from).connect(to))) {
    stream_->set_sink(this);
  }
  void on_ready() override {
    char space[4096];
    while (stream_ != nullptr && !ended) {
      const auto bytes = stream_->read(space);
      ended = !bytes.has_value();
      if (!bytes) break;
      received.append(space, *bytes);
      if (*bytes < sizeof(space)) break;
    }
    if (stream_ != nullptr && !ended) flush();
  }
  void send(std::string_view text) {
    to_send_ += text;
    if (stream_ != nullptr && !ended) flush();
  }
  void close() { stream_.reset(); }

  std::string received;
  bool ended = false;

 private:
  void flush() {
    const std::string_view parts[] = {to_send_};
    if (to_send_.empty()) return;
    const auto taken = stream_->write(parts);
    if (taken) to_send_.erase(0, *taken);
  }
  std::string to_send_;
  std::unique_ptr<Stream> stream_;
};

// Speaks the handshake as member 3 over a raw stream, byte by byte as far as it is allowed to.
class HandshakingPeer {
 public:
  HandshakingPeer(SimCluster& cluster, std::size_t bytes_max)
      : members_(cluster.config), raw_(cluster, "host3", "host1:2380"), left_(bytes_max) {
    std::string out;
    handshake_.start(out);
    send(out);
  }
  void turn() {
    while (!handshake_.over()) {
      const std::string_view rest = std::string_view(raw_.received).substr(read_);
      if (rest.size() < wire::frame_header_bytes) return;
      const auto header = wire::decode_frame_header(rest.substr(0, wire::frame_header_bytes));
      ASSERT_TRUE(header);
      const std::size_t size_bytes = wire::frame_header_bytes + header->body_bytes();
      if (rest.size() < size_bytes) return;
      const auto frame = wire::open_frame(*header, rest.substr(0, size_bytes));
      ASSERT_TRUE(frame);
      std::string out;
      handshake_.on_frame(*frame, out);
      read_ += size_bytes;
      send(out);
    }
  }
  [[nodiscard]] bool all_sent() const { return !cut_; }
  RawPeer& raw() { return raw_; }
  [[nodiscard]] bool proven() const { return handshake_.phase() == Handshake::Phase::proven; }

 private:
  void send(std::string_view bytes) {
    cut_ = cut_ || bytes.size() > left_;
    const std::string_view part = bytes.substr(0, left_);
    left_ -= part.size();
    raw_.send(part);
  }
  Config members_;
  LocalIdentity self_{test_cluster, {NodeId(3), test_disk(3)}, "n3"};
  ToyAuthenticator authenticator_{"secret"};
  Handshake handshake_{{self_, members_, authenticator_},
                       {LinkRole::dialler, wire::LinkUse::member, NodeId(1), "host1", {}}};
  RawPeer raw_;
  std::size_t left_;
  std::size_t read_ = 0;
  bool cut_ = false;
};

class HostilePeer : public testing::Test {
 protected:
  HostilePeer() : cluster(1) {
    cluster.node(1).start();
    cluster.node(2).start();
    cluster.world.run_for(seconds(1));
    EXPECT_TRUE(cluster.node(1).ready.contains(NodeId(2)));
  }
  void expect_unharmed() {
    for (const std::uint64_t n : {1U, 2U}) EXPECT_EQ(cluster.node(n).count(Kind::disconnected), 0u);
    cluster.node(2).cast(1, "ping");
    cluster.world.run_for(milliseconds(100));
    ASSERT_FALSE(cluster.node(1).received.empty());
    EXPECT_EQ(cluster.node(1).received.back().payload, "ping");
  }
  SimCluster cluster;
};

TEST_F(HostilePeer, HandshakeCutAfterEveryByteHarmsNobody) {
  std::size_t cuts = 0;
  for (std::size_t bytes = 0;; ++bytes) {
    HandshakingPeer peer(cluster, bytes);
    for (int i = 0; i < 10; ++i) {
      cluster.world.run_for(milliseconds(1));
      peer.turn();
    }
    if (peer.all_sent()) {
      EXPECT_TRUE(peer.proven());
      break;
    }
    ++cuts;
    peer.raw().close();
    EXPECT_FALSE(cluster.node(1).ready.contains(NodeId(3)));
  }
  EXPECT_GE(cuts, 140u);
  cluster.world.run_for(seconds(3));
  expect_unharmed();
  cluster.node(3).start();
  cluster.run_until([&] { return cluster.all_linked(); }, seconds(5));
  EXPECT_TRUE(cluster.all_linked());
}

// Between a proof and an admission nothing else may be said, and a proven stream is no link yet.
TEST_F(HostilePeer, ProvenPeerThatSendsCastsBeforeItIsAdmittedIsRefused) {
  HandshakingPeer peer(cluster, 100'000);
  for (int i = 0; i < 10 && !peer.proven(); ++i) {
    cluster.world.run_for(milliseconds(1));
    peer.turn();
  }
  ASSERT_TRUE(peer.proven());
  std::string meta;
  wire::encode_cast_head({test_cast, ""}, meta);
  std::string frame;
  wire::encode_frame_head({wire::FrameType::cast, the_group, meta, ""}, frame);
  peer.raw().send(frame);
  cluster.world.run_for(milliseconds(50));
  EXPECT_TRUE(cluster.node(1).received.empty());
  EXPECT_TRUE(cluster.node(1).log.has("unexpected frame"));
  expect_unharmed();
}

TEST_F(HostilePeer, NonsenseHarmsNobody) {
  const std::uint64_t seed = 20261125;
  SCOPED_TRACE(seed);
  Prng dice(seed);
  for (int round = 0; round < 2000; ++round) {
    RawPeer peer(cluster, "host9", dice.chance(1, 2) ? "host1:2380" : "host2:2380");
    std::string text(dice.below(3000), '\0');
    for (char& c : text) c = static_cast<char>(dice.next());
    if (dice.chance(1, 3)) text = "GET / HTTP/1.1\r\nHost: host1\r\n\r\n" + text;
    if (dice.chance(1, 3)) {
      std::string frame;
      const auto type = static_cast<wire::FrameType>(1 + dice.below(wire::frame_type_max));
      const std::string meta = text.substr(0, dice.below(200));
      wire::encode_frame_head({type, the_group, meta, ""}, frame);
      text = frame + text;
    }
    peer.send(text);
    cluster.world.run_for(Duration(static_cast<std::int64_t>(dice.below(3'000'000))));
    if (dice.chance(1, 2)) peer.close();
  }
  cluster.world.run_for(seconds(5));
  expect_unharmed();
  EXPECT_LE(cluster.node(1).log.lines.size(), 40u) << "the log is not flooded";
}

// A link whose bytes turn to nonsense is closed with a clear line; the others go on.
TEST_F(HostilePeer, NonsenseAfterTheHandshakeEndsOnlyThatLink) {
  HandshakingPeer peer(cluster, 100'000);
  for (int i = 0; i < 20; ++i) {
    cluster.world.run_for(milliseconds(1));
    peer.turn();
  }
  ASSERT_TRUE(peer.proven());
  // Member 3 is the arbiter of this pair.
  std::string admitted;
  wire::encode_frame_head({wire::FrameType::admitted, GroupId(), "", ""}, admitted);
  peer.raw().send(admitted);
  cluster.world.run_for(milliseconds(20));
  ASSERT_TRUE(cluster.node(1).ready.contains(NodeId(3)));
  std::string ping;
  const std::string meta = encode(wire::Heartbeat{1});
  wire::encode_frame_head({wire::FrameType::ping, GroupId(), meta, ""}, ping);
  ping[20] = static_cast<char>(ping[20] ^ 1);
  peer.raw().send(ping);
  cluster.world.run_for(milliseconds(20));
  EXPECT_FALSE(cluster.node(1).ready.contains(NodeId(3)));
  EXPECT_TRUE(cluster.node(1).log.has("lost the link"));
  for (const NodeEvent& event : cluster.node(1).events) {
    if (event.kind != Kind::disconnected) continue;
    EXPECT_EQ(event.peer.id, NodeId(3));
    EXPECT_NE(event.text.find("checksum"), std::string::npos) << event.text;
  }
  EXPECT_EQ(cluster.node(2).count(Kind::disconnected), 0u);
  cluster.world.run_for(seconds(1));
  EXPECT_TRUE(peer.raw().ended) << "the stream does not stay for ever";
}

// Answers every stream with nonsense and never closes one.
class NonsenseServer final : public ListenerSink {
 public:
  NonsenseServer(SimCluster& cluster, const std::string& host)
      : listener_(std::move(*cluster.network.host(host).listen(host + ":2380", *this))) {}
  void on_accept(std::unique_ptr<Stream> stream) override {
    const std::string_view parts[] = {"HTTP/1.1 400 Bad Request\r\n\r\n and much more than a head"};
    EXPECT_TRUE(stream->write(parts));
    streams.push_back(std::move(stream));
  }
  [[nodiscard]] std::size_t open() {
    char space[512];
    for (auto& stream : streams) {
      for (int reads = 0; stream != nullptr && reads < 4; ++reads) {
        if (!stream->read(space)) stream.reset();
      }
    }
    return static_cast<std::size_t>(
        std::count_if(streams.begin(), streams.end(), [](const auto& one) { return !!one; }));
  }
  std::vector<std::unique_ptr<Stream>> streams;

 private:
  std::unique_ptr<Listener> listener_;
};

// Probes of an address whose server talks nonsense and never closes, faster than links that say
// farewell end by themselves: their number stays bounded.
TEST_F(HostilePeer, ProbesOfANonsenseServerLeaveBoundedLinks) {
  NonsenseServer server(cluster, "host9");
  std::size_t refused = 0;
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 50; ++i) {
      cluster.node(1).server.ask_from_outside(
          Probe{"host9:2380"}, [&](Result<wire::ProbeReply>&& reply) { refused += reply ? 0 : 1; });
    }
    cluster.world.run_for(milliseconds(10));
    EXPECT_LE(server.open(), limits::links_pending_max + limits::node_requests_max);
  }
  EXPECT_EQ(refused, 1000U);
  EXPECT_EQ(server.streams.size(), 1000U);
  cluster.world.run_for(seconds(2));
  EXPECT_EQ(server.open(), 0U);
  expect_unharmed();
}

TEST_F(HostilePeer, NonsenseIsReportedOnceAndByItsCause) {
  {
    RawPeer peer(cluster, "host9", "host1:2380");
    peer.send(std::string(200, 'x'));
    cluster.world.run_for(milliseconds(50));
    peer.close();
  }
  cluster.world.run_for(seconds(1));
  EXPECT_EQ(cluster.node(1).log.count("host9"), 1U);
  HandshakingPeer member(cluster, 100'000);
  for (int i = 0; i < 10 && !member.proven(); ++i) {
    cluster.world.run_for(milliseconds(1));
    member.turn();
  }
  ASSERT_TRUE(member.proven());
  member.raw().send(std::string(200, 'x'));
  cluster.world.run_for(milliseconds(50));
  member.raw().close();
  cluster.world.run_for(seconds(1));
  EXPECT_EQ(cluster.node(1).log.count("sent nonsense"), 1U);
  EXPECT_FALSE(cluster.node(1).log.has("the other side closed"));
  expect_unharmed();
}

// Many who connect and say nothing: they end after the handshake's time, give way to newer ones
// meanwhile, and a member still gets in.
TEST_F(HostilePeer, SilentStrangersAreBoundedAndDoNotLockMembersOut) {
  std::vector<std::unique_ptr<RawPeer>> strangers;
  for (int i = 0; i < 500; ++i) {
    strangers.push_back(std::make_unique<RawPeer>(cluster, "host9", "host1:2380"));
    if (i % 50 == 0) cluster.world.run_for(milliseconds(2));
  }
  cluster.world.run_for(milliseconds(50));
  EXPECT_GE(cluster.node(1).status().streams_turned_away, 400u);
  cluster.node(3).start();
  cluster.run_until([&] { return cluster.all_linked(); }, seconds(5));
  EXPECT_TRUE(cluster.all_linked());
  cluster.world.run_for(seconds(5));
  for (const auto& stranger : strangers) EXPECT_TRUE(stranger->ended);
  expect_unharmed();
}

}  // namespace
}  // namespace aspen::cluster
