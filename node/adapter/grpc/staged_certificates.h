// Server credentials of the client port that follow a CertificateSource: new connections get what
// is current, existing ones go on. TLS 1.2 and newer; clients must show a certificate of the
// bundle's CAs if the source had a bundle at the start.
//
// gRPC reloads certificates only from files that it polls, key and chain one after the other, and
// serves nobody while the two do not fit. So it is given files of memory, which hold what the
// source has checked and are exchanged whole: key and chain are one file, whose time of change
// tells gRPC to read again if the exchange falls between its two reads. They lie nowhere but here.
//
// Owner: a GrpcServer; it is destroyed after the gRPC server. Threads: make() on one, the exchange
// on the source's. Two file numbers stay in use until the process ends: gRPC may poll them for as
// long as it keeps the credentials.
#pragma once

#include <grpcpp/security/server_credentials.h>

#include <cstdint>
#include <memory>
#include <mutex>

#include "node/base/error.h"
#include "node/port/certificates.h"
#include "node/port/log.h"

namespace aspen::adapter {

class StagedCertificates {
 public:
  // The source outlives it; `log` may be null. Possible errors: unavailable (no file of memory;
  // detail: errno).
  [[nodiscard]] static Result<std::unique_ptr<StagedCertificates>> make(CertificateSource& source,
                                                                        LogSink* log);
  ~StagedCertificates();
  StagedCertificates(const StagedCertificates&) = delete;
  StagedCertificates& operator=(const StagedCertificates&) = delete;

  [[nodiscard]] std::shared_ptr<::grpc::ServerCredentials> credentials() const;

 private:
  StagedCertificates(CertificateSource& source, LogSink* log);
  [[nodiscard]] Result<void> stage();

  CertificateSource& source_;
  LogSink* log_;
  const bool mutual_;
  std::mutex mutex_;  // guards the rest
  std::int64_t version_ = 0;
  int identity_file_ = -1;  // key and chain
  int authority_file_ = -1;
};

}  // namespace aspen::adapter
