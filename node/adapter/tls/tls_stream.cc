#include "node/adapter/tls/tls_stream.h"

#include <arpa/inet.h>
#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <utility>

#include "node/adapter/tls/tls_context.h"
#include "node/adapter/tls/tls_transport.h"
#include "node/base/assert.h"
#include "node/base/limits.h"

namespace aspen::adapter::tls {

namespace {

constexpr std::size_t record_bytes_max = 16 * 1024;
constexpr std::string_view binding_label = "EXPORTER-Channel-Binding";
constexpr std::size_t binding_bytes = 32;
// A handshake's flights and answers to requests for new keys come on top of what is written.
constexpr std::size_t pending_bytes_hard_max =
    limits::tls_pending_bytes_max + 2 * limits::tls_chain_bytes_max;
static_assert(limits::tls_pending_bytes_max >= 2 * record_bytes_max);

int bio_read(BIO* bio, char* space, int size_bytes) {
  BIO_clear_retry_flags(bio);
  if (size_bytes <= 0) return 0;
  auto* stream = static_cast<TlsStream*>(::BIO_get_data(bio));
  return stream->give_encrypted({space, static_cast<std::size_t>(size_bytes)}, bio);
}

int bio_write(BIO* bio, const char* bytes, int size_bytes) {
  BIO_clear_retry_flags(bio);
  auto* stream = static_cast<TlsStream*>(::BIO_get_data(bio));
  return stream->take_encrypted({bytes, static_cast<std::size_t>(size_bytes)});
}

long bio_control(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

const BIO_METHOD* stream_method() {
  using MethodPtr = std::unique_ptr<BIO_METHOD, FreedBy<&::BIO_meth_free>>;
  static const MethodPtr method = [] {
    MethodPtr made(::BIO_meth_new(::BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "aspen stream"));
    ASPEN_ASSERT(made != nullptr);
    ::BIO_meth_set_read(made.get(), &bio_read);
    ::BIO_meth_set_write(made.get(), &bio_write);
    ::BIO_meth_set_ctrl(made.get(), &bio_control);
    return made;
  }();
  return method.get();
}

std::string text_of(const GENERAL_NAME* name) {
  if (name->type == GEN_DNS) {
    const auto* text = reinterpret_cast<const char*>(::ASN1_STRING_get0_data(name->d.dNSName));
    return std::string(text, static_cast<std::size_t>(::ASN1_STRING_length(name->d.dNSName)));
  }
  if (name->type != GEN_IPADD) return {};
  const int family = ::ASN1_STRING_length(name->d.iPAddress) == 4 ? AF_INET : AF_INET6;
  if (family == AF_INET6 && ::ASN1_STRING_length(name->d.iPAddress) != 16) return {};
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(family, ::ASN1_STRING_get0_data(name->d.iPAddress), text.data(), text.size());
  return text.data();
}

}  // namespace

CertifiedIdentity::CertifiedIdentity(CertificatePtr certificate, std::string binding)
    : certificate_(std::move(certificate)), binding_(std::move(binding)) {
  ASPEN_ASSERT(certificate_ != nullptr);
  ASPEN_ASSERT(binding_.size() == binding_bytes);
}

bool CertifiedIdentity::names(std::string_view name) const {
  if (name.ends_with('.')) name.remove_suffix(1);
  // A leading dot would ask for any name of that domain.
  if (name.empty() || name.starts_with('.') || name.find('\0') != std::string_view::npos) {
    return false;
  }
  const std::string text(name);
  if (::X509_check_ip_asc(certificate_.get(), text.c_str(), 0) == 1) return true;
  constexpr unsigned int flags = X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
                                 X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                 X509_CHECK_FLAG_SINGLE_LABEL_SUBDOMAINS;
  return ::X509_check_host(certificate_.get(), text.data(), text.size(), flags, nullptr) == 1;
}

std::string CertifiedIdentity::describe() const {
  constexpr int names_max = 8;
  using NamesPtr = std::unique_ptr<GENERAL_NAMES, FreedBy<&::GENERAL_NAMES_free>>;
  const NamesPtr names(static_cast<GENERAL_NAMES*>(
      ::X509_get_ext_d2i(certificate_.get(), NID_subject_alt_name, nullptr, nullptr)));
  std::string text;
  const int count = names == nullptr ? 0 : sk_GENERAL_NAME_num(names.get());
  for (int i = 0; i < std::min(count, names_max); ++i) {
    const std::string one = text_of(sk_GENERAL_NAME_value(names.get(), i));
    if (!one.empty()) text += (text.empty() ? "" : ", ") + one;
  }
  return text.empty() ? "no name at all" : text;
}

// ---- the stream

class TlsStream::Parts {
 public:
  explicit Parts(std::span<const std::string_view> parts) : parts_(parts) { skip_empty(); }
  [[nodiscard]] bool done() const noexcept { return number_ == parts_.size(); }

  // What one record can hold, from where it lies or, if it is scattered, gathered in `space`.
  [[nodiscard]] std::string_view next(std::string& space) const {
    ASPEN_ASSERT(!done());
    std::string_view first = parts_[number_].substr(offset_);
    if (first.size() >= record_bytes_max || number_ + 1 == parts_.size()) {
      return first.substr(0, record_bytes_max);
    }
    space.assign(first);
    for (std::size_t i = number_ + 1; i < parts_.size() && space.size() < record_bytes_max; ++i) {
      space.append(parts_[i].substr(0, record_bytes_max - space.size()));
    }
    return space;
  }

  void consume(std::size_t size_bytes) {
    while (size_bytes > 0) {
      ASPEN_ASSERT(!done());
      const std::size_t here = std::min(size_bytes, parts_[number_].size() - offset_);
      size_bytes -= here;
      offset_ += here;
      skip_empty();
    }
  }

 private:
  void skip_empty() {
    while (!done() && offset_ == parts_[number_].size()) {
      ++number_;
      offset_ = 0;
    }
  }

  std::span<const std::string_view> parts_;
  std::size_t number_ = 0;
  std::size_t offset_ = 0;
};

TlsStream::TlsStream(TlsTransport& transport, std::unique_ptr<Stream> below, SslPtr ssl)
    : transport_(transport), below_(std::move(below)), ssl_(std::move(ssl)) {
  ASPEN_ASSERT(below_ != nullptr && ssl_ != nullptr);
  BIO* bio = ::BIO_new(stream_method());
  ASPEN_ASSERT(bio != nullptr);
  ::BIO_set_data(bio, this);
  ::BIO_set_init(bio, 1);
  ::SSL_set_bio(ssl_.get(), bio, bio);
  below_->set_sink(this);
}

TlsStream::~TlsStream() {
  if (state_ == State::open && write_error_.code == Code::ok) {
    ::ERR_clear_error();
    static_cast<void>(::SSL_shutdown(ssl_.get()));
    flush();
  }
  if (says_farewell_) transport_.keep_for_farewell(std::move(below_));
}

void TlsStream::set_sink(StreamSink* sink) {
  sink_ = sink;
  // The stream below tells this one, which tells the new sink.
  if (sink != nullptr) below_->set_sink(this);
}

void TlsStream::on_ready() {
  if (state_ == State::shaking) shake_hands();
  flush();
  // Last: the sink may close this stream.
  if (state_ != State::shaking && sink_ != nullptr) sink_->on_ready();
}

int TlsStream::give_encrypted(std::span<char> space, BIO* bio) {
  const Result<std::size_t> bytes = below_->read(space);
  if (!bytes) {
    below_error_ = bytes.error();
    return -1;
  }
  if (*bytes > 0) return static_cast<int>(*bytes);
  BIO_set_retry_read(bio);
  return -1;
}

int TlsStream::take_encrypted(std::string_view bytes) {
  if (pending_.size() + bytes.size() > pending_bytes_hard_max) {
    below_error_ = {Code::connection_lost, "tls: the other side reads nothing and asks for more"};
    return -1;
  }
  // After a failed write only the read that finds out why is of interest.
  if (write_error_.code == Code::ok) pending_.append(bytes);
  return static_cast<int>(bytes.size());
}

void TlsStream::flush() {
  while (!pending_.empty()) {
    const std::string_view parts[] = {pending_};
    const Result<std::size_t> taken = below_->write(parts);
    if (!taken) {
      write_error_ = taken.error();
      pending_.clear();
      return;
    }
    const bool all = *taken == pending_.size();
    pending_.erase(0, *taken);
    if (!all) return;
  }
}

void TlsStream::shake_hands() {
  ASPEN_ASSERT(state_ == State::shaking);
  ::ERR_clear_error();
  const int result = ::SSL_do_handshake(ssl_.get());
  if (result == 1) return on_shaken();
  judge(result);
}

void TlsStream::on_shaken() {
  const unsigned char* protocol = nullptr;
  unsigned int protocol_bytes = 0;
  ::SSL_get0_alpn_selected(ssl_.get(), &protocol, &protocol_bytes);
  if (std::string_view(reinterpret_cast<const char*>(protocol), protocol_bytes) != link_protocol) {
    return break_off({Code::unauthenticated, "tls: the other side is not a node"});
  }
  CertificatePtr certificate(::SSL_get1_peer_certificate(ssl_.get()));
  std::string binding(binding_bytes, '\0');
  const int bound = ::SSL_export_keying_material(
      ssl_.get(), reinterpret_cast<unsigned char*>(binding.data()), binding.size(),
      binding_label.data(), binding_label.size(), nullptr, 0, 0);
  ASPEN_ASSERT(certificate != nullptr);
  ASPEN_ASSERT(::SSL_get_verify_result(ssl_.get()) == X509_V_OK);
  ASPEN_ASSERT(bound == 1);
  identity_.emplace(std::move(certificate), std::move(binding));
  state_ = State::open;
}

// What it means that a call of OpenSSL did not succeed.
void TlsStream::judge(int result) {
  const int why = ::SSL_get_error(ssl_.get(), result);
  if (why == SSL_ERROR_WANT_READ) return;
  if (why == SSL_ERROR_ZERO_RETURN) {
    return break_off({Code::connection_lost, "tls: the other side closed"});
  }
  if (why != SSL_ERROR_SSL && below_error_.code != Code::ok) return break_off(below_error_);
  const Error error =
      state_ == State::shaking ? handshake_error(ssl_.get()) : record_error(ssl_.get());
  break_off(error);
  says_farewell_ = true;
}

void TlsStream::break_off(const Error& error) {
  ASPEN_ASSERT(state_ != State::broken);
  ASPEN_ASSERT(error.code != Code::ok);
  state_ = State::broken;
  error_ = error;
}

Result<std::size_t> TlsStream::read(std::span<char> space) {
  ASPEN_ASSERT(!space.empty());
  if (state_ == State::broken) return tl::unexpected(error_);
  if (state_ == State::shaking) return std::size_t{0};
  std::size_t filled = 0;
  while (filled < space.size()) {
    ::ERR_clear_error();
    std::size_t bytes = 0;
    const int result =
        ::SSL_read_ex(ssl_.get(), space.data() + filled, space.size() - filled, &bytes);
    if (result != 1) {
      judge(result);
      break;
    }
    filled += bytes;
  }
  flush();
  if (state_ != State::broken) return filled;
  if (filled == 0) return tl::unexpected(error_);
  // What came before the end is given first, and the end is told again.
  below_->set_sink(this);
  return filled;
}

// RFC 8446 5.5: a key of AES-GCM is good for 2^24.5 records.
void TlsStream::renew_key() {
  if (++records_ % transport_.records_per_key() != 0) return;
  const int renewed = ::SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_NOT_REQUESTED);
  ASPEN_ASSERT(renewed == 1);
}

// Fills the buffer. False if the stream has broken.
bool TlsStream::encrypt(Parts& parts, std::size_t& taken) {
  std::string gathered;
  while (!parts.done() && pending_.size() < limits::tls_pending_bytes_max) {
    const std::string_view record = parts.next(gathered);
    ::ERR_clear_error();
    renew_key();
    std::size_t bytes = 0;
    const int result = ::SSL_write_ex(ssl_.get(), record.data(), record.size(), &bytes);
    if (result != 1) {
      judge(result);
      ASPEN_ASSERT(state_ == State::broken);
      return false;
    }
    ASPEN_ASSERT(bytes == record.size());
    parts.consume(bytes);
    taken += bytes;
  }
  return true;
}

Result<std::size_t> TlsStream::write(std::span<const std::string_view> offered) {
  if (state_ == State::broken) return tl::unexpected(error_);
  if (state_ == State::shaking) return std::size_t{0};
  Parts parts(offered);
  std::size_t taken = 0;
  // Nothing is pending after a flush unless the stream below is full and will tell of room.
  while (write_error_.code == Code::ok && !parts.done()) {
    if (!encrypt(parts, taken)) return tl::unexpected(error_);
    flush();
    if (!pending_.empty()) break;
  }
  if (write_error_.code != Code::ok) return tl::unexpected(write_error_);
  return taken;
}

}  // namespace aspen::adapter::tls
