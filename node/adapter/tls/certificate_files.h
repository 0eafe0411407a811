// The certificates of one use from files, and from renewed files without a restart. A thread of its
// own reads the files every poll_interval; a content that it finds twice in a row is checked and,
// if it is good, becomes current. A bad one is logged once and counted; the old one stays. Symbolic
// links are followed each time, so that the swap of a Kubernetes secret is a renewal like another.
// Connections that exist keep what they were made with.
//
// Metrics: aspen_certificate_expiry_seconds{use}, when the certificate in use expires, in Unix
// time; aspen_certificate_reload_failures_total{use}.
//
// Owner: the assembly. Any thread. Bound: limits::certificate_file_bytes_max a file.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

#include "node/adapter/tls/certificate_check.h"
#include "node/base/time.h"
#include "node/port/authenticator.h"
#include "node/port/certificates.h"
#include "node/port/clock.h"
#include "node/port/log.h"
#include "node/port/telemetry.h"

namespace aspen::adapter::tls {

class FileCertificates final : public CertificateSource {
 public:
  struct Options {
    CertificatePaths paths;
    CertificateUse use = CertificateUse::client_port;
    Duration poll_interval = std::chrono::seconds(1);
  };
  // All outlive the object.
  struct Ports {
    const Clock& clock;
    LogSink& log;
    Telemetry& telemetry;
  };

  // Blocks on the files. Possible errors: those of read_pem() and check().
  [[nodiscard]] static Checked<std::unique_ptr<FileCertificates>> load(Options options,
                                                                       Ports ports);
  ~FileCertificates() override;
  FileCertificates(const FileCertificates&) = delete;
  FileCertificates& operator=(const FileCertificates&) = delete;

  [[nodiscard]] std::shared_ptr<const Certificates> current() const override;
  void set_listener(std::function<void()> renewed) override;

  // What the thread does once in an interval. Blocks on the files.
  void poll();

 private:
  struct Read {
    Checked<std::shared_ptr<Certificates>> certificates;
    Digest digest{};  // of the contents, or of why they cannot be read
  };

  FileCertificates(Options options, Ports ports);
  [[nodiscard]] Read read() const;
  void adopt(std::shared_ptr<const Certificates> certificates, const Expiry& expiry);
  void warn_of_expiry();
  void run(const std::stop_token& stop);

  const Options options_;
  Ports ports_;
  Gauge& expiry_seconds_;
  Counter& reload_failures_;

  std::mutex poll_mutex_;  // one poll at a time; guards the four below
  Digest judged_{};        // what is current, or was found to be bad
  Digest seen_{};          // by the last poll
  Expiry expiry_;
  bool warned_of_expiry_ = false;

  mutable std::mutex current_mutex_;
  std::shared_ptr<const Certificates> current_;

  std::mutex listener_mutex_;
  std::function<void()> listener_;

  std::mutex sleep_mutex_;
  std::condition_variable_any sleep_;
  std::jthread thread_;  // last: it ends first
};

}  // namespace aspen::adapter::tls
