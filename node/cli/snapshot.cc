#include "node/cli/snapshot.h"

#include <memory>
#include <span>
#include <utility>

#include "node/adapter/posix/entropy.h"
#include "node/adapter/posix/file_system.h"
#include "node/restore.h"
#include "node/snapshot/container.h"

namespace aspen::cli {
namespace {

client::Failure failure(const std::string& what, const Error& error) {
  std::string text = what + ": " + error.what;
  if (error.what[0] == '\0') text += std::string(to_string(error.code));
  if (error.code == Code::corrupt) {
    text += " (near byte " + std::to_string(error.detail) +
            "): the file is damaged, save or copy it again";
  } else if (error.code == Code::already_exists) {
    text += ": name one that does not exist";
  }
  return client::Failure{client::Conclusion::refused, text, "", error.code};
}

void tell(const snapshot::Manifest& manifest, Report& report) {
  report.facts.emplace_back("cluster_id", to_hex(manifest.cluster.value));
  report.facts.emplace_back("revision", manifest.revision);
  report.facts.emplace_back("term", manifest.id.term.value);
  report.facts.emplace_back("index", manifest.id.index.value);
  report.facts.emplace_back("state_bytes", manifest.size_bytes());
}

// A file that is written from front to back and gets its name at the end.
class NewFile {
 public:
  NewFile(FileSystem& files, std::string path) : files_(files), path_(std::move(path)) {}

  Result<void> open() {
    if (files_.open(path_, OpenMode::existing)) {
      return fail(Code::already_exists, "there is such a file");
    }
    // What an earlier attempt has left.
    static_cast<void>(files_.remove(path_ + part));
    auto opened = files_.open(path_ + part, OpenMode::create_new);
    if (!opened) return tl::unexpected<Error>(opened.error());
    file_ = std::move(*opened);
    return {};
  }
  Result<void> append(std::string_view piece) {
    Result<void> written = file_->write(size_bytes_, std::span(&piece, 1));
    size_bytes_ += piece.size();
    return written;
  }
  Result<void> finish() {
    if (Result<void> synced = file_->sync(); !synced) return synced;
    if (Result<void> named = files_.rename(path_ + part, path_); !named) return named;
    const std::size_t slash = path_.rfind('/');
    return files_.sync_directory(slash == std::string::npos ? "." : path_.substr(0, slash));
  }
  void remove() { static_cast<void>(files_.remove(path_ + part)); }

 private:
  static constexpr const char* part = ".part";
  FileSystem& files_;
  const std::string path_;
  std::unique_ptr<File> file_;
  std::uint64_t size_bytes_ = 0;
};

}  // namespace

client::Outcome<Report> snapshot_save(client::Client& client, const std::string& file) {
  adapter::posix::PosixFileSystem files;
  NewFile out(files, file);
  if (const Result<void> opened = out.open(); !opened) {
    return tl::unexpected(failure(file, opened.error()));
  }
  snapshot::ContainerSink check;
  Result<void> taken;
  const auto received = client.snapshot(0, [&](std::string_view piece) {
    if (taken) taken = check.accept(piece);
    if (taken) taken = out.append(piece);
    return taken.has_value();
  });
  const auto give_up = [&out](client::Failure why) {
    out.remove();
    return tl::unexpected(std::move(why));
  };
  if (!taken) return give_up(failure(file, taken.error()));
  if (!received) return give_up(received.error());
  const Result<snapshot::Manifest> manifest = check.finish();
  if (!manifest) return give_up(failure(file, manifest.error()));
  if (const Result<void> finished = out.finish(); !finished) {
    return give_up(failure(file, finished.error()));
  }
  Report report;
  report.facts.emplace_back("file", file);
  tell(*manifest, report);
  return report;
}

client::Outcome<Report> snapshot_verify(const std::string& file) {
  adapter::posix::PosixFileSystem files;
  const Result<snapshot::Manifest> manifest = snapshot::verify_container(files, file);
  if (!manifest) return tl::unexpected(failure(file, manifest.error()));
  Report report;
  report.facts.emplace_back("file", file);
  tell(*manifest, report);
  return report;
}

client::Outcome<Report> snapshot_restore(const RestoreArguments& arguments) {
  adapter::posix::PosixFileSystem files;
  adapter::posix::PosixEntropy entropy;
  const MemberArgument& member = arguments.member;
  const Result<Restored> restored =
      restore(files, entropy,
              {arguments.file, arguments.data_directory, member.name, member.peer, member.clients});
  if (!restored) {
    const bool directory = restored.error().code == Code::already_exists;
    return tl::unexpected(
        failure(directory ? arguments.data_directory : arguments.file, restored.error()));
  }
  Report report;
  report.facts.emplace_back("cluster_id", to_hex(restored->cluster.value));
  report.facts.emplace_back("node_id", to_hex(restored->self.id.value));
  report.facts.emplace_back("name", member.name);
  report.facts.emplace_back("revision", restored->revision);
  return report;
}

}  // namespace aspen::cli
