// TLS over another stream, which it owns. OpenSSL reads from that stream and writes into a buffer
// of limits::tls_pending_bytes_max; nothing waits.
//
//   shaking -> open -> broken
//       \______________/
//
// Read and write take and give nothing before `open`, as on a stream that is not connected yet.
// Which CA, which version and whether the other side has a certificate at all is settled by then;
// whose certificate it is, the reader asks identity().
//
// Owner: who dialled or accepted it. Thread: that of the transport.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "node/adapter/tls/openssl.h"
#include "node/base/error.h"
#include "node/port/transport.h"

namespace aspen::adapter::tls {

class TlsTransport;

// The other side's certificate, and what binds a proof to this stream (RFC 9266, 32 bytes).
class CertifiedIdentity final : public StreamIdentity {
 public:
  CertifiedIdentity(CertificatePtr certificate, std::string binding);
  [[nodiscard]] const std::string& binding() const override { return binding_; }
  // By subject alternative names alone; a wildcard stands for one label.
  [[nodiscard]] bool names(std::string_view name) const override;
  [[nodiscard]] std::string describe() const override;

 private:
  CertificatePtr certificate_;
  std::string binding_;
};

class TlsStream final : public Stream, public StreamSink {
 public:
  // `ssl` knows whether it connects or accepts.
  TlsStream(TlsTransport& transport, std::unique_ptr<Stream> below, SslPtr ssl);
  ~TlsStream() override;

  void set_sink(StreamSink* sink) override;
  [[nodiscard]] Result<std::size_t> read(std::span<char> space) override;
  [[nodiscard]] Result<std::size_t> write(std::span<const std::string_view> parts) override;
  [[nodiscard]] std::string peer_address() const override { return below_->peer_address(); }
  [[nodiscard]] const StreamIdentity* identity() const override {
    return identity_.has_value() ? &*identity_ : nullptr;
  }

  void on_ready() override;

  // For OpenSSL: as a BIO's read and write, -1 if there is nothing now or nothing any more.
  [[nodiscard]] int give_encrypted(std::span<char> space, BIO* bio);
  [[nodiscard]] int take_encrypted(std::string_view bytes);

 private:
  enum class State : std::uint8_t { shaking, open, broken };
  // What is still to be encrypted of the parts of one write.
  class Parts;

  void shake_hands();
  void on_shaken();
  void judge(int result);
  void break_off(const Error& error);
  [[nodiscard]] bool encrypt(Parts& parts, std::size_t& taken);
  void renew_key();
  void flush();

  TlsTransport& transport_;
  std::unique_ptr<Stream> below_;
  SslPtr ssl_;
  State state_ = State::shaking;
  StreamSink* sink_ = nullptr;
  std::optional<CertifiedIdentity> identity_;
  std::string pending_;  // encrypted, not taken yet by the stream below
  std::uint64_t records_ = 0;
  bool says_farewell_ = false;  // the other side is told why, and should be able to read it
  Error below_error_;           // of a read
  Error write_error_;
  Error error_;  // of `broken`
};

}  // namespace aspen::adapter::tls
