#include "node/adapter/tls/certificate_files.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <utility>

#include "node/base/assert.h"

namespace aspen::adapter::tls {

namespace {

constexpr std::string_view component = "tls";
constexpr Duration warn_before_expiry = std::chrono::hours(24);

void forget_key(Certificates* certificates) noexcept {
  ::OPENSSL_cleanse(certificates->key.data(), certificates->key.size());
  std::default_delete<Certificates>()(certificates);
}

Digest digest_of(std::string_view text) {
  Digest digest{};
  ::SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return digest;
}

Digest digest_of(const Certificates& certificates) {
  std::string parts;
  for (const std::string* part : {&certificates.chain, &certificates.key, &certificates.ca}) {
    const Digest one = digest_of(*part);
    parts.append(one.begin(), one.end());
  }
  return digest_of(parts);
}

std::vector<std::pair<std::string, std::string>> labels(CertificateUse use) {
  return {{"use", std::string(name_of(use))}};
}

}  // namespace

FileCertificates::FileCertificates(Options options, Ports ports)
    : options_(std::move(options)),
      ports_(ports),
      expiry_seconds_(ports.telemetry.gauge(
          {"aspen_certificate_expiry_seconds",
           "When the certificate in use expires, in seconds since the Unix epoch.",
           labels(options_.use)})),
      reload_failures_(ports.telemetry.counter(
          {"aspen_certificate_reload_failures_total",
           "Renewed certificate files that were refused; the old ones stay in use.",
           labels(options_.use)})) {
  reload_failures_.add(0);
}

FileCertificates::~FileCertificates() {
  thread_.request_stop();
  sleep_.notify_all();
}

Checked<std::unique_ptr<FileCertificates>> FileCertificates::load(Options options, Ports ports) {
  std::unique_ptr<FileCertificates> files(new FileCertificates(std::move(options), ports));
  Read read = files->read();
  if (!read.certificates) return tl::unexpected(read.certificates.error());
  const Checked<Expiry> expiry =
      check(**read.certificates, files->options_.paths, files->options_.use, ports.clock.wall());
  if (!expiry) return tl::unexpected(expiry.error());
  files->judged_ = files->seen_ = read.digest;
  files->adopt(std::move(*read.certificates), *expiry);
  files->warn_of_expiry();
  files->thread_ =
      std::jthread([raw = files.get()](const std::stop_token& stop) { raw->run(stop); });
  return files;
}

void FileCertificates::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    {
      std::unique_lock lock(sleep_mutex_);
      sleep_.wait_for(lock, stop, options_.poll_interval, [] { return false; });
    }
    if (!stop.stop_requested()) poll();
  }
}

FileCertificates::Read FileCertificates::read() const {
  const std::shared_ptr<Certificates> certificates(std::make_unique<Certificates>().release(),
                                                   &forget_key);
  struct Part {
    std::string_view flag;
    const std::string& path;
    std::string& text;
  };
  for (const Part& part : {Part{"cert", options_.paths.cert, certificates->chain},
                           Part{"key", options_.paths.key, certificates->key},
                           Part{"ca", options_.paths.ca, certificates->ca}}) {
    if (part.path.empty()) continue;
    Checked<std::string> text = read_pem(flag_of(options_.use, part.flag), part.path);
    if (!text) {
      const Digest digest = digest_of(text.error().text);
      return {tl::unexpected(std::move(text.error())), digest};
    }
    part.text = std::move(*text);
  }
  const Digest digest = digest_of(*certificates);
  return {certificates, digest};
}

void FileCertificates::adopt(std::shared_ptr<const Certificates> certificates,
                             const Expiry& expiry) {
  ASPEN_ASSERT(certificates != nullptr);
  expiry_ = expiry;
  warned_of_expiry_ = false;
  expiry_seconds_.set(static_cast<double>(expiry.at.ns / 1'000'000'000));
  const std::lock_guard lock(current_mutex_);
  current_ = std::move(certificates);
}

void FileCertificates::poll() {
  const std::lock_guard lock(poll_mutex_);
  warn_of_expiry();
  Read read = this->read();
  // Files that are being written, one after the other, are left alone until they rest.
  const bool rests = std::exchange(seen_, read.digest) == read.digest;
  if (!rests || read.digest == judged_) return;
  judged_ = read.digest;
  const Checked<Expiry> expiry =
      read.certificates.and_then([this](const std::shared_ptr<Certificates>& certificates) {
        return check(*certificates, options_.paths, options_.use, ports_.clock.wall());
      });
  const std::string use(name_of(options_.use));
  if (!expiry) {
    reload_failures_.add(1);
    ports_.log.warn(component, "a renewed certificate is refused, the old one stays in use",
                    {{"use", use}, {"why", expiry.error().text}});
    return;
  }
  adopt(std::move(*read.certificates), *expiry);
  ports_.log.info(component, "certificates renewed", {{"use", use}, {"expires", expiry->text}});
  const std::lock_guard listener_lock(listener_mutex_);
  if (listener_) listener_();
}

void FileCertificates::warn_of_expiry() {
  if (warned_of_expiry_ || expiry_.at - ports_.clock.wall() > warn_before_expiry) return;
  warned_of_expiry_ = true;
  ports_.log.warn(component, "the certificate in use expires soon or has expired: renew its file",
                  {{"use", std::string(name_of(options_.use))},
                   {"file", options_.paths.cert},
                   {"expires", expiry_.text}});
}

std::shared_ptr<const Certificates> FileCertificates::current() const {
  const std::lock_guard lock(current_mutex_);
  return current_;
}

void FileCertificates::set_listener(std::function<void()> renewed) {
  const std::lock_guard lock(listener_mutex_);
  listener_ = std::move(renewed);
}

}  // namespace aspen::adapter::tls
