// How links between nodes speak TLS: 1.3 alone, both sides with a certificate of a CA of the
// bundle, no sessions to resume (each connection is verified anew), no early data, and a protocol
// name of our own (ALPN), so that no other server of the same CA can be taken for a node.
//
// Any thread; nothing blocks.
#pragma once

#include <string_view>

#include "node/adapter/tls/openssl.h"
#include "node/base/error.h"
#include "node/port/certificates.h"

namespace aspen::adapter::tls {

inline constexpr std::string_view link_protocol = "aspen-link/1";

// Possible errors: invalid_argument (they are not what check() accepts).
[[nodiscard]] Result<SslContextPtr> make_link_context(const Certificates& certificates);

// Why OpenSSL ended a handshake, from its queue of errors, with words on what to do: our side
// refused the certificate shown (detail: X509_V_ERR_*), the other side refused ours (detail: the
// alert), or it does not speak TLS 1.3. Code unauthenticated.
[[nodiscard]] Error handshake_error(const SSL* ssl);
// Likewise afterwards: connection_lost, but for a refusal of our certificate, which in TLS 1.3
// comes when the handshake is over for the side that dialled.
[[nodiscard]] Error record_error(const SSL* ssl);

}  // namespace aspen::adapter::tls
