// Owners of OpenSSL's objects.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <vector>

namespace aspen::adapter::tls {

template <auto free_function>
struct FreedBy {
  template <class T>
  void operator()(T* object) const noexcept {
    free_function(object);
  }
};

using BioPtr = std::unique_ptr<BIO, FreedBy<&::BIO_free_all>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, FreedBy<&::EVP_PKEY_free>>;
using CertificatePtr = std::unique_ptr<X509, FreedBy<&::X509_free>>;
using StorePtr = std::unique_ptr<X509_STORE, FreedBy<&::X509_STORE_free>>;
using StoreContextPtr = std::unique_ptr<X509_STORE_CTX, FreedBy<&::X509_STORE_CTX_free>>;
using StackPtr =
    std::unique_ptr<STACK_OF(X509), decltype([](STACK_OF(X509) * stack) { sk_X509_free(stack); })>;
using SslContextPtr = std::unique_ptr<SSL_CTX, FreedBy<&::SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, FreedBy<&::SSL_free>>;

using Chain = std::vector<CertificatePtr>;

}  // namespace aspen::adapter::tls
