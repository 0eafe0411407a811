// HMAC-SHA256 with the secret that all nodes of a cluster share, by OpenSSL. The secret is read
// from a file once, so that it never stands on a command line.
//
// Owner: the assembly. Any thread; nothing blocks after load().
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "node/base/error.h"
#include "node/port/authenticator.h"

namespace aspen::adapter::tls {

inline constexpr std::size_t secret_bytes_min = 16;
inline constexpr std::size_t secret_bytes_max = 4096;

class HmacAuthenticator final : public Authenticator {
 public:
  // An empty secret is one that everybody knows.
  explicit HmacAuthenticator(std::string secret);
  ~HmacAuthenticator() override;
  HmacAuthenticator(const HmacAuthenticator&) = delete;
  HmacAuthenticator& operator=(const HmacAuthenticator&) = delete;

  struct Loaded {
    std::unique_ptr<HmacAuthenticator> authenticator;
    std::string warning;  // empty, or what is wrong with the file's permissions
  };
  // The file's bytes without line ends behind them. Blocks on the file.
  // Possible errors: not_found, permission_denied, io_error (cannot be read; detail: errno),
  // invalid_argument (shorter than secret_bytes_min or longer than secret_bytes_max).
  [[nodiscard]] static Result<Loaded> load(const std::string& path);

  [[nodiscard]] Digest mac(std::string_view message) const override;
  [[nodiscard]] bool equal(const Digest& a, const Digest& b) const override;
  [[nodiscard]] bool secret() const override { return !secret_.empty(); }

 private:
  std::string secret_;
};

}  // namespace aspen::adapter::tls
