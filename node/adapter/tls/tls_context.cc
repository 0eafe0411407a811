#include "node/adapter/tls/tls_context.h"

#include <openssl/err.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "node/adapter/tls/certificate_check.h"
#include "node/base/assert.h"
#include "node/base/limits.h"

namespace aspen::adapter::tls {

namespace {

// One name, behind its length.
constexpr unsigned char protocol_list[] =
    "\x0c"
    "aspen-link/1";
static_assert(sizeof(protocol_list) == link_protocol.size() + 2);
static_assert(protocol_list[0] == link_protocol.size());
constexpr unsigned int protocol_list_bytes = sizeof(protocol_list) - 1;

bool use_certificates(SSL_CTX* context, const Certificates& certificates) {
  const Chain chain = parse_chain(certificates.chain);
  const Chain authorities = parse_chain(certificates.ca);
  const KeyPtr key = parse_key(certificates.key);
  if (chain.empty() || authorities.empty() || key == nullptr) return false;
  if (::SSL_CTX_use_certificate(context, chain[0].get()) != 1) return false;
  for (std::size_t i = 1; i < chain.size(); ++i) {
    if (::SSL_CTX_add1_chain_cert(context, chain[i].get()) != 1) return false;
  }
  X509_STORE* store = ::SSL_CTX_get_cert_store(context);
  for (const CertificatePtr& authority : authorities) {
    if (::X509_STORE_add_cert(store, authority.get()) != 1) return false;
  }
  return ::SSL_CTX_use_PrivateKey(context, key.get()) == 1;
}

Error unauthenticated(const char* what, long detail) {
  return {Code::unauthenticated, what, static_cast<std::uint64_t>(detail)};
}

Error verify_error(long result) {
  switch (result) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return unauthenticated(
          "tls: refused: the other side's certificate, or its CA, has expired: renew it", result);
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return unauthenticated(
          "tls: refused: the other side's certificate is not valid yet: check the clocks", result);
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return unauthenticated(
          "tls: refused: the other side's certificate is foreign: no CA of --peer-tls-ca issued it",
          result);
    case X509_V_ERR_INVALID_PURPOSE:
      return unauthenticated(
          "tls: refused: the other side's certificate is not for this use: nodes need both "
          "serverAuth and clientAuth",
          result);
    default:
      return unauthenticated("tls: refused: the other side's certificate cannot be verified",
                             result);
  }
}

// What the other side said by an alert about our certificate; empty for everything else.
const char* refusal_of(int reason) {
  switch (reason) {
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
      return "tls: the other side refuses this node's certificate: it has expired: renew it";
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
      return "tls: the other side refuses this node's certificate: its --peer-tls-ca does not hold "
             "the CA";
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_TLSV1_ALERT_DECRYPT_ERROR:
      return "tls: the other side refuses this node's certificate";
    default:
      return nullptr;
  }
}

}  // namespace

Result<SslContextPtr> make_link_context(const Certificates& certificates) {
  SslContextPtr context(::SSL_CTX_new(::TLS_method()));
  ASPEN_ASSERT(context != nullptr);
  SSL_CTX* raw = context.get();
  if (!use_certificates(raw, certificates)) {
    ::ERR_clear_error();
    return fail(Code::invalid_argument, "tls: certificate, key or CA cannot be used");
  }
  const long lowest = SSL_CTX_set_min_proto_version(raw, TLS1_3_VERSION);
  const long highest = SSL_CTX_set_max_proto_version(raw, TLS1_3_VERSION);
  ASPEN_ASSERT(lowest == 1);
  ASPEN_ASSERT(highest == 1);
  ::SSL_CTX_set_verify(raw, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_max_cert_list(raw, limits::tls_chain_bytes_max);
  ::SSL_CTX_set_options(raw, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  // What the other side has not read when it closes could reset the connection.
  ::SSL_CTX_set_num_tickets(raw, 0);
  ::SSL_CTX_set_max_early_data(raw, 0);
  SSL_CTX_set_read_ahead(raw, 1);
  ::SSL_CTX_set_default_read_buffer_len(raw, limits::link_read_bytes);
  if (::SSL_CTX_set_alpn_protos(raw, protocol_list, protocol_list_bytes) != 0) {
    return fail(Code::overloaded, "tls: no memory");
  }
  const auto choose_protocol = [](SSL*, const unsigned char** chosen, unsigned char* chosen_bytes,
                                  const unsigned char* offered, unsigned int offered_bytes, void*) {
    unsigned char* found = nullptr;
    if (::SSL_select_next_proto(&found, chosen_bytes, protocol_list, protocol_list_bytes, offered,
                                offered_bytes) != OPENSSL_NPN_NEGOTIATED) {
      return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *chosen = found;
    return SSL_TLSEXT_ERR_OK;
  };
  ::SSL_CTX_set_alpn_select_cb(raw, choose_protocol, nullptr);
  return context;
}

Error handshake_error(const SSL* ssl) {
  const int reason = ERR_GET_REASON(::ERR_peek_error());
  ::ERR_clear_error();
  switch (reason) {
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
      return verify_error(::SSL_get_verify_result(ssl));
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return unauthenticated("tls: refused: the other side shows no certificate", reason);
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_UNKNOWN_PROTOCOL:
    case SSL_R_UNEXPECTED_MESSAGE:
    case SSL_R_BAD_RECORD_TYPE:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
      return unauthenticated(
          "tls: the other side does not speak TLS 1.3: give every node --peer-tls-cert, "
          "--peer-tls-key and --peer-tls-ca",
          reason);
    case SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL:
    case SSL_R_NO_APPLICATION_PROTOCOL:
      return unauthenticated("tls: the other side is not the peer port of a node", reason);
    default:
      break;
  }
  const char* refusal = refusal_of(reason);
  return unauthenticated(refusal != nullptr ? refusal : "tls: the handshake failed", reason);
}

Error record_error(const SSL* ssl) {
  const int reason = ERR_GET_REASON(::ERR_peek_error());
  const bool certificate_required = reason == SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED;
  if (refusal_of(reason) != nullptr || certificate_required) return handshake_error(ssl);
  ::ERR_clear_error();
  return {Code::connection_lost, "tls: a record was damaged, or the other side gave up",
          static_cast<std::uint64_t>(reason)};
}

}  // namespace aspen::adapter::tls
