#include "node/adapter/tls/certificate_check.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <ctime>
#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"

namespace aspen::adapter::tls {

namespace {

constexpr std::int64_t ns_per_second = 1'000'000'000;

tl::unexpected<CertificateFault> fault(Error error, const std::string& where) {
  return tl::unexpected(CertificateFault{error, where + ": " + error.what});
}

Error file_error(int error) {
  const auto detail = static_cast<std::uint64_t>(error);
  if (error == ENOENT) return {Code::not_found, "no such file", detail};
  if (error == EACCES || error == EPERM) {
    return {Code::permission_denied, "the file may not be read by this process", detail};
  }
  return {Code::io_error, "the file cannot be read", detail};
}

BioPtr bio_of(std::string_view pem) {
  ASPEN_ASSERT(pem.size() <= INT_MAX);
  BioPtr bio(::BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  ASPEN_ASSERT(bio != nullptr);
  return bio;
}

// Refuses to ask the terminal for the password of an encrypted key.
int no_password(char*, int, int, void*) {
  return -1;
}

// Seconds since the epoch; certificates are good to the second.
std::time_t seconds_of(WallTime at) {
  return at.ns / ns_per_second;
}

// Expired is the answer also for a time that makes no sense.
bool is_past(const ASN1_TIME* at, WallTime now) {
  std::time_t seconds = seconds_of(now);
  return ::X509_cmp_time(at, &seconds) <= 0;
}

WallTime time_of(const ASN1_TIME* at) {
  std::tm parts{};
  if (::ASN1_TIME_to_tm(at, &parts) != 1) return {};
  // Certificates may last longer than nanoseconds can count.
  return WallTime{std::min<std::int64_t>(::timegm(&parts), INT64_MAX / ns_per_second) *
                  ns_per_second};
}

std::string text_of(const ASN1_TIME* at) {
  const BioPtr bio(::BIO_new(::BIO_s_mem()));
  if (bio == nullptr || ::ASN1_TIME_print(bio.get(), at) != 1) return "a time that is malformed";
  char* text = nullptr;
  const long size_bytes = ::BIO_get_mem_data(bio.get(), &text);
  return std::string(text, static_cast<std::size_t>(size_bytes));
}

Checked<Expiry> check_times(const Chain& chain, const std::string& where, WallTime now) {
  ASPEN_ASSERT(!chain.empty());
  Expiry first;
  for (const CertificatePtr& certificate : chain) {
    const ASN1_TIME* end = ::X509_get0_notAfter(certificate.get());
    const ASN1_TIME* begin = ::X509_get0_notBefore(certificate.get());
    if (is_past(end, now)) {
      return tl::unexpected(CertificateFault{
          {Code::failed_precondition, "the certificate has expired"},
          where + ": a certificate expired at " + text_of(end) + ": put a renewed one in place"});
    }
    if (!is_past(begin, now)) {
      return tl::unexpected(
          CertificateFault{{Code::failed_precondition, "the certificate is not valid yet"},
                           where + ": a certificate is not valid before " + text_of(begin) +
                               ": check this machine's clock"});
    }
    if (first.text.empty() || time_of(end) < first.at) first = {time_of(end), text_of(end)};
  }
  return first;
}

// An old CA may stay in the bundle beside its successor; with nothing else nobody is trusted.
bool all_expired(const Chain& authorities, WallTime now) {
  for (const CertificatePtr& authority : authorities) {
    if (!is_past(::X509_get0_notAfter(authority.get()), now)) return false;
  }
  return true;
}

// X509_V_OK or why the chain does not lead to one of the authorities.
int verify(const Chain& chain, const Chain& authorities, WallTime now) {
  ASPEN_ASSERT(!chain.empty());
  const StorePtr store(::X509_STORE_new());
  const StackPtr between(sk_X509_new_null());
  const StoreContextPtr context(::X509_STORE_CTX_new());
  ASPEN_ASSERT(store != nullptr && between != nullptr && context != nullptr);
  for (const CertificatePtr& authority : authorities) {
    ::X509_STORE_add_cert(store.get(), authority.get());
  }
  for (std::size_t i = 1; i < chain.size(); ++i) sk_X509_push(between.get(), chain[i].get());
  if (::X509_STORE_CTX_init(context.get(), store.get(), chain[0].get(), between.get()) != 1) {
    return X509_V_ERR_UNSPECIFIED;
  }
  ::X509_STORE_CTX_set_time(context.get(), 0, seconds_of(now));
  if (::X509_verify_cert(context.get()) == 1) return X509_V_OK;
  return ::X509_STORE_CTX_get_error(context.get());
}

bool fits_use(X509* certificate, CertificateUse use) {
  if (::X509_check_purpose(certificate, X509_PURPOSE_SSL_SERVER, 0) != 1) return false;
  return use == CertificateUse::client_port ||
         ::X509_check_purpose(certificate, X509_PURPOSE_SSL_CLIENT, 0) == 1;
}

tl::expected<void, CertificateFault> check_authorities(const Chain& authorities, const Chain& own,
                                                       const CertificatePaths& paths,
                                                       std::pair<CertificateUse, WallTime> at) {
  const auto [use, now] = at;
  const std::string where = flag_of(use, "ca") + " " + paths.ca;
  if (authorities.empty()) {
    return fault({Code::invalid_argument, "no CA certificate, or a malformed one: expected PEM"},
                 where);
  }
  if (all_expired(authorities, now)) {
    return fault({Code::failed_precondition, "every CA certificate in it has expired"}, where);
  }
  if (use == CertificateUse::client_port) return {};  // the port's own issuer may be another one
  const int verified = verify(own, authorities, now);
  if (verified == X509_V_OK) return {};
  return tl::unexpected(CertificateFault{
      {Code::invalid_argument, "the certificate was not issued by a CA of the bundle",
       static_cast<std::uint64_t>(verified)},
      flag_of(use, "cert") + " " + paths.cert + ": not issued by a CA of " + where + " (" +
          ::X509_verify_cert_error_string(verified) +
          "): the bundle needs the CA of every node's certificate"});
}

}  // namespace

std::string_view name_of(CertificateUse use) {
  return use == CertificateUse::peer ? "peer" : "client";
}

std::string flag_of(CertificateUse use, std::string_view part) {
  return "--" + std::string(name_of(use)) + "-tls-" + std::string(part);
}

Checked<std::string> read_pem(const std::string& flag, const std::string& path) {
  const std::string where = flag + " " + path;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return fault(file_error(errno), where);
  // One byte beyond the maximum tells a file that is too long.
  std::string text(limits::certificate_file_bytes_max + 1, '\0');
  std::size_t size_bytes = 0;
  int error = 0;
  while (size_bytes < text.size()) {
    const ssize_t n = ::read(fd, text.data() + size_bytes, text.size() - size_bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) error = errno;
    if (n <= 0) break;
    size_bytes += static_cast<std::size_t>(n);
  }
  ::close(fd);
  if (error != 0) return fault(file_error(error), where);
  if (size_bytes == 0) return fault({Code::invalid_argument, "the file is empty"}, where);
  if (size_bytes > limits::certificate_file_bytes_max) {
    return fault({Code::invalid_argument, "longer than 256 KiB: expected PEM"}, where);
  }
  text.resize(size_bytes);
  return text;
}

Chain parse_chain(std::string_view pem) {
  Chain chain;
  const BioPtr bio = bio_of(pem);
  ::ERR_clear_error();
  while (X509* certificate = ::PEM_read_bio_X509(bio.get(), nullptr, &no_password, nullptr)) {
    chain.emplace_back(certificate);
  }
  const bool at_end = ERR_GET_REASON(::ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ::ERR_clear_error();
  if (!at_end) chain.clear();
  return chain;
}

KeyPtr parse_key(std::string_view pem) {
  const BioPtr bio = bio_of(pem);
  KeyPtr key(::PEM_read_bio_PrivateKey(bio.get(), nullptr, &no_password, nullptr));
  ::ERR_clear_error();
  return key;
}

Checked<Expiry> check(const Certificates& certificates, const CertificatePaths& paths,
                      CertificateUse use, WallTime now) {
  const std::string cert_file = flag_of(use, "cert") + " " + paths.cert;
  const std::string key_file = flag_of(use, "key") + " " + paths.key;
  const Chain chain = parse_chain(certificates.chain);
  if (chain.empty()) {
    return fault({Code::invalid_argument,
                  "no certificate, or a malformed one: expected PEM, the own certificate first"},
                 cert_file);
  }
  const KeyPtr key = parse_key(certificates.key);
  if (key == nullptr) {
    return fault({Code::invalid_argument,
                  "no private key: expected PEM that is not encrypted (PKCS #8, RSA or EC)"},
                 key_file);
  }
  if (::X509_check_private_key(chain[0].get(), key.get()) != 1) {
    ::ERR_clear_error();
    return fault({Code::invalid_argument, "the key does not belong to the certificate"},
                 key_file + " and " + cert_file);
  }
  if (!fits_use(chain[0].get(), use)) {
    return fault({Code::invalid_argument,
                  use == CertificateUse::peer
                      ? "its extended key usage must allow both serverAuth and clientAuth"
                      : "its extended key usage must allow serverAuth"},
                 cert_file);
  }
  Checked<Expiry> expiry = check_times(chain, cert_file, now);
  if (!expiry || paths.ca.empty()) return expiry;
  const auto trusted =
      check_authorities(parse_chain(certificates.ca), chain, paths, std::pair(use, now));
  if (!trusted) return tl::unexpected(trusted.error());
  return expiry;
}

}  // namespace aspen::adapter::tls
