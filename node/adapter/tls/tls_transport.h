// Mutual TLS 1.3 over another transport, such as TCP, and served by its poller. Each connection is
// made with the certificates that are current when it begins; a renewal cuts none.
//
// What is checked where. Here: the other side has a certificate, it is good now, and a CA of the
// bundle issued it for its role; the protocol name. Above, by cluster/handshake, which alone knows
// the membership: the certificate names the host of the member's peer address or the member's node
// name. The proof of the peer secret is made over StreamIdentity::binding() too, so that it holds
// for this stream only; without a secret the certificates are the proof of identity.
//
// An accepted stream is handed on at once and shakes hands meanwhile: who accepts it bounds how
// long that may take and how many may do so. A stream that is refused is kept for a little, at most
// limits::tls_farewells_max of them, until the other side has read why.
//
// Owner: the assembly; it outlives all streams and listeners made of it. Thread: that of the
// transport below.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>

#include "node/adapter/tls/openssl.h"
#include "node/base/error.h"
#include "node/port/certificates.h"
#include "node/port/transport.h"

namespace aspen::adapter::tls {

struct TlsOptions {
  // Written with one key; 64 GiB in full records.
  std::uint64_t records_per_key = 1U << 22U;
};

class TlsTransport final : public Transport {
 public:
  // Both outlive it. Possible errors: invalid_argument (unusable certificates).
  [[nodiscard]] static Result<std::unique_ptr<TlsTransport>> create(
      Transport& below, const CertificateSource& certificates, TlsOptions options = {});
  ~TlsTransport() override;
  TlsTransport(const TlsTransport&) = delete;
  TlsTransport& operator=(const TlsTransport&) = delete;

  [[nodiscard]] Result<std::unique_ptr<Listener>> listen(const std::string& address,
                                                         ListenerSink& sink) override;
  [[nodiscard]] Result<std::unique_ptr<Stream>> connect(const std::string& address) override;

 private:
  friend class TlsStream;
  class TlsListener;
  class Farewell;
  enum class Role : std::uint8_t { connects, accepts };

  TlsTransport(Transport& below, const CertificateSource& certificates, TlsOptions options);
  // Null if there is no memory for it.
  [[nodiscard]] std::unique_ptr<Stream> wrap(std::unique_ptr<Stream> below, Role role);
  [[nodiscard]] Result<void> refresh();
  void keep_for_farewell(std::unique_ptr<Stream> stream);
  void forget(const Farewell& farewell);
  [[nodiscard]] std::uint64_t records_per_key() const noexcept { return options_.records_per_key; }

  Transport& below_;
  const CertificateSource& source_;
  TlsOptions options_;
  std::shared_ptr<const Certificates> made_of_;
  SslContextPtr context_;
  std::list<Farewell> farewells_;
};

}  // namespace aspen::adapter::tls
