// Proof that both ends of a link know the same secret, without showing it. An implementation holds
// the secret; nobody else sees it. An empty secret is one that everybody knows: the handshake is
// the same and proves nothing.
//
// Owner: the assembly; it outlives its users. Any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace aspen {

using Digest = std::array<std::uint8_t, 32>;

class Authenticator {
 public:
  virtual ~Authenticator() = default;
  // HMAC-SHA256 of `message` under the secret.
  [[nodiscard]] virtual Digest mac(std::string_view message) const = 0;
  // Takes the same time whatever the digests hold.
  [[nodiscard]] virtual bool equal(const Digest& a, const Digest& b) const = 0;
  // False if the secret is empty.
  [[nodiscard]] virtual bool secret() const = 0;
};

}  // namespace aspen
