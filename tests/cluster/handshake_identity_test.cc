// The handshake over a stream that knows its other side, as TLS does: whom a certificate lets in,
// and what a proof is bound to.
#include <gtest/gtest.h>

#include <set>

#include "node/cluster/handshake.h"
#include "tests/cluster/toy_authenticator.h"

namespace aspen::cluster {
namespace {

using wire::LinkError;
using wire::LinkUse;

Member member(std::uint64_t n) {
  return {.peer = {NodeId(n), {0xd15c, n}},
          .name = "n" + std::to_string(n),
          .peer_address = "host" + std::to_string(n) + ":2380",
          .client_addresses = {}};
}

// A stream of which only the identity is of interest.
class ProvenStream final : public Stream, public StreamIdentity {
 public:
  ProvenStream(std::string binding, std::set<std::string> names)
      : binding_(std::move(binding)), names_(std::move(names)) {}
  void set_sink(StreamSink*) override {}
  Result<std::size_t> read(std::span<char>) override { return 0; }
  Result<std::size_t> write(std::span<const std::string_view>) override { return 0; }
  std::string peer_address() const override { return "somewhere"; }
  const StreamIdentity* identity() const override { return this; }
  const std::string& binding() const override { return binding_; }
  bool names(std::string_view name) const override { return names_.contains(std::string(name)); }
  std::string describe() const override { return names_.empty() ? "nobody" : *names_.begin(); }

 private:
  std::string binding_;
  std::set<std::string> names_;
};

// Members 1, who dials, and 2. Each stream shows the certificate of the other side.
struct Pair {
  std::string secret = "secret";
  std::set<std::string> dialler_certificate{"host1"};
  std::set<std::string> acceptor_certificate{"host2"};
  std::string dialler_binding = "one stream";
  std::string acceptor_binding = "one stream";
  LinkUse use = LinkUse::member;
  std::string dialled = "host2:2380";
  Config members{{member(1), member(2)}};
};

struct Met {
  std::optional<Refusal> dialler;
  std::optional<Refusal> acceptor;
};

std::string deliver(std::string_view bytes, Handshake& to) {
  std::string out;
  while (!bytes.empty() && !to.over()) {
    const auto header = wire::decode_frame_header(bytes.substr(0, wire::frame_header_bytes));
    EXPECT_TRUE(header);
    const std::size_t size_bytes = wire::frame_header_bytes + header->body_bytes();
    const auto frame = wire::open_frame(*header, bytes.substr(0, size_bytes));
    EXPECT_TRUE(frame);
    to.on_frame(*frame, out);
    bytes.remove_prefix(size_bytes);
  }
  return out;
}

Met meet(const Pair& pair) {
  const ToyAuthenticator authenticator(pair.secret);
  const ProvenStream seen_by_dialler(pair.dialler_binding, pair.acceptor_certificate);
  const ProvenStream seen_by_acceptor(pair.acceptor_binding, pair.dialler_certificate);
  const LocalIdentity one{ClusterId(0xc1), member(1).peer, "n1"};
  const LocalIdentity two{ClusterId(0xc1), member(2).peer, "n2"};
  wire::Nonce nonce{};
  nonce.fill(1);
  Handshake dialler({one, pair.members, authenticator, &seen_by_dialler},
                    {LinkRole::dialler, pair.use,
                     pair.use == LinkUse::member ? NodeId(2) : NodeId(), pair.dialled, nonce});
  nonce.fill(2);
  Handshake acceptor({two, pair.members, authenticator, &seen_by_acceptor},
                     {LinkRole::acceptor, LinkUse::member, NodeId(), "10.0.0.1", nonce});
  std::string to_acceptor;
  dialler.start(to_acceptor);
  for (int turn = 0; turn < 4; ++turn) {
    to_acceptor = deliver(deliver(to_acceptor, acceptor), dialler);
  }
  Met met;
  EXPECT_TRUE(dialler.over());
  EXPECT_TRUE(acceptor.over());
  if (dialler.phase() == Handshake::Phase::refused) met.dialler = dialler.refusal();
  if (acceptor.phase() == Handshake::Phase::refused) met.acceptor = acceptor.refusal();
  return met;
}

TEST(HandshakeIdentity, CertificateForTheHostOrTheNodeNameLetsAMemberIn) {
  for (const char* one : {"host1", "n1"}) {
    for (const char* two : {"host2", "n2"}) {
      const Met met = meet({.dialler_certificate = {one}, .acceptor_certificate = {two}});
      EXPECT_FALSE(met.dialler.has_value()) << one << two;
      EXPECT_FALSE(met.acceptor.has_value()) << one << two;
    }
  }
}

TEST(HandshakeIdentity, MemberWithAnothersCertificateIsRefusedInBothDirections) {
  for (const std::set<std::string>& wrong :
       {std::set<std::string>{"host3", "n3"}, {"host"}, {"host22"}, {"host2:2380"}, {}}) {
    const Met met = meet({.acceptor_certificate = wrong});
    ASSERT_TRUE(met.dialler.has_value());
    EXPECT_EQ(met.dialler->error, LinkError::wrong_certificate);
    EXPECT_EQ(met.dialler->by, Refusal::By::us);
    EXPECT_EQ(met.dialler->reason.code, Code::unauthenticated);
    EXPECT_NE(met.dialler->text.find("must be for host2 or n2"), std::string::npos)
        << met.dialler->text;
  }
  const Met met = meet({.dialler_certificate = {"host2", "n2"}});
  ASSERT_TRUE(met.acceptor.has_value());
  EXPECT_EQ(met.acceptor->error, LinkError::wrong_certificate);
  EXPECT_NE(met.acceptor->text.find("must be for host1 or n1"), std::string::npos)
      << met.acceptor->text;
}

// Its words about a lost disk would have a member replaced: they count only with its certificate.
TEST(HandshakeIdentity, StrangerCannotMakeAMemberLookLost) {
  Pair pair;
  pair.acceptor_certificate = {"host3"};
  pair.members.members[1].peer.incarnation = {0xd15c, 77};
  const Met met = meet(pair);
  ASSERT_TRUE(met.dialler.has_value());
  EXPECT_EQ(met.dialler->error, LinkError::wrong_certificate);
}

TEST(HandshakeIdentity, AddressesOfIpv6AndIpv4AreNamesToo) {
  for (const char* host : {"::1", "10.0.0.2"}) {
    Pair pair;
    const bool v6 = std::string_view(host).find(':') != std::string_view::npos;
    pair.members.members[1].peer_address =
        (v6 ? "[" + std::string(host) + "]" : std::string(host)) + ":2380";
    pair.acceptor_certificate = {host};
    EXPECT_FALSE(meet(pair).dialler.has_value()) << host;
  }
}

// Before there is a membership the address that somebody gave is all that is known.
TEST(HandshakeIdentity, RequestNeedsTheCertificateOfTheAddressOrOfTheNameGiven) {
  for (const char* good : {"host2", "n2"}) {
    const Met met = meet({.dialler_certificate = {"whoever"},
                          .acceptor_certificate = {good},
                          .use = LinkUse::request});
    EXPECT_FALSE(met.dialler.has_value());
    EXPECT_FALSE(met.acceptor.has_value());
  }
  const Met met = meet({.acceptor_certificate = {"n3"}, .use = LinkUse::request});
  ASSERT_TRUE(met.dialler.has_value());
  EXPECT_EQ(met.dialler->error, LinkError::wrong_certificate);
}

// Somebody with good certificates of his own who passes the frames on between two streams has two
// bindings: the proof of one stream is none on the other, with and without a secret.
TEST(HandshakeIdentity, ProofOfOneStreamIsNoneOnAnother) {
  for (const char* secret : {"secret", ""}) {
    const Met met = meet({.secret = secret, .acceptor_binding = "another one"});
    ASSERT_TRUE(met.acceptor.has_value());
    EXPECT_EQ(met.acceptor->error, LinkError::unauthenticated);
    EXPECT_TRUE(met.dialler.has_value());
  }
}

}  // namespace
}  // namespace aspen::cluster
