// Certificate authorities and certificates that a test makes when it runs, so that none is ever
// checked in and none expires under a test.
//
// Thread: any; an authority is used by one at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace aspen::support {

enum class Usage : std::uint8_t { server_and_client, server, client };

struct CertificateSpec {
  std::string common_name = "test";
  std::vector<std::string> hosts;      // subject alternative names of kind DNS
  std::vector<std::string> addresses;  // and of kind IP
  // From now.
  std::chrono::seconds begin = std::chrono::hours(-1);
  std::chrono::seconds end = std::chrono::hours(24);
  Usage usage = Usage::server_and_client;
};

struct Issued {
  std::string certificate;  // PEM
  std::string key;
};

class CertificateAuthority {
 public:
  explicit CertificateAuthority(const std::string& name,
                                std::chrono::seconds lifetime = std::chrono::hours(24));
  ~CertificateAuthority();
  CertificateAuthority(const CertificateAuthority&) = delete;
  CertificateAuthority& operator=(const CertificateAuthority&) = delete;

  // PEM.
  [[nodiscard]] const std::string& certificate() const noexcept;
  // With a new key (EC P-256).
  [[nodiscard]] Issued issue(const CertificateSpec& spec);
  // An authority below this one; its certificate() belongs behind those that it issues.
  [[nodiscard]] std::unique_ptr<CertificateAuthority> subordinate(const std::string& name);

 private:
  struct State;

 public:
  // For subordinate() alone.
  explicit CertificateAuthority(std::unique_ptr<State> state);

 private:
  std::unique_ptr<State> state_;
};

// Writes `text` so that a reader sees all of it or what was there before.
void replace_file(const std::string& path, const std::string& text);

}  // namespace aspen::support
