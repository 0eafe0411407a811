#include "tests/support/certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "node/base/assert.h"

namespace aspen::support {

namespace {

using KeyPtr = std::unique_ptr<EVP_PKEY, decltype([](EVP_PKEY* key) { ::EVP_PKEY_free(key); })>;
using CertificatePtr = std::unique_ptr<X509, decltype([](X509* one) { ::X509_free(one); })>;
using BioPtr = std::unique_ptr<BIO, decltype([](BIO* bio) { ::BIO_free_all(bio); })>;

KeyPtr make_key() {
  KeyPtr key(::EVP_EC_gen("P-256"));
  ASPEN_ASSERT(key != nullptr);
  return key;
}

std::string text_of(const BioPtr& bio) {
  char* text = nullptr;
  const long size_bytes = ::BIO_get_mem_data(bio.get(), &text);
  return std::string(text, static_cast<std::size_t>(size_bytes));
}

std::string pem_of(X509* certificate) {
  const BioPtr bio(::BIO_new(::BIO_s_mem()));
  ASPEN_ASSERT(::PEM_write_bio_X509(bio.get(), certificate) == 1);
  return text_of(bio);
}

std::string pem_of(EVP_PKEY* key) {
  const BioPtr bio(::BIO_new(::BIO_s_mem()));
  ASPEN_ASSERT(::PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) ==
               1);
  return text_of(bio);
}

void add_extension(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  ::X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = ::X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  ASPEN_ASSERT(extension != nullptr);
  ASPEN_ASSERT(::X509_add_ext(certificate, extension, -1) == 1);
  ::X509_EXTENSION_free(extension);
}

// Without issuer, extensions and signature.
CertificatePtr begin_certificate(const CertificateSpec& spec, EVP_PKEY* key) {
  CertificatePtr certificate(::X509_new());
  std::uint32_t serial = 0;
  ASPEN_ASSERT(::RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof(serial)) == 1);
  ::X509_set_version(certificate.get(), 2);
  ::ASN1_INTEGER_set_uint64(::X509_get_serialNumber(certificate.get()), serial + 1ULL);
  ::X509_gmtime_adj(X509_getm_notBefore(certificate.get()), spec.begin.count());
  ::X509_gmtime_adj(X509_getm_notAfter(certificate.get()), spec.end.count());
  ::X509_set_pubkey(certificate.get(), key);
  ::X509_NAME_add_entry_by_txt(::X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(spec.common_name.c_str()), -1,
                               -1, 0);
  return certificate;
}

std::string alternative_names(const CertificateSpec& spec) {
  std::string text;
  for (const std::string& host : spec.hosts) text += (text.empty() ? "DNS:" : ",DNS:") + host;
  for (const std::string& ip : spec.addresses) text += (text.empty() ? "IP:" : ",IP:") + ip;
  return text;
}

const char* usage_text(Usage usage) {
  switch (usage) {
    case Usage::server:
      return "serverAuth";
    case Usage::client:
      return "clientAuth";
    case Usage::server_and_client:
      break;
  }
  return "serverAuth,clientAuth";
}

}  // namespace

struct CertificateAuthority::State {
  KeyPtr key;
  CertificatePtr certificate;
  std::string pem;

  // `issuer` null: of itself.
  static std::unique_ptr<State> make(const CertificateSpec& spec, const State* issuer) {
    auto state = std::make_unique<State>();
    state->key = make_key();
    state->certificate = begin_certificate(spec, state->key.get());
    X509* own = state->certificate.get();
    X509* above = issuer == nullptr ? own : issuer->certificate.get();
    ::X509_set_issuer_name(own, ::X509_get_subject_name(above));
    add_extension(own, above, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(own, above, NID_key_usage, "critical,keyCertSign,cRLSign");
    add_extension(own, above, NID_subject_key_identifier, "hash");
    EVP_PKEY* signer = issuer == nullptr ? state->key.get() : issuer->key.get();
    ASPEN_ASSERT(::X509_sign(own, signer, ::EVP_sha256()) > 0);
    state->pem = pem_of(own);
    return state;
  }
};

CertificateAuthority::CertificateAuthority(const std::string& name, std::chrono::seconds lifetime)
    : CertificateAuthority(State::make({.common_name = name,
                                        .hosts = {},
                                        .addresses = {},
                                        .begin = std::chrono::hours(-48),
                                        .end = lifetime,
                                        .usage = Usage::server_and_client},
                                       nullptr)) {}

CertificateAuthority::CertificateAuthority(std::unique_ptr<State> state)
    : state_(std::move(state)) {}

CertificateAuthority::~CertificateAuthority() = default;

const std::string& CertificateAuthority::certificate() const noexcept {
  return state_->pem;
}

std::unique_ptr<CertificateAuthority> CertificateAuthority::subordinate(const std::string& name) {
  CertificateSpec spec;
  spec.common_name = name;
  return std::make_unique<CertificateAuthority>(State::make(spec, state_.get()));
}

Issued CertificateAuthority::issue(const CertificateSpec& spec) {
  const KeyPtr key = make_key();
  const CertificatePtr certificate = begin_certificate(spec, key.get());
  X509* above = state_->certificate.get();
  ::X509_set_issuer_name(certificate.get(), ::X509_get_subject_name(above));
  add_extension(certificate.get(), above, NID_basic_constraints, "critical,CA:FALSE");
  add_extension(certificate.get(), above, NID_ext_key_usage, usage_text(spec.usage));
  add_extension(certificate.get(), above, NID_authority_key_identifier, "keyid");
  const std::string names = alternative_names(spec);
  if (!names.empty()) add_extension(certificate.get(), above, NID_subject_alt_name, names);
  ASPEN_ASSERT(::X509_sign(certificate.get(), state_->key.get(), ::EVP_sha256()) > 0);
  return {pem_of(certificate.get()), pem_of(key.get())};
}

void replace_file(const std::string& path, const std::string& text) {
  {
    std::ofstream file(path + ".new", std::ios::binary | std::ios::trunc);
    file << text;
    ASPEN_ASSERT(file.good());
  }
  std::filesystem::rename(path + ".new", path);
}

}  // namespace aspen::support
