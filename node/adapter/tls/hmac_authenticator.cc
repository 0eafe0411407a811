#include "node/adapter/tls/hmac_authenticator.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "node/base/assert.h"

namespace aspen::adapter::tls {

namespace {

tl::unexpected<Error> file_error(int error) {
  const auto detail = static_cast<std::uint64_t>(error);
  if (error == ENOENT) return fail(Code::not_found, "peer secret: no such file", detail);
  if (error == EACCES || error == EPERM) {
    return fail(Code::permission_denied, "peer secret: the file may not be read", detail);
  }
  return fail(Code::io_error, "peer secret: the file cannot be read", detail);
}

// One byte beyond the maximum tells a file that is too long.
Result<std::string> read_file(int fd) {
  std::string text(secret_bytes_max + 3, '\0');
  std::size_t size_bytes = 0;
  while (size_bytes < text.size()) {
    const ssize_t n = ::read(fd, text.data() + size_bytes, text.size() - size_bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return file_error(errno);
    if (n == 0) break;
    size_bytes += static_cast<std::size_t>(n);
  }
  text.resize(size_bytes);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

}  // namespace

HmacAuthenticator::HmacAuthenticator(std::string secret) : secret_(std::move(secret)) {}

HmacAuthenticator::~HmacAuthenticator() {
  OPENSSL_cleanse(secret_.data(), secret_.size());
}

Result<HmacAuthenticator::Loaded> HmacAuthenticator::load(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return file_error(errno);
  struct stat status = {};
  const int stated = ::fstat(fd, &status);
  Result<std::string> secret = read_file(fd);
  ::close(fd);
  if (!secret) return tl::unexpected(secret.error());
  if (secret->size() < secret_bytes_min) {
    return fail(Code::invalid_argument, "peer secret: at least 16 bytes are needed",
                secret->size());
  }
  if (secret->size() > secret_bytes_max) {
    return fail(Code::invalid_argument, "peer secret: longer than 4096 bytes", secret->size());
  }
  Loaded loaded;
  loaded.authenticator = std::make_unique<HmacAuthenticator>(std::move(*secret));
  if (stated == 0 && (status.st_mode & (S_IRWXG | S_IRWXO) & ~mode_t{S_IRGRP}) != 0) {
    loaded.warning = "the peer secret " + path + " is open to others: chmod 0600 or 0640 it";
  }
  return loaded;
}

Digest HmacAuthenticator::mac(std::string_view message) const {
  Digest digest{};
  unsigned int size_bytes = 0;
  // An empty key is legal for HMAC, a null pointer is not.
  const unsigned char* done =
      ::HMAC(::EVP_sha256(), secret_.c_str(), static_cast<int>(secret_.size()),
             reinterpret_cast<const unsigned char*>(message.data()), message.size(), digest.data(),
             &size_bytes);
  ASPEN_ASSERT(done != nullptr);
  ASPEN_ASSERT(size_bytes == digest.size());
  return digest;
}

bool HmacAuthenticator::equal(const Digest& a, const Digest& b) const {
  return ::CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace aspen::adapter::tls
