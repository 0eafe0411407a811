// Real processes that speak nothing but TLS: renewal and rotation under load, and who is refused.
#include "tests/e2e/tls_cluster.h"

namespace aspen::e2e {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using support::CertificateAuthority;
using support::CertificateSpec;
using Port = TlsCluster::Port;

class Tls : public testing::Test {
 protected:
  void SetUp() override { ASSERT_NO_FATAL_FAILURE(cluster.start()); }

  // The links of a follower that serves no client break and are made again with what is in use now.
  void relink(std::size_t node) {
    const std::size_t linked = cluster.log_count(node, "linked with a member");
    ASSERT_NO_FATAL_FAILURE(cluster.let_links_break(node));
    ASSERT_TRUE(eventually([&] {
      return cluster.log_count(node, "linked with a member") >= linked + 2;
    })) << cluster.log(node);
  }
  // New connections to every node with what clients have now.
  [[nodiscard]] bool all_serve() {
    for (std::size_t i = 0; i < TlsCluster::node_count; ++i) {
      if (!TlsCluster::put(cluster.connect(i), "probe").ok()) return false;
    }
    return true;
  }
  void expect_said(std::size_t node, const std::string& text) {
    EXPECT_TRUE(eventually([&] { return cluster.log_count(node, text) > 0; }))
        << "'" << text << "' is missing:\n"
        << cluster.log(node);
  }

  TlsCluster cluster;
};

// Goal: no request fails, and no old connection is cut. Method: the four steps in which
// certificates are renewed and their authority is exchanged; behind each, the third node's links
// are broken, so that peers meet under the new files too. Clients go through the other two.
TEST_F(Tls, RenewalAndRotationOfTheAuthorityUnderLoadFailNoRequest) {
  std::optional<std::size_t> leader;
  ASSERT_TRUE(eventually([&] { return (leader = cluster.leader()).has_value(); }));
  const std::size_t other = (*leader + 1) % TlsCluster::node_count;
  const std::size_t third = (*leader + 2) % TlsCluster::node_count;
  CertificateAuthority next("second authority");
  const std::string old_only = cluster.authority().certificate();
  const std::string both = old_only + next.certificate();
  const auto old_client = cluster.authority().issue({});
  const double expiry = cluster.metric(third, "aspen_certificate_expiry_seconds{use=\"client\"}");

  TlsLoad load(cluster, {*leader, other});
  ASSERT_TRUE(load.goes_on(100));

  // All certificates anew, by the same authority.
  cluster.renew_all(cluster.authority(), hours(20));
  cluster.use_client(cluster.authority().issue({}), old_only);
  ASSERT_TRUE(eventually([&] { return cluster.renewed(2); }));
  EXPECT_GT(cluster.metric(third, "aspen_certificate_expiry_seconds{use=\"client\"}"), expiry);
  ASSERT_NO_FATAL_FAILURE(relink(third));
  ASSERT_TRUE(load.goes_on(100));

  // Everybody trusts both authorities.
  for (std::size_t i = 0; i < TlsCluster::node_count; ++i) cluster.write_bundle(i, both);
  ASSERT_TRUE(eventually([&] { return cluster.renewed(4); }));
  cluster.use_client(cluster.authority().issue({}), both);
  ASSERT_NO_FATAL_FAILURE(relink(third));
  ASSERT_TRUE(load.goes_on(100));

  // Certificates of the new one: while the nodes take them up, both kinds meet.
  cluster.renew_all(next, hours(30));
  ASSERT_TRUE(eventually([&] { return cluster.renewed(6); }));
  // A certificate is in use on the client port a moment after it was taken up.
  ASSERT_TRUE(eventually([&] {
    for (std::size_t i = 0; i < TlsCluster::node_count; ++i) {
      const auto channel = cluster.connect(i, old_client, next.certificate());
      if (!TlsCluster::put(channel, "probe").ok()) return false;
    }
    return true;
  }));
  cluster.use_client(next.issue({}), both);
  ASSERT_NO_FATAL_FAILURE(relink(third));
  ASSERT_TRUE(load.goes_on(100));

  // Nobody trusts the old one any more.
  for (std::size_t i = 0; i < TlsCluster::node_count; ++i) {
    cluster.write_bundle(i, next.certificate());
  }
  cluster.use_client(next.issue({}), next.certificate());
  ASSERT_TRUE(eventually([&] { return cluster.renewed(8); }));
  ASSERT_NO_FATAL_FAILURE(relink(third));
  ASSERT_TRUE(load.goes_on(100));
  EXPECT_TRUE(eventually(
      [&] { return !TlsCluster::put(cluster.connect(third, old_client, both), "probe").ok(); }));

  load.stop();
  EXPECT_EQ(load.failures(), std::vector<std::string>());
  EXPECT_TRUE(all_serve());
  EXPECT_EQ(cluster.count_keys(), load.done());
  std::printf("%zu requests, none failed\n", load.done());
}

TEST_F(Tls, ProgramsConnectWithCertificatesAndNotWithout) {
  const std::vector<std::string> flags = cluster.client_flags();
  const auto with = [&flags](std::vector<std::string> words) {
    words.insert(words.begin(), flags.begin(), flags.end());
    return words;
  };
  const Ended put = cluster.etcdctl(0, with({"put", "a", "1"}));
  EXPECT_EQ(put.status, 0) << put.output;
  const Ended get = cluster.etcdctl(1, with({"get", "a", "--print-value-only"}));
  // Behind what a newer etcdctl says of its environment.
  EXPECT_TRUE(get.output.ends_with("1\n")) << get.output;
  const Ended status = cluster.aspenctl(2, {"cluster", "status"});
  EXPECT_EQ(status.status, 0) << status.output;
  EXPECT_NE(cluster.etcdctl(0, {flags[0], "get", "a"}).status, 0);
  expect_said(0, "it shows no certificate, and --client-tls-ca asks for one");
}

TEST_F(Tls, ForeignAndExpiredClientsAreRefusedWithAReason) {
  CertificateAuthority foreign("foreign");
  const std::string& roots = cluster.authority().certificate();
  cluster.use_client(foreign.issue({}), roots);
  std::vector<std::string> words = cluster.client_flags();
  words.insert(words.end(), {"get", "a"});
  EXPECT_NE(cluster.etcdctl(0, words).status, 0);
  expect_said(0, "a client was refused: its certificate has expired, or no CA of --client-tls-ca");
  CertificateSpec expired;
  expired.begin = hours(-5);
  expired.end = hours(-1);
  cluster.use_client(cluster.authority().issue(expired), roots);
  EXPECT_NE(cluster.etcdctl(1, words).status, 0);
  expect_said(1, "a client was refused: its certificate has expired, or no CA of --client-tls-ca");
  // One that does not trust the node.
  cluster.use_client(cluster.authority().issue({}), foreign.certificate());
  EXPECT_NE(cluster.etcdctl(2, words).status, 0);
  expect_said(2, "a client refuses the certificate of --client-tls-cert");
}

TEST_F(Tls, NodeWithAForeignCertificateIsRefusedByTheOthersAndKnowsWhy) {
  CertificateAuthority foreign("foreign");
  cluster.processes().kill9(2);
  cluster.write_bundle(2, foreign.certificate() + cluster.authority().certificate());
  cluster.write_certificate(2, Port::peer, foreign.issue(cluster.spec(2, Port::peer)));
  cluster.start(2);
  for (const std::size_t node : {0U, 1U}) {
    expect_said(node, "certificate is foreign: no CA of --peer-tls-ca issued it");
  }
  expect_said(2, "refuses this node's certificate: its --peer-tls-ca does not hold the CA");
  EXPECT_FALSE(cluster.ready(2));
  // A good one, without a restart.
  cluster.write_certificate(2, Port::peer, cluster.authority().issue(cluster.spec(2, Port::peer)));
  EXPECT_TRUE(eventually([&] { return cluster.ready(2); })) << cluster.log(2);
}

TEST_F(Tls, NodeWithTheCertificateOfAnotherNodeIsRefused) {
  cluster.processes().kill9(2);
  cluster.write_certificate(2, Port::peer, cluster.authority().issue(cluster.spec(1, Port::peer)));
  cluster.start(2);
  for (const std::size_t node : {0U, 1U}) {
    expect_said(node, "shows a certificate for n2: it must be for 127.0.0.1 or n3");
  }
  EXPECT_FALSE(cluster.ready(2));
}

TEST_F(Tls, CertificateThatExpiresIsRefusedAndItsRenewalHeals) {
  CertificateSpec brief = cluster.spec(2, Port::peer);
  brief.end = seconds(15);
  const auto expires = std::chrono::steady_clock::now() + brief.end;
  cluster.write_certificate(2, Port::peer, cluster.authority().issue(brief));
  ASSERT_TRUE(eventually([&] { return cluster.log_count(2, "certificates renewed") == 1; }));
  expect_said(2, "expires soon or has expired");
  std::this_thread::sleep_until(expires + seconds(1));
  // Links that exist go on; new ones are refused.
  EXPECT_TRUE(cluster.ready(2));
  ASSERT_NO_FATAL_FAILURE(cluster.let_links_break(2));
  for (const std::size_t node : {0U, 1U}) {
    expect_said(node, "certificate, or its CA, has expired: renew it");
  }
  expect_said(2, "refuses this node's certificate: it has expired: renew it");
  cluster.write_certificate(2, Port::peer, cluster.authority().issue(cluster.spec(2, Port::peer)));
  EXPECT_TRUE(eventually([&] { return cluster.ready(2); })) << cluster.log(2);
  // Such a file at the start is not even tried.
  cluster.processes().kill9(2);
  CertificateSpec expired = cluster.spec(2, Port::peer);
  expired.begin = hours(-5);
  expired.end = hours(-1);
  cluster.write_certificate(2, Port::peer, cluster.authority().issue(expired));
  cluster.start(2);
  EXPECT_EQ(cluster.processes().wait_end(2, seconds(20)), 2);
  expect_said(2, "a certificate expired at");
}

}  // namespace
}  // namespace aspen::e2e
