// Makes a data directory of a snapshot file: a new cluster of one member, with a new identity, that
// has all the keys and revisions of the old one. Further members are added to it as usual.
//
// Thread: any; it blocks. An error leaves a directory that is to be removed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "node/base/error.h"
#include "node/base/ids.h"
#include "node/port/entropy.h"
#include "node/port/file_system.h"

namespace aspen {

struct RestoreRequest {
  std::string file;
  std::string data_directory;  // must not exist, or be empty
  std::string name;
  std::string peer_address;
  std::vector<std::string> client_addresses;
};

struct Restored {
  ClusterId cluster;
  PeerId self;
  LogId id;
  std::int64_t revision = 0;
};

// Possible errors: already_exists (the directory is not empty), corrupt (a damaged file, detail:
// where), unsupported (of a newer version), not_found, no_space, io_error.
[[nodiscard]] Result<Restored> restore(FileSystem& files, Entropy& entropy,
                                       const RestoreRequest& request);

}  // namespace aspen
