#include "node/adapter/tls/hmac_authenticator.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>

namespace aspen::adapter::tls {
namespace {

std::string file_with(const std::string& text, mode_t mode) {
  static int count = 0;
  const std::string path =
      testing::TempDir() + "secret" + std::to_string(::getpid()) + "_" + std::to_string(++count);
  std::ofstream(path, std::ios::binary) << text;
  ::chmod(path.c_str(), mode);
  return path;
}

std::string hex(const Digest& digest) {
  std::string text;
  for (const std::uint8_t byte : digest) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

// RFC 4231, test case 2.
TEST(HmacAuthenticator, AgreesWithThePublishedVector) {
  const HmacAuthenticator authenticator("Jefe");
  EXPECT_EQ(hex(authenticator.mac("what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(HmacAuthenticator, OtherSecretGivesAnotherDigest) {
  const HmacAuthenticator a("0123456789abcdef");
  const HmacAuthenticator b("0123456789abcdeg");
  EXPECT_TRUE(a.equal(a.mac("m"), a.mac("m")));
  EXPECT_FALSE(a.equal(a.mac("m"), b.mac("m")));
  EXPECT_FALSE(a.equal(a.mac("m"), a.mac("n")));
  EXPECT_FALSE(HmacAuthenticator("").secret());
  EXPECT_NE(HmacAuthenticator("").mac("m"), Digest{});
}

TEST(HmacAuthenticator, FileIsReadWithoutItsLineEnd) {
  const HmacAuthenticator plain("0123456789abcdef");
  for (const char* end : {"", "\n", "\r\n"}) {
    const auto loaded =
        HmacAuthenticator::load(file_with("0123456789abcdef" + std::string(end), 0600));
    ASSERT_TRUE(loaded) << loaded.error().what;
    EXPECT_EQ(loaded->authenticator->mac("m"), plain.mac("m"));
    EXPECT_EQ(loaded->warning, "");
  }
}

TEST(HmacAuthenticator, FileThatOthersMayReadIsWarnedAbout) {
  const auto loaded = HmacAuthenticator::load(file_with("0123456789abcdef", 0644));
  ASSERT_TRUE(loaded);
  EXPECT_NE(loaded->warning.find("chmod"), std::string::npos);
}

TEST(HmacAuthenticator, BadFileIsRefusedByName) {
  EXPECT_EQ(HmacAuthenticator::load("/nonexistent/secret").error().code, Code::not_found);
  EXPECT_EQ(HmacAuthenticator::load(file_with("short\n", 0600)).error().code,
            Code::invalid_argument);
  EXPECT_EQ(HmacAuthenticator::load(file_with(std::string(5000, 'x'), 0600)).error().code,
            Code::invalid_argument);
  EXPECT_EQ(HmacAuthenticator::load("/").error().code, Code::io_error);
}

}  // namespace
}  // namespace aspen::adapter::tls
