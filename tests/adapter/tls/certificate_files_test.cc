#include "node/adapter/tls/certificate_files.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <vector>

#include "tests/contract/counting_telemetry.h"
#include "tests/support/certificates.h"

namespace aspen::adapter::tls {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using support::CertificateAuthority;
using support::CertificateSpec;
using support::Issued;
using support::replace_file;

class SystemClock final : public Clock {
 public:
  Instant now() const noexcept override {
    return Instant{std::chrono::steady_clock::now().time_since_epoch().count()};
  }
  WallTime wall() const noexcept override {
    return WallTime{std::chrono::system_clock::now().time_since_epoch().count() + shift.count()};
  }
  Duration shift{0};
};

class KeptLog final : public LogSink {
 public:
  void write(LogLevel, std::string_view, std::string_view message,
             std::initializer_list<LogField> fields) override {
    std::string line(message);
    for (const LogField& field : fields) {
      line += " " + std::string(field.name) + "=" + field.value;
    }
    const std::lock_guard lock(mutex_);
    lines_.push_back(line);
  }
  [[nodiscard]] std::size_t count(const std::string& text) const {
    const std::lock_guard lock(mutex_);
    std::size_t found = 0;
    for (const std::string& line : lines_) {
      if (line.find(text) != std::string::npos) ++found;
    }
    return found;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

class CertificateFiles : public testing::Test {
 protected:
  void SetUp() override {
    folder = testing::TempDir() + "certificates" + std::to_string(::getpid()) + "_" +
             testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    write(authority.issue(spec()), authority.certificate());
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  static CertificateSpec spec(hours begin = hours(-1), hours end = hours(100)) {
    CertificateSpec made;
    made.hosts = {"n1"};
    made.begin = begin;
    made.end = end;
    return made;
  }
  void write(const Issued& issued, const std::string& bundle) const {
    replace_file(paths().cert, issued.certificate);
    replace_file(paths().key, issued.key);
    replace_file(paths().ca, bundle);
  }
  [[nodiscard]] CertificatePaths paths() const {
    return {folder + "/tls.crt", folder + "/tls.key", folder + "/ca.crt"};
  }
  Checked<std::unique_ptr<FileCertificates>> load(CertificateUse use = CertificateUse::peer,
                                                  Duration interval = hours(1)) {
    return FileCertificates::load({paths(), use, interval}, {clock, log, telemetry});
  }
  // What the thread would do in two intervals.
  static void poll_twice(FileCertificates& files) {
    files.poll();
    files.poll();
  }
  double failures() { return telemetry.value("aspen_certificate_reload_failures_total use=peer"); }

  std::string folder;
  CertificateAuthority authority{"authority"};
  CertificateAuthority foreign{"foreign"};
  SystemClock clock;
  KeptLog log;
  CountingTelemetry telemetry;
};

TEST_F(CertificateFiles, AreLoadedAndTheirExpiryIsAMetric) {
  const auto files = load();
  ASSERT_TRUE(files) << files.error().text;
  EXPECT_EQ((*files)->current()->ca, authority.certificate());
  const double expiry = telemetry.value("aspen_certificate_expiry_seconds use=peer");
  const double expected = static_cast<double>(clock.wall().ns) / 1e9 + seconds(hours(100)).count();
  EXPECT_NEAR(expiry, expected, 60);
  EXPECT_EQ(failures(), 0);
}

constexpr const char* encrypted_key =
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
    "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgAAAAAAAAAAAICCAAw\n"
    "-----END ENCRYPTED PRIVATE KEY-----\n";

// Each refusal names the flag and the file, says what is wrong and what is accepted.
TEST_F(CertificateFiles, BadOnesAreRefusedByNameAtTheStart) {
  const Issued good = authority.issue(spec());
  const Issued other = authority.issue(spec());
  CertificateSpec only_server = spec();
  only_server.usage = support::Usage::server;
  const std::string& bundle = authority.certificate();
  struct Case {
    Issued issued;
    std::string bundle;
    Code code;
    std::vector<std::string> says;
  };
  const Case cases[] = {
      {{"", good.key}, bundle, Code::invalid_argument, {"--peer-tls-cert", "tls.crt", "empty"}},
      {{"x", good.key}, bundle, Code::invalid_argument, {"--peer-tls-cert", "expected PEM"}},
      {{good.certificate.substr(0, 300), good.key},
       bundle,
       Code::invalid_argument,
       {"--peer-tls-cert", "malformed"}},
      {{std::string(300 * 1024, 'x'), good.key},
       bundle,
       Code::invalid_argument,
       {"--peer-tls-cert", "256 KiB"}},
      {{good.certificate, "x"}, bundle, Code::invalid_argument, {"--peer-tls-key", "tls.key"}},
      {{good.certificate, encrypted_key},
       bundle,
       Code::invalid_argument,
       {"--peer-tls-key", "not encrypted"}},
      {{good.certificate, other.key},
       bundle,
       Code::invalid_argument,
       {"--peer-tls-key", "--peer-tls-cert", "does not belong"}},
      {authority.issue(spec(hours(-9), hours(-1))),
       bundle,
       Code::failed_precondition,
       {"--peer-tls-cert", "tls.crt", "expired at", "renewed"}},
      {authority.issue(spec(hours(1), hours(9))),
       bundle,
       Code::failed_precondition,
       {"--peer-tls-cert", "not valid before", "clock"}},
      {authority.issue(only_server),
       bundle,
       Code::invalid_argument,
       {"--peer-tls-cert", "serverAuth and clientAuth"}},
      {foreign.issue(spec()),
       bundle,
       Code::invalid_argument,
       {"--peer-tls-cert", "not issued by", "--peer-tls-ca", "ca.crt"}},
      {good, "x", Code::invalid_argument, {"--peer-tls-ca", "ca.crt", "expected PEM"}},
      {good,
       CertificateAuthority("old", hours(-1)).certificate(),
       Code::failed_precondition,
       {"--peer-tls-ca", "expired"}},
  };
  for (const Case& each : cases) {
    write(each.issued, each.bundle);
    const auto files = load();
    ASSERT_FALSE(files) << each.says.back();
    EXPECT_EQ(files.error().error.code, each.code) << files.error().text;
    for (const std::string& says : each.says) {
      EXPECT_NE(files.error().text.find(says), std::string::npos) << files.error().text;
    }
  }
}

TEST_F(CertificateFiles, MissingAndUnreadableFilesAreRefusedByName) {
  std::filesystem::remove(paths().key);
  EXPECT_EQ(load().error().error.code, Code::not_found);
  EXPECT_NE(load().error().text.find("tls.key: no such file"), std::string::npos);
  std::filesystem::create_directory(paths().key);
  EXPECT_EQ(load().error().error.code, Code::io_error);
}

TEST_F(CertificateFiles, ServerOfClientsNeedsNoBundleAndMayHaveAnotherIssuer) {
  CertificateSpec only_server = spec();
  only_server.usage = support::Usage::server;
  write(foreign.issue(only_server), authority.certificate());
  EXPECT_TRUE(load(CertificateUse::client_port));
  CertificatePaths without = paths();
  without.ca.clear();
  const auto files = FileCertificates::load({without, CertificateUse::client_port, hours(1)},
                                            {clock, log, telemetry});
  ASSERT_TRUE(files) << files.error().text;
  EXPECT_EQ((*files)->current()->ca, "");
}

TEST_F(CertificateFiles, ChainThroughASubordinateIsGood) {
  const auto below = authority.subordinate("below");
  const Issued issued = below->issue(spec());
  write({issued.certificate + below->certificate(), issued.key}, authority.certificate());
  EXPECT_TRUE(load());
  write(issued, authority.certificate());
  EXPECT_FALSE(load());
}

TEST_F(CertificateFiles, ExpiredAuthorityBesideAGoodOneDoesNoHarm) {
  write(authority.issue(spec()),
        CertificateAuthority("old", hours(-1)).certificate() + authority.certificate());
  EXPECT_TRUE(load());
}

TEST_F(CertificateFiles, RenewedOnesBecomeCurrentAndAreTold) {
  const auto files = load();
  ASSERT_TRUE(files);
  int told = 0;
  (*files)->set_listener([&] {
    ++told;
    EXPECT_NE((*files)->current(), nullptr);
  });
  const auto before = (*files)->current();
  poll_twice(**files);
  EXPECT_EQ((*files)->current(), before);
  const Issued next = authority.issue(spec());
  write(next, authority.certificate());
  poll_twice(**files);
  EXPECT_EQ((*files)->current()->chain, next.certificate);
  EXPECT_EQ(told, 1);
  EXPECT_EQ(log.count("certificates renewed use=peer"), 1U);
  (*files)->set_listener({});
  write(authority.issue(spec()), authority.certificate());
  poll_twice(**files);
  EXPECT_EQ(told, 1);
}

TEST_F(CertificateFiles, BadRenewalKeepsTheOldAndIsToldOnce) {
  const auto files = load();
  ASSERT_TRUE(files);
  const auto before = (*files)->current();
  write(authority.issue(spec(hours(-9), hours(-1))), authority.certificate());
  for (int i = 0; i < 5; ++i) (*files)->poll();
  EXPECT_EQ((*files)->current(), before);
  EXPECT_EQ(log.count("is refused, the old one stays in use"), 1U);
  EXPECT_EQ(log.count("expired at"), 1U);
  EXPECT_EQ(failures(), 1);
  std::filesystem::remove(paths().cert);
  for (int i = 0; i < 5; ++i) (*files)->poll();
  EXPECT_EQ((*files)->current(), before);
  EXPECT_EQ(log.count("no such file"), 1U);
  EXPECT_EQ(failures(), 2);
  const Issued good = authority.issue(spec());
  write(good, authority.certificate());
  poll_twice(**files);
  EXPECT_EQ((*files)->current()->chain, good.certificate);
}

// A certificate and its key are two files: between the two writes nothing fits, and nobody is told.
TEST_F(CertificateFiles, FilesThatAreBeingWrittenAreLeftAlone) {
  const auto files = load();
  ASSERT_TRUE(files);
  const auto before = (*files)->current();
  const Issued next = authority.issue(spec());
  replace_file(paths().cert, next.certificate);
  (*files)->poll();
  EXPECT_EQ((*files)->current(), before);
  replace_file(paths().key, next.key);
  (*files)->poll();
  EXPECT_EQ((*files)->current(), before);
  (*files)->poll();
  EXPECT_EQ((*files)->current()->chain, next.certificate);
  EXPECT_EQ(failures(), 0);
}

// A certificate of a new CA waits for the bundle that holds it.
TEST_F(CertificateFiles, CertificateAheadOfItsBundleWaits) {
  const auto files = load();
  ASSERT_TRUE(files);
  const Issued next = foreign.issue(spec());
  write(next, authority.certificate());
  poll_twice(**files);
  EXPECT_NE((*files)->current()->chain, next.certificate);
  replace_file(paths().ca, authority.certificate() + foreign.certificate());
  poll_twice(**files);
  EXPECT_EQ((*files)->current()->chain, next.certificate);
}

// As the kubelet does: the files are links through ..data, and that link is exchanged.
TEST_F(CertificateFiles, SwapOfALinkIsARenewal) {
  namespace fs = std::filesystem;
  const auto make_version = [&](const std::string& name, const Issued& issued) {
    fs::create_directory(folder + "/" + name);
    replace_file(folder + "/" + name + "/tls.crt", issued.certificate);
    replace_file(folder + "/" + name + "/tls.key", issued.key);
    replace_file(folder + "/" + name + "/ca.crt", authority.certificate());
    fs::create_symlink(name, folder + "/..data_tmp");
    fs::rename(folder + "/..data_tmp", folder + "/..data");
  };
  make_version("..v1", authority.issue(spec()));
  for (const char* file : {"tls.crt", "tls.key", "ca.crt"}) {
    fs::remove(folder + "/" + file);
    fs::create_symlink(std::string("..data/") + file, folder + "/" + file);
  }
  const auto files = load();
  ASSERT_TRUE(files) << files.error().text;
  const Issued next = authority.issue(spec());
  make_version("..v2", next);
  poll_twice(**files);
  EXPECT_EQ((*files)->current()->chain, next.certificate);
}

TEST_F(CertificateFiles, CertificateThatExpiresSoonIsToldOnce) {
  const auto files = load();
  ASSERT_TRUE(files);
  poll_twice(**files);
  EXPECT_EQ(log.count("expires soon"), 0U);
  clock.shift = hours(80);
  poll_twice(**files);
  EXPECT_EQ(log.count("expires soon"), 1U);
}

TEST_F(CertificateFiles, AreReadAgainByAThread) {
  const auto files = load(CertificateUse::peer, std::chrono::milliseconds(5));
  ASSERT_TRUE(files);
  std::atomic<bool> told{false};
  (*files)->set_listener([&told] {
    told = true;
    told.notify_one();
  });
  write(authority.issue(spec()), authority.certificate());
  told.wait(false);
  EXPECT_EQ(log.count("certificates renewed"), 1U);
  (*files)->set_listener({});
}

}  // namespace
}  // namespace aspen::adapter::tls
