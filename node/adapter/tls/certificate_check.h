// Reads and checks a certificate, its key and a CA bundle in PEM before they are used: what is
// wrong is said here, with the file's name and what is accepted, and not by a handshake that fails
// later.
//
// Any thread; check() blocks on nothing, read_pem() on the file.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "node/adapter/tls/openssl.h"
#include "node/base/error.h"
#include "node/base/time.h"
#include "node/port/certificates.h"

namespace aspen::adapter::tls {

// client_port: a server's certificate; the CA bundle may be left out, and then clients need none.
// peer: both ends show certificates of the bundle's CAs, as server and as client.
enum class CertificateUse : std::uint8_t { client_port, peer };

struct CertificatePaths {
  std::string cert;
  std::string key;
  std::string ca;  // empty: none
};

struct CertificateFault {
  Error error;
  std::string text;  // with the flag, the file, what is wrong and what is accepted
};

template <class T>
using Checked = tl::expected<T, CertificateFault>;

// "client" or "peer".
[[nodiscard]] std::string_view name_of(CertificateUse use);
// Such as "--peer-tls-cert".
[[nodiscard]] std::string flag_of(CertificateUse use, std::string_view part);

struct Expiry {
  WallTime at;       // of the first to expire of the own certificate and those above it
  std::string text;  // "Sep  9 12:00:00 2030 GMT"
};

// Possible errors: invalid_argument (no PEM, no such thing in it, an encrypted key, key and
// certificate do not fit, the wrong use, another issuer than the bundle's), failed_precondition
// (expired, or not valid yet).
[[nodiscard]] Checked<Expiry> check(const Certificates& certificates, const CertificatePaths& paths,
                                    CertificateUse use, WallTime now);

// Possible errors: not_found, permission_denied, io_error (detail: errno), invalid_argument (empty
// or longer than limits::certificate_file_bytes_max).
[[nodiscard]] Checked<std::string> read_pem(const std::string& flag, const std::string& path);

// The certificates in `pem`, in order; empty if there is none or one is malformed.
[[nodiscard]] Chain parse_chain(std::string_view pem);
// Null if there is none. An encrypted key is none.
[[nodiscard]] KeyPtr parse_key(std::string_view pem);

}  // namespace aspen::adapter::tls
