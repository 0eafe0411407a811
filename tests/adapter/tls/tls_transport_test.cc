#include "node/adapter/tls/tls_transport.h"

#include <openssl/ssl.h>

#include "node/adapter/tls/openssl.h"
#include "node/adapter/tls/tls_context.h"
#include "tests/adapter/tls/tls_nodes.h"

namespace aspen::adapter::tls {
namespace {

using std::chrono::hours;
using support::CertificateAuthority;
using support::CertificateSpec;
using support::Issued;

class TlsTransportTest : public testing::Test {
 protected:
  CertificateSpec spec(const std::string& name) {
    CertificateSpec made;
    made.common_name = "cn-" + name;
    made.hosts = {name};
    return made;
  }
  Issued issued(const std::string& name) { return authority.issue(spec(name)); }
  // Until both ends know how it went.
  void meet(TlsNode& client, TlsNode& server, const std::string& address = "server:1") {
    dialled = &client.dial(address);
    const std::size_t before = server.accepted.ends.size();
    ASSERT_TRUE(network.run_until([&] {
      if (server.accepted.ends.size() == before) return dialled->over();
      const End& last = server.accepted.last();
      return (dialled->open() || dialled->over()) && (last.open() || last.over());
    }));
    accepted = server.accepted.ends.size() == before ? nullptr : &server.accepted.last();
  }

  CertificateAuthority authority{"authority"};
  CertificateAuthority foreign{"foreign"};
  Network network;
  End* dialled = nullptr;
  End* accepted = nullptr;
};

TEST_F(TlsTransportTest, BothSidesKnowWhomTheySpeakTo) {
  TlsNode server(network, "server", issued("server.example"), authority.certificate());
  TlsNode client(network, "client", issued("client.example"), authority.certificate());
  ASSERT_NO_FATAL_FAILURE(meet(client, server));
  ASSERT_TRUE(dialled->open()) << dialled->what();
  ASSERT_TRUE(accepted->open()) << accepted->what();
  EXPECT_TRUE(dialled->stream->identity()->names("server.example"));
  EXPECT_FALSE(dialled->stream->identity()->names("client.example"));
  EXPECT_TRUE(accepted->stream->identity()->names("client.example"));
  EXPECT_EQ(accepted->stream->identity()->describe(), "client.example");
}

TEST_F(TlsTransportTest, BindingIsTheSameAtBothEndsAndOnNoOtherStream) {
  TlsNode server(network, "server", issued("server"), authority.certificate());
  TlsNode client(network, "client", issued("client"), authority.certificate());
  std::vector<std::string> seen;
  for (int i = 0; i < 3; ++i) {
    ASSERT_NO_FATAL_FAILURE(meet(client, server));
    ASSERT_TRUE(dialled->open() && accepted->open());
    const std::string binding = dialled->stream->identity()->binding();
    EXPECT_EQ(binding.size(), 32U);
    EXPECT_EQ(accepted->stream->identity()->binding(), binding);
    EXPECT_EQ(std::count(seen.begin(), seen.end(), binding), 0);
    seen.push_back(binding);
  }
}

TEST_F(TlsTransportTest, NamesAreThoseOfTheCertificateAndNothingNear) {
  CertificateSpec wide;
  wide.common_name = "common";
  wide.hosts = {"n1", "*.peer.svc"};
  wide.addresses = {"10.0.0.1", "::1"};
  TlsNode server(network, "server", authority.issue(wide), authority.certificate());
  TlsNode client(network, "client", issued("client"), authority.certificate());
  ASSERT_NO_FATAL_FAILURE(meet(client, server));
  ASSERT_TRUE(dialled->open());
  const StreamIdentity& identity = *dialled->stream->identity();
  for (const char* name : {"n1", "N1", "a.peer.svc", "a.peer.svc.", "10.0.0.1", "::1", "0:0::1"}) {
    EXPECT_TRUE(identity.names(name)) << name;
  }
  using std::string_view_literals::operator""sv;
  for (const auto name : {"", "n", "n11", "common", "peer.svc", "a.b.peer.svc", ".peer.svc", ".svc",
                          "*.peer.svc.x", "10.0.0.2", "::2"}) {
    EXPECT_FALSE(identity.names(name)) << name;
  }
  EXPECT_FALSE(identity.names("n1\0.evil"sv));
  EXPECT_EQ(identity.describe(), "n1, *.peer.svc, 10.0.0.1, ::1");
}

// Whose certificate is bad, and what both ends say: who refuses names the reason, and the refused
// side reads it though TLS 1.3 has already let it send.
struct Bad {
  const char* name;
  std::function<Issued(CertificateAuthority&, CertificateAuthority&)> make;
  const char* refuses;
  const char* refused;
};

Issued with(CertificateAuthority& by, hours begin, hours end) {
  CertificateSpec spec;
  spec.hosts = {"bad"};
  spec.begin = begin;
  spec.end = end;
  return by.issue(spec);
}

class TlsRefusal : public TlsTransportTest, public testing::WithParamInterface<Bad> {
 protected:
  void expect_refusal(const End& refuses, const End& refused) {
    EXPECT_EQ(refuses.error.code, Code::unauthenticated);
    EXPECT_NE(refuses.what().find(GetParam().refuses), std::string::npos) << refuses.what();
    EXPECT_EQ(refused.error.code, Code::unauthenticated);
    EXPECT_NE(refused.what().find(GetParam().refused), std::string::npos) << refused.what();
    EXPECT_EQ(refuses.received + refused.received, "");
  }
};

TEST_P(TlsRefusal, OfTheSideThatDialledIsSaidToBoth) {
  TlsNode server(network, "server", issued("server"), authority.certificate());
  TlsNode client(network, "client", GetParam().make(authority, foreign), authority.certificate());
  End& end = client.dial("server:1");
  end.then = [](End& self) {
    if (!self.over()) self.send("too early");
  };
  ASSERT_TRUE(network.run_until([&] {
    return end.over() && !server.accepted.ends.empty() && server.accepted.last().over();
  }));
  expect_refusal(server.accepted.last(), end);
}

TEST_P(TlsRefusal, OfTheSideThatAcceptedIsSaidToBoth) {
  TlsNode server(network, "server", GetParam().make(authority, foreign), authority.certificate());
  TlsNode client(network, "client", issued("client"), authority.certificate());
  End& end = client.dial("server:1");
  ASSERT_TRUE(network.run_until([&] {
    return end.over() && !server.accepted.ends.empty() && server.accepted.last().over();
  }));
  expect_refusal(end, server.accepted.last());
}

INSTANTIATE_TEST_SUITE_P(
    Bad, TlsRefusal,
    testing::Values(
        Bad{"Foreign", [](auto&, auto& foreign) { return with(foreign, hours(-1), hours(1)); },
            "certificate is foreign: no CA of --peer-tls-ca issued it", "does not hold the CA"},
        Bad{"Expired", [](auto& own, auto&) { return with(own, hours(-9), hours(-1)); },
            "has expired: renew it", "it has expired: renew it"},
        Bad{"NotYetValid", [](auto& own, auto&) { return with(own, hours(1), hours(2)); },
            "not valid yet: check the clocks", "refuses this node's certificate"}),
    [](const auto& each) { return each.param.name; });

TEST_F(TlsTransportTest, CertificateForOneRoleIsRefusedInTheOther) {
  CertificateSpec only_server = spec("client");
  only_server.usage = support::Usage::server;
  TlsNode server(network, "server", issued("server"), authority.certificate());
  TlsNode client(network, "client", authority.issue(only_server), authority.certificate());
  client.dial("server:1");
  ASSERT_TRUE(network.run_until(
      [&] { return !server.accepted.ends.empty() && server.accepted.last().over(); }));
  EXPECT_NE(server.accepted.last().what().find("not for this use"), std::string::npos);
}

// ---- what is no node

// OpenSSL over a plain stream, as lax as it can be.
class RawClient {
 public:
  RawClient(Network& network, const std::function<void(SSL_CTX*)>& set_up) {
    ::SSL_CTX_set_verify(context_.get(), SSL_VERIFY_NONE, nullptr);
    set_up(context_.get());
    ssl_.reset(::SSL_new(context_.get()));
    ::SSL_set_bio(ssl_.get(), ::BIO_new(::BIO_s_mem()), ::BIO_new(::BIO_s_mem()));
    ::SSL_set_connect_state(ssl_.get());
    end_.then = [this](End& end) { pump(end); };
    end_.take(std::move(*network.host("raw").connect("server:1")));
  }

 private:
  void pump(End& end) {
    ::BIO_write(SSL_get_rbio(ssl_.get()), end.received.data(),
                static_cast<int>(end.received.size()));
    end.received.clear();
    static_cast<void>(::SSL_do_handshake(ssl_.get()));
    char* bytes = nullptr;
    const long size_bytes = ::BIO_get_mem_data(SSL_get_wbio(ssl_.get()), &bytes);
    waiting_.append(bytes, static_cast<std::size_t>(size_bytes));
    static_cast<void>(BIO_reset(SSL_get_wbio(ssl_.get())));
    if (!end.over()) waiting_.erase(0, end.send(waiting_));
  }

  SslContextPtr context_{::SSL_CTX_new(::TLS_method())};
  SslPtr ssl_;
  End end_;
  std::string waiting_;
};

void use(SSL_CTX* context, const Issued& issued) {
  const auto made = make_link_context({issued.certificate, issued.key, issued.certificate});
  ASSERT_TRUE(made);
  ::SSL_CTX_use_certificate(context, ::SSL_CTX_get0_certificate(made->get()));
  ::SSL_CTX_use_PrivateKey(context, ::SSL_CTX_get0_privatekey(made->get()));
}

void offer_protocol(SSL_CTX* context) {
  std::string list(1, static_cast<char>(link_protocol.size()));
  list += link_protocol;
  ::SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(list.data()),
                            static_cast<unsigned>(list.size()));
}

TEST_F(TlsTransportTest, WhatIsNoNodeIsRefusedWithTheReason) {
  const Issued good = issued("raw");
  struct Case {
    std::function<void(SSL_CTX*)> set_up;
    const char* says;
  };
  const Case cases[] = {
      {[](SSL_CTX* context) { offer_protocol(context); }, "shows no certificate"},
      {[&](SSL_CTX* context) { use(context, good); }, "is not a node"},
      {[&](SSL_CTX* context) {
         use(context, good);
         ::SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>("\x02h2"), 3);
       },
       "not the peer port of a node"},
      {[&](SSL_CTX* context) {
         use(context, good);
         offer_protocol(context);
         SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
       },
       "does not speak TLS 1.3"},
  };
  TlsNode server(network, "server", issued("server"), authority.certificate());
  for (const Case& each : cases) {
    const std::size_t before = server.accepted.ends.size();
    const RawClient client(network, each.set_up);
    ASSERT_TRUE(network.run_until([&] {
      return server.accepted.ends.size() > before && server.accepted.last().over();
    })) << each.says;
    EXPECT_EQ(server.accepted.last().error.code, Code::unauthenticated);
    EXPECT_NE(server.accepted.last().what().find(each.says), std::string::npos)
        << server.accepted.last().what();
  }
}

// The same set-up with nothing missing is let in: the cases above fail for their own reason.
TEST_F(TlsTransportTest, RawClientWithEverythingIsLetIn) {
  TlsNode server(network, "server", issued("server"), authority.certificate());
  const Issued good = issued("raw");
  const RawClient client(network, [&](SSL_CTX* context) {
    use(context, good);
    offer_protocol(context);
  });
  EXPECT_TRUE(network.run_until(
      [&] { return !server.accepted.ends.empty() && server.accepted.last().open(); }));
}

TEST_F(TlsTransportTest, PlainTextIsRefusedWithWhatToDo) {
  TlsNode server(network, "server", issued("server"), authority.certificate());
  End plain;
  plain.then = [](End& end) { end.send("GET / HTTP/1.1\r\nHost: server\r\n\r\n"); };
  plain.take(std::move(*network.host("plain").connect("server:1")));
  ASSERT_TRUE(network.run_until(
      [&] { return !server.accepted.ends.empty() && server.accepted.last().over(); }));
  EXPECT_NE(server.accepted.last().what().find("--peer-tls-cert"), std::string::npos);
}

TEST_F(TlsTransportTest, PlainServerIsRefusedWithWhatToDo) {
  TlsNode client(network, "client", issued("client"), authority.certificate());
  Accepting plain;
  plain.then = [](End& end) { end.then = [](End& self) { self.send("ASPN hello, I am plain"); }; };
  const auto listener = std::move(*network.host("server").listen("server:1", plain));
  End& end = client.dial("server:1");
  ASSERT_TRUE(network.run_until([&] { return end.over(); }));
  EXPECT_EQ(end.error.code, Code::unauthenticated);
  EXPECT_NE(end.what().find("--peer-tls-cert"), std::string::npos) << end.what();
}

// Random bytes, with and without a record's head, never make a stream and never hang one.
TEST_F(TlsTransportTest, GarbageEndsTheStream) {
  TlsNode server(network, "server", issued("server"), authority.certificate());
  const std::uint64_t seed =
      static_cast<unsigned>(testing::UnitTest::GetInstance()->random_seed()) + 1ULL;
  SCOPED_TRACE("seed " + std::to_string(seed));
  Prng prng(seed);
  for (int i = 0; i < 200; ++i) {
    std::string bytes(prng.below(3000) + 1, '\0');
    for (char& byte : bytes) byte = static_cast<char>(prng.below(256));
    if (i % 2 == 0) {
      const std::size_t body = bytes.size() - std::min<std::size_t>(bytes.size(), 5);
      const std::string head{0x16, 0x03, 0x01, static_cast<char>(body >> 8),
                             static_cast<char>(body)};
      bytes.replace(0, std::min<std::size_t>(bytes.size(), 5), head);
    }
    auto plain = std::make_unique<End>();
    plain->then = [sent = false, &bytes](End& end) mutable {
      if (!sent && !end.over()) sent = end.send(bytes) > 0;
    };
    plain->take(std::move(*network.host("plain").connect("server:1")));
    network.run();
    plain.reset();
    network.run();
    EXPECT_TRUE(server.accepted.last().over());
    EXPECT_EQ(server.accepted.last().received, "");
    server.accepted.ends.clear();
  }
}

// ---- a network that cuts and damages

std::string long_text() {
  std::string text;
  for (int i = 0; text.size() < 60'000; ++i) text += std::to_string(i) + ",";
  return text;
}

// Sends `text` through a Middle; gives what arrived and both errors.
struct Passed {
  std::string received;
  Error at_server;
  Error at_client;
};

class TlsOverBadNetwork : public TlsTransportTest {
 protected:
  Passed pass(const std::string& text, const Middle::Mangle& to_server,
              const Middle::Mangle& to_client) {
    Network fresh(7);
    TlsNode server(fresh, "server", server_certificate, authority.certificate());
    TlsNode client(fresh, "client", client_certificate, authority.certificate());
    Middle middle(fresh, to_server, to_client);
    std::string rest = text;
    End& end = client.dial("middle:1");
    end.then = [&rest](End& self) {
      if (!self.over() && !rest.empty()) rest.erase(0, self.send(rest));
    };
    fresh.run();
    if (server.accepted.ends.empty()) return {{}, {}, end.error};
    return {server.accepted.last().received, server.accepted.last().error, end.error};
  }
  Issued server_certificate = issued("server");
  Issued client_certificate = issued("client");
};

bool untouched(std::string&) {
  return true;
}

TEST_F(TlsOverBadNetwork, GoodMiddleChangesNothing) {
  const std::string text = long_text();
  const Passed passed = pass(text, untouched, untouched);
  EXPECT_TRUE(passed.received == text);
  EXPECT_EQ(passed.at_server.code, Code::ok);
}

TEST_F(TlsOverBadNetwork, CutAnywhereGivesAPrefixAndTheEnd) {
  const std::string text = long_text();
  for (std::size_t at : {0U, 1U, 4U, 5U, 6U, 100U, 500U, 1000U, 1700U, 3000U, 18'000U, 40'000U}) {
    std::size_t seen = 0;
    const Passed passed = pass(
        text,
        [&](std::string& bytes) {
          const std::size_t left = at - std::min(at, seen);
          seen += bytes.size();
          const bool cut = bytes.size() > left;
          if (cut) bytes.resize(left);
          return !cut;
        },
        untouched);
    EXPECT_TRUE(text.starts_with(passed.received)) << at;
    EXPECT_LT(passed.received.size(), text.size()) << at;
    EXPECT_NE(passed.at_client.code, Code::ok) << at;
    EXPECT_NE(passed.at_server.code, Code::ok) << at;
  }
}

TEST_F(TlsOverBadNetwork, EveryDamagedByteIsFoundBeforeItIsGiven) {
  const std::string text = long_text();
  const std::uint64_t seed =
      static_cast<unsigned>(testing::UnitTest::GetInstance()->random_seed()) + 1ULL;
  SCOPED_TRACE("seed " + std::to_string(seed));
  Prng prng(seed);
  for (int i = 0; i < 40; ++i) {
    const std::size_t at = i < 20 ? prng.below(1500) : prng.below(50'000);
    const auto bit = static_cast<char>(1 << prng.below(8));
    std::size_t seen = 0;
    bool damaged = false;
    const auto damage = [&](std::string& bytes) {
      if (!damaged && at < seen + bytes.size()) {
        bytes[at - seen] = static_cast<char>(bytes[at - seen] ^ bit);
        damaged = true;
      }
      seen += bytes.size();
      return true;
    };
    const bool upwards = prng.below(2) == 0;
    const Passed passed = upwards ? pass(text, damage, untouched) : pass(text, untouched, damage);
    EXPECT_TRUE(text.starts_with(passed.received)) << "byte " << at << " bit " << int{bit};
    // A server says little in answer: the damage may lie beyond all that it said.
    EXPECT_TRUE(!damaged || !upwards || passed.received != text) << "byte " << at;
  }
}

// ---- renewal

TEST_F(TlsTransportTest, RenewalIsForNewConnectionsAndCutsNone) {
  TlsNode server(network, "server", issued("old"), authority.certificate());
  TlsNode client(network, "client", issued("client"), authority.certificate());
  ASSERT_NO_FATAL_FAILURE(meet(client, server));
  End& old_dialled = *dialled;
  End& old_accepted = *accepted;
  EXPECT_EQ(old_dialled.send("before "), 7U);
  server.certificates.use(issued("new"), authority.certificate());
  ASSERT_NO_FATAL_FAILURE(meet(client, server));
  EXPECT_EQ(dialled->stream->identity()->describe(), "new");
  EXPECT_EQ(old_dialled.stream->identity()->describe(), "old");
  EXPECT_EQ(old_dialled.send("after"), 5U);
  EXPECT_TRUE(network.run_until([&] { return old_accepted.received == "before after"; }));
}

TEST_F(TlsTransportTest, UnusableCertificatesLeaveTheLastGoodOnes) {
  TlsNode server(network, "server", issued("server"), authority.certificate());
  TlsNode client(network, "client", issued("client"), authority.certificate());
  server.certificates.use({"no certificate", "no key"}, "no authority");
  ASSERT_NO_FATAL_FAILURE(meet(client, server));
  EXPECT_TRUE(dialled->open() && accepted->open());
}

// One node after the other: first the bundle with both CAs, then certificates of the new CA, then
// the bundle without the old one. At every moment any node can speak with any other.
TEST_F(TlsTransportTest, AuthorityIsRotatedThroughABundleWithoutARefusal) {
  CertificateAuthority next("next");
  const std::string old_bundle = authority.certificate();
  const std::string both = authority.certificate() + next.certificate();
  std::vector<std::unique_ptr<TlsNode>> nodes;
  const std::vector<std::string> names{"server", "b", "c"};
  std::vector<Issued> certificates;
  for (const std::string& name : names) {
    certificates.push_back(issued(name));
    nodes.push_back(std::make_unique<TlsNode>(network, name, certificates.back(), old_bundle));
  }
  const auto all_meet = [&](const char* when) {
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      for (std::size_t j = 0; j < nodes.size(); ++j) {
        if (i == j) continue;
        ASSERT_NO_FATAL_FAILURE(meet(*nodes[i], *nodes[j], names[j] + ":1"));
        EXPECT_TRUE(dialled->open() && accepted->open()) << when << dialled->what();
      }
    }
  };
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    nodes[i]->certificates.use(certificates[i], both);
    ASSERT_NO_FATAL_FAILURE(all_meet("bundle: "));
  }
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    certificates[i] = next.issue(spec(names[i]));
    nodes[i]->certificates.use(certificates[i], both);
    ASSERT_NO_FATAL_FAILURE(all_meet("certificate: "));
  }
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    nodes[i]->certificates.use(certificates[i], next.certificate());
    ASSERT_NO_FATAL_FAILURE(all_meet("new bundle: "));
  }
  // Whoever still comes with the old CA is a stranger now.
  nodes[0]->certificates.use(issued("server"), both);
  ASSERT_NO_FATAL_FAILURE(meet(*nodes[0], *nodes[1], "b:1"));
  EXPECT_FALSE(accepted->open());
}

TEST_F(TlsTransportTest, ManyRefusedStreamsAreForgotten) {
  TlsNode server(network, "server", issued("server"), authority.certificate());
  TlsNode client(network, "client", with(foreign, hours(-1), hours(1)), authority.certificate());
  for (int i = 0; i < 50; ++i) {
    End& end = client.dial("server:1");
    ASSERT_TRUE(network.run_until([&] { return end.over(); }));
    server.accepted.ends.clear();
    client.dialled.clear();
  }
  network.run();
}

}  // namespace
}  // namespace aspen::adapter::tls
