#include "node/restore.h"

#include <utility>

#include "node/adapter/rocksdb/rocksdb_state_store.h"
#include "node/base/assert.h"
#include "node/base/membership.h"
#include "node/file_identity_store.h"
#include "node/kv/store.h"
#include "node/snapshot/container.h"
#include "node/snapshot/part_directory.h"

namespace aspen {

namespace {

using adapter::rocksdb::RocksdbOptions;
using adapter::rocksdb::RocksdbStateStore;

constexpr std::uint64_t memory_bytes = 64ULL * 1024 * 1024;

Result<void> must_be_empty(FileSystem& files, const std::string& directory) {
  const auto names = files.list(directory);
  if (!names && names.error().code == Code::not_found) return {};
  if (!names) return tl::unexpected<Error>(names.error());
  const auto folders = files.list_directories(directory);
  if (!folders) return tl::unexpected<Error>(folders.error());
  if (names->empty() && folders->empty()) return {};
  return fail(Code::already_exists, "the data directory is not empty");
}

// The state becomes that of the snapshot, with another membership.
Result<void> take_over(const std::string& data_directory, const std::string& source,
                       const kv::AppliedConfig& config) {
  RocksdbOptions options;
  options.directory = data_directory + "/state";
  options.memory_bytes = memory_bytes;
  Result<std::unique_ptr<RocksdbStateStore>> store = RocksdbStateStore::open(options);
  if (!store) return tl::unexpected<Error>(store.error());
  if (Result<void> installed = (*store)->install(source); !installed) return installed;
  const Result<kv::Store> state = kv::Store::open(**store);
  if (!state) return tl::unexpected<Error>(state.error());
  if (state->applied() != config.id) {
    return fail(Code::corrupt, "the snapshot's state is not what its manifest says");
  }
  return kv::replace_config(**store, config);
}

replica::Identity new_identity(Entropy& entropy, const RestoreRequest& request) {
  const auto drawn = [&entropy] {
    const std::uint64_t value = entropy.u64();
    return value == 0 ? 1 : value;
  };
  replica::Identity identity;
  identity.cluster = ClusterId(drawn());
  identity.self = PeerId{NodeId(drawn()), {drawn(), drawn()}};
  identity.name = request.name;
  Member self;
  self.peer = identity.self;
  self.name = request.name;
  self.peer_address = request.peer_address;
  self.client_addresses = request.client_addresses;
  identity.bootstrap.members.push_back(std::move(self));
  ASPEN_ASSERT(identity.initialised());
  return identity;
}

}  // namespace

// The log begins behind the state at the first start, which takes a kept manifest for a snapshot
// that was installed and not followed by the log yet: that is what this is. The identity comes
// last: a directory without one is refused.
Result<Restored> restore(FileSystem& files, Entropy& entropy, const RestoreRequest& request) {
  if (Result<void> empty = must_be_empty(files, request.data_directory); !empty) {
    return tl::unexpected<Error>(empty.error());
  }
  const std::string snapshots = request.data_directory + "/snapshots";
  const std::string source = snapshots + "/restored";
  if (Result<void> made = files.create_directory(snapshots); !made) {
    return tl::unexpected<Error>(made.error());
  }
  const auto manifest = snapshot::restore_container(files, request.file, source);
  if (!manifest) return tl::unexpected<Error>(manifest.error());
  const replica::Identity identity = new_identity(entropy, request);
  const kv::AppliedConfig config{manifest->id, Bytes(encode(identity.bootstrap))};
  if (Result<void> taken = take_over(request.data_directory, source, config); !taken) {
    return tl::unexpected<Error>(taken.error());
  }
  const std::string text = snapshot::encode(*manifest);
  snapshot::PartDirectory kept(files, snapshots, snapshot::sha256(text));
  if (Result<void> done = kept.keep_manifest(text); !done) {
    return tl::unexpected<Error>(done.error());
  }
  FileIdentityStore identities(files, request.data_directory);
  if (Result<void> saved = identities.save(identity); !saved) {
    return tl::unexpected<Error>(saved.error());
  }
  return Restored{identity.cluster, identity.self, manifest->id, manifest->revision};
}

}  // namespace aspen
