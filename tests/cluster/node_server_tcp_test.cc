// NodeServers over real sockets and threads; also the test for ThreadSanitizer.
#include <gtest/gtest.h>

#include <thread>

#include "tests/cluster/tcp_cluster.h"

namespace aspen::cluster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

bool wait_until(const std::function<bool()>& done, milliseconds longest) {
  const auto end = Clock::now() + longest;
  while (!done()) {
    if (Clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

// Carries bytes between a node and whoever dials it here, until it is told to stop reading: the
// connections stay open and silent, as behind a broken switch.
class Proxy final : public ListenerSink {
 public:
  explicit Proxy(std::string target) : target_(std::move(target)) {
    listener_ = std::move(*transport_->listen("127.0.0.1:0", *this));
    address = listener_->address();
    thread_ = std::thread([this] {
      while (!stopped_) {
        transport_->wait(milliseconds(1));
        if (!stalled) carry();
      }
    });
  }
  ~Proxy() override {
    stopped_ = true;
    thread_.join();
  }
  void on_accept(std::unique_ptr<Stream> stream) override {
    auto pair = std::make_unique<Pair>();
    pair->ends[0] = std::move(stream);
    pair->ends[1] = std::move(*transport_->connect(target_));
    pairs_.push_back(std::move(pair));
  }

  std::string address;
  std::atomic<bool> stalled{false};

 private:
  struct Pair {
    std::unique_ptr<Stream> ends[2];
    std::string towards[2];
    bool broken = false;
  };
  void carry() {
    char space[16 * 1024];
    for (const auto& pair : pairs_) {
      for (int from = 0; from < 2 && !pair->broken; ++from) {
        std::string& text = pair->towards[1 - from];
        if (text.size() < 1024 * 1024) {
          const auto bytes = pair->ends[from]->read(space);
          pair->broken = !bytes;
          if (bytes) text.append(space, *bytes);
        }
        const std::string_view parts[] = {text};
        const auto taken = pair->ends[1 - from]->write(parts);
        if (taken) text.erase(0, *taken);
      }
    }
    std::erase_if(pairs_, [](const auto& pair) { return pair->broken; });
  }

  std::string target_;
  std::unique_ptr<adapter::tcp::TcpTransport> transport_ =
      std::move(*adapter::tcp::TcpTransport::create());
  std::vector<std::unique_ptr<Pair>> pairs_;
  std::unique_ptr<Listener> listener_;
  std::atomic<bool> stopped_{false};
  std::thread thread_;
};

TEST(NodeServerTcp, ThreeNodesLinkAndEachReachesEachInOrder) {
  TcpNode one(1);
  TcpNode two(2);
  TcpNode three(3);
  const std::vector<TcpNode*> nodes{&one, &two, &three};
  std::map<std::pair<const TcpNode*, NodeId>, std::uint64_t> last;
  std::atomic<std::uint64_t> out_of_order{0};
  for (TcpNode* node : nodes) {
    node->on_cast = [&, seen = std::map<NodeId, std::uint64_t>()](const PeerId& from,
                                                                  const Bytes& payload) mutable {
      Reader in(payload.view());
      if (in.u64() != seen[from.id]++) ++out_of_order;
    };
  }
  link_all(nodes);
  constexpr std::uint64_t casts = 20'000;
  std::vector<std::thread> senders;
  for (TcpNode* node : nodes) {
    senders.emplace_back([node, &nodes] {
      for (std::uint64_t i = 0; i < casts; ++i) {
        Casts both;
        for (TcpNode* to : nodes) {
          if (to == node) continue;
          Writer out;
          out.u64(i).raw(std::string(i % 1000 == 0 ? 50'000 : i % 64, 'x'));
          both.list.push_back(
              {to->member().peer.id, {}, the_group, tcp_cast, "", Bytes(out.view())});
        }
        while (!node->server.tell(std::move(both))) std::this_thread::yield();
      }
    });
  }
  for (std::thread& sender : senders) sender.join();
  for (TcpNode* node : nodes) {
    EXPECT_TRUE(wait_until([node] { return node->received == 2 * casts; }, seconds(60)));
  }
  EXPECT_EQ(out_of_order, 0u);
}

class Listening final : public actor::Actor<Listening, ListenerProtocol> {
 public:
  Listening(std::atomic<std::uint64_t>& count, std::string& last) : count_(count), last_(last) {}
  void on(Said&& said, actor::Context<Listening>&) noexcept {
    last_ = std::to_string(said.from.id.value) + " said " + said.text;
    ++count_;
  }

 private:
  std::atomic<std::uint64_t>& count_;
  std::string& last_;
};

// Goal: an actor is told by name from another node as it is on its own, and a name that nobody has
// harms nothing. Method: the same Ref type, remote and local; what is refused is counted.
TEST(NodeServerTcp, AnActorIsToldByNameFromAnotherNode) {
  TcpNode one(1);
  TcpNode two(2);
  std::atomic<std::uint64_t> count{0};
  std::string last;
  const auto local =
      two.system().spawn<Listening>({.name = "ear"}, std::ref(count), std::ref(last));
  ASSERT_TRUE(local);
  link_all({&one, &two});
  const auto ask = [&](RemoteRef address, const std::string& text) {
    RemoteActorAt<ListenerProtocol, Said> remote(one.server, std::move(address), encode_said);
    const actor::Ref<ListenerProtocol> ref(remote);
    EXPECT_TRUE(ref.tell(Said{{}, text}));
  };
  const RemoteRef ear{NodeId(2), {}, the_group, tcp_named_cast, "ear"};
  ask(ear, "hello");
  ASSERT_TRUE(wait_until([&] { return count == 1; }, seconds(10)));
  EXPECT_EQ(last, "1 said hello");

  RemoteRef wrong = ear;
  wrong.target = "nobody";
  ask(wrong, "hello");
  wrong = ear;
  wrong.target = "node_server";  // an actor of another protocol
  ask(wrong, "hello");
  wrong = ear;
  wrong.group = GroupId(2);
  ask(wrong, "hello");
  ask(ear, "");
  wrong = ear;
  wrong.type = tcp_cast;  // it is not for names
  ask(wrong, "hello");
  wrong = ear;
  wrong.incarnation = {7, 7};  // another data directory: it does not leave
  ask(wrong, "hello");
  ask(ear, "bye");
  ASSERT_TRUE(wait_until([&] { return count == 2; }, seconds(10)));
  EXPECT_EQ(last, "1 said bye");
  const NodeStatus status = two.status();
  EXPECT_EQ(status.casts_undelivered, 4U);
  EXPECT_EQ(status.casts_unhandled, 1U);
  EXPECT_EQ(status.refusals.size(), 4U);
  EXPECT_EQ(one.status().peers.at(0).casts_unsent, 1U);
  EXPECT_EQ(two.received, 0U);
}

TEST(NodeServerTcp, HalfOpenConnectionIsNoticedInTime) {
  TcpNode one(1);
  TcpNode two(2);
  Proxy proxy(two.address);
  Config config{{one.member(), two.member()}};
  config.members[1].peer_address = proxy.address;
  ASSERT_TRUE(one.server.tell(SetMembers{config}));
  config.members[0].peer_address = "127.0.0.1:1";
  ASSERT_TRUE(two.server.tell(SetMembers{config}));
  ASSERT_TRUE(one.wait_ready(2, seconds(10)));
  ASSERT_TRUE(two.wait_ready(1, seconds(10)));
  const auto start = Clock::now();
  proxy.stalled = true;
  EXPECT_TRUE(one.wait_gone(2, seconds(5)));
  EXPECT_TRUE(two.wait_gone(1, seconds(5)));
  const auto noticed = std::chrono::duration_cast<milliseconds>(Clock::now() - start);
  std::printf("half-open link noticed by both after %ld ms\n", noticed.count());
  EXPECT_LE(noticed, milliseconds(2000)) << "1.5 s, and room for a busy machine";
  proxy.stalled = false;
  EXPECT_TRUE(one.wait_ready(2, seconds(10)));
  EXPECT_TRUE(two.wait_ready(1, seconds(10)));
}

TEST(NodeServerTcp, StoppedPeerIsGoneAtOnceAndItsAddressIsDialledAgain) {
  TcpNode one(1);
  auto two = std::make_unique<TcpNode>(2);
  link_all({&one, two.get()});
  two.reset();
  EXPECT_TRUE(one.wait_gone(2, seconds(5)));
  two = std::make_unique<TcpNode>(2);
  link_all({&one, two.get()});
}

TEST(NodeServerTcp, WrongSecretIsNeverReady) {
  TcpNode one(1);
  TcpNode two(2, "another secret of 16");
  Config config{{one.member(), two.member()}};
  ASSERT_TRUE(one.server.tell(SetMembers{config}));
  ASSERT_TRUE(two.server.tell(SetMembers{config}));
  EXPECT_TRUE(wait_until(
      [&] { return one.status().peers.at(0).last_error.find("secret") != std::string::npos; },
      seconds(10)));
  EXPECT_NE(one.status().peers.at(0).state, PeerStatus::State::ready);
}

// A name is resolved away from the actor's thread.
TEST(NodeServerTcp, HostNamesAreResolved) {
  TcpNode one(1);
  TcpNode two(2);
  Config config{{one.member(), two.member()}};
  const std::string port = two.address.substr(two.address.rfind(':'));
  config.members[1].peer_address = "localhost" + port;
  ASSERT_TRUE(one.server.tell(SetMembers{config}));
  config.members[0].peer_address = "no.such.host.invalid:2380";
  ASSERT_TRUE(two.server.tell(SetMembers{config}));
  EXPECT_TRUE(one.wait_ready(2, seconds(20)));
}

}  // namespace
}  // namespace aspen::cluster
