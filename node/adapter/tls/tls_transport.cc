#include "node/adapter/tls/tls_transport.h"

#include <algorithm>
#include <array>
#include <utility>

#include "node/adapter/tls/tls_context.h"
#include "node/adapter/tls/tls_stream.h"
#include "node/base/assert.h"
#include "node/base/limits.h"

namespace aspen::adapter::tls {

class TlsTransport::TlsListener final : public Listener, public ListenerSink {
 public:
  TlsListener(TlsTransport& transport, ListenerSink& sink) : transport_(transport), sink_(sink) {}
  void listen(std::unique_ptr<Listener> below) { below_ = std::move(below); }
  [[nodiscard]] std::string address() const override { return below_->address(); }

  void on_accept(std::unique_ptr<Stream> stream) override {
    std::unique_ptr<Stream> wrapped = transport_.wrap(std::move(stream), Role::accepts);
    if (wrapped != nullptr) sink_.on_accept(std::move(wrapped));
  }

 private:
  TlsTransport& transport_;
  ListenerSink& sink_;
  std::unique_ptr<Listener> below_;
};

// Closing a connection with unread bytes resets it, and then the other side may never read why.
class TlsTransport::Farewell final : public StreamSink {
 public:
  Farewell(TlsTransport& transport, std::unique_ptr<Stream> stream)
      : transport_(transport), stream_(std::move(stream)) {
    stream_->set_sink(this);
  }
  Farewell(const Farewell&) = delete;
  Farewell& operator=(const Farewell&) = delete;

  void on_ready() override {
    std::array<char, 4096> space;
    for (;;) {
      const Result<std::size_t> bytes = stream_->read(space);
      bytes_read_ += bytes.value_or(0);
      // Last: it ends this object.
      if (!bytes || bytes_read_ > limits::tls_farewell_bytes_max) return transport_.forget(*this);
      if (*bytes < space.size()) return;
    }
  }

 private:
  TlsTransport& transport_;
  std::unique_ptr<Stream> stream_;
  std::size_t bytes_read_ = 0;
};

TlsTransport::TlsTransport(Transport& below, const CertificateSource& certificates,
                           TlsOptions options)
    : below_(below), source_(certificates), options_(options) {
  ASPEN_ASSERT(options_.records_per_key > 0);
}

TlsTransport::~TlsTransport() = default;

Result<std::unique_ptr<TlsTransport>> TlsTransport::create(Transport& below,
                                                           const CertificateSource& certificates,
                                                           TlsOptions options) {
  std::unique_ptr<TlsTransport> transport(new TlsTransport(below, certificates, options));
  if (const Result<void> made = transport->refresh(); !made) return tl::unexpected(made.error());
  return transport;
}

Result<void> TlsTransport::refresh() {
  std::shared_ptr<const Certificates> current = source_.current();
  ASPEN_ASSERT(current != nullptr);
  if (current == made_of_) return {};
  Result<SslContextPtr> made = make_link_context(*current);
  if (!made) return tl::unexpected(made.error());
  context_ = std::move(*made);
  made_of_ = std::move(current);
  return {};
}

std::unique_ptr<Stream> TlsTransport::wrap(std::unique_ptr<Stream> below, Role role) {
  // Certificates that cannot be used leave the last ones that could.
  ASPEN_MAYBE(refresh().has_value());
  ASPEN_ASSERT(context_ != nullptr);
  SslPtr ssl(::SSL_new(context_.get()));
  if (ssl == nullptr) return nullptr;
  if (role == Role::accepts) {
    ::SSL_set_accept_state(ssl.get());
  } else {
    ::SSL_set_connect_state(ssl.get());
  }
  return std::make_unique<TlsStream>(*this, std::move(below), std::move(ssl));
}

Result<std::unique_ptr<Listener>> TlsTransport::listen(const std::string& address,
                                                       ListenerSink& sink) {
  auto listener = std::make_unique<TlsListener>(*this, sink);
  Result<std::unique_ptr<Listener>> below = below_.listen(address, *listener);
  if (!below) return below;
  listener->listen(std::move(*below));
  return listener;
}

Result<std::unique_ptr<Stream>> TlsTransport::connect(const std::string& address) {
  Result<std::unique_ptr<Stream>> below = below_.connect(address);
  if (!below) return below;
  std::unique_ptr<Stream> wrapped = wrap(std::move(*below), Role::connects);
  if (wrapped == nullptr) return fail(Code::overloaded, "tls: no memory for a connection");
  return wrapped;
}

void TlsTransport::keep_for_farewell(std::unique_ptr<Stream> stream) {
  if (farewells_.size() >= limits::tls_farewells_max) farewells_.pop_front();
  farewells_.emplace_back(*this, std::move(stream));
}

void TlsTransport::forget(const Farewell& farewell) {
  const auto found = std::find_if(farewells_.begin(), farewells_.end(),
                                  [&farewell](const Farewell& kept) { return &kept == &farewell; });
  ASPEN_ASSERT(found != farewells_.end());
  farewells_.erase(found);
}

}  // namespace aspen::adapter::tls
