// An authenticator without cryptography, for tests that look at the protocol alone.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "node/base/checksum.h"
#include "node/port/authenticator.h"

namespace aspen::cluster {

class ToyAuthenticator final : public Authenticator {
 public:
  explicit ToyAuthenticator(std::string secret) : secret_(std::move(secret)) {}

  [[nodiscard]] Digest mac(std::string_view message) const override {
    Digest digest{};
    std::uint64_t sum = checksum64(secret_);
    for (std::size_t i = 0; i < digest.size(); ++i) {
      if (i % 8 == 0) sum = checksum64(message, sum);
      digest[i] = static_cast<std::uint8_t>(sum >> (8 * (i % 8)));
    }
    return digest;
  }
  [[nodiscard]] bool equal(const Digest& a, const Digest& b) const override { return a == b; }
  [[nodiscard]] bool secret() const override { return !secret_.empty(); }

 private:
  std::string secret_;
};

}  // namespace aspen::cluster
