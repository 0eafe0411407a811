#include "node/adapter/grpc/staged_certificates.h"

#include <fcntl.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <string_view>

#include "node/base/assert.h"

namespace aspen::adapter {

namespace {

constexpr unsigned int poll_seconds = 1;
// Any time will do that is not zero and never comes twice.
constexpr std::int64_t first_change_seconds = 1'000'000'000;

tl::unexpected<Error> file_failed() {
  return fail(Code::unavailable, "no file of memory for certificates",
              static_cast<std::uint64_t>(errno));
}

// A new file of memory.
Result<int> memory_file(std::string_view text, std::int64_t changed_seconds) {
  const int fd = ::memfd_create("certificates", MFD_CLOEXEC);
  if (fd < 0) return file_failed();
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  const timespec changed{changed_seconds, 0};
  const std::array<timespec, 2> times{changed, changed};
  if (text.empty() && ::futimens(fd, times.data()) == 0) return fd;
  const auto failed = file_failed();
  ::close(fd);
  return failed;
}

// `number` means the new file from now on, for whoever opens its path.
Result<void> exchange(int& number, std::string_view text, std::int64_t changed_seconds) {
  const Result<int> fresh = memory_file(text, changed_seconds);
  if (!fresh) return tl::unexpected(fresh.error());
  if (number < 0) {
    number = *fresh;
    return {};
  }
  const int exchanged = ::dup3(*fresh, number, O_CLOEXEC);
  const auto failed = file_failed();
  ::close(*fresh);
  if (exchanged < 0) return failed;
  return {};
}

std::string path_of(int number) {
  ASPEN_ASSERT(number >= 0);
  return "/proc/self/fd/" + std::to_string(number);
}

}  // namespace

StagedCertificates::StagedCertificates(CertificateSource& source, LogSink* log)
    : source_(source), log_(log), mutual_(!source.current()->ca.empty()) {}

StagedCertificates::~StagedCertificates() {
  source_.set_listener({});
}

Result<std::unique_ptr<StagedCertificates>> StagedCertificates::make(CertificateSource& source,
                                                                     LogSink* log) {
  std::unique_ptr<StagedCertificates> made(new StagedCertificates(source, log));
  // First of all: a renewal that comes in between is staged twice, and not forgotten.
  source.set_listener([raw = made.get()] {
    const Result<void> staged = raw->stage();
    if (staged || raw->log_ == nullptr) return;
    raw->log_->error("grpc", "renewed certificates cannot be put in place",
                     {{"error", staged.error()}});
  });
  if (const Result<void> staged = made->stage(); !staged) return tl::unexpected(staged.error());
  return made;
}

Result<void> StagedCertificates::stage() {
  const std::lock_guard lock(mutex_);
  const std::shared_ptr<const Certificates> current = source_.current();
  const std::int64_t changed = first_change_seconds + ++version_;
  if (mutual_) {
    const Result<void> authorities = exchange(authority_file_, current->ca, changed);
    if (!authorities) return authorities;
  }
  // The key first: whoever looks for the other skips it.
  return exchange(identity_file_, current->key + "\n" + current->chain, changed);
}

std::shared_ptr<::grpc::ServerCredentials> StagedCertificates::credentials() const {
  const std::string identity = path_of(identity_file_);
  const std::string authorities = mutual_ ? path_of(authority_file_) : std::string();
  ::grpc::experimental::TlsServerCredentialsOptions options(
      std::make_shared<::grpc::experimental::FileWatcherCertificateProvider>(
          identity, identity, authorities, poll_seconds));
  options.watch_identity_key_cert_pairs();
  if (mutual_) options.watch_root_certs();
  options.set_cert_request_type(mutual_ ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                                        : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  return ::grpc::experimental::TlsServerCredentials(options);
}

}  // namespace aspen::adapter
