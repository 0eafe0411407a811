// What the file `identity` of a data directory holds: to which cluster it belongs, as which member,
// and the incarnation it was born with. A directory is born with an incarnation and no cluster;
// Init gives it a place once and for ever (rule P14: without its incarnation file it never answers
// as the old node).
#pragma once

#include <string>
#include <string_view>

#include "node/base/error.h"
#include "node/base/ids.h"
#include "node/base/membership.h"

namespace aspen::replica {

struct Identity {
  ClusterId cluster;  // 0 before Init
  PeerId self;        // node id 0 before Init; the incarnation is never empty
  std::string name;
  // The members that Init listed: the first entry of every founder's log. For a node that joined:
  // whom to expect until its log says more. Empty before that. Later memberships stand in the log.
  Config bootstrap;
  // Its log was begun, and must be there from now on.
  bool started = false;
  // It was added to a cluster that existed: its log begins empty.
  bool joined = false;
  // The cluster removed this member: sealed for good, it takes part no more.
  bool removed = false;
  friend bool operator==(const Identity&, const Identity&) = default;

  [[nodiscard]] bool initialised() const noexcept { return cluster.value != 0; }
};

// Format, identity, checksum. In the oldest format that can say it.
[[nodiscard]] std::string encode(const Identity& identity);
// Possible errors: corrupt (malformed, checksum), unsupported (newer format; detail: the format).
[[nodiscard]] Result<Identity> decode_identity(std::string_view bytes);

// Where the identity is kept. Owner: the assembly. Thread: the consensus worker (the node's actor
// gives it its place, the replica marks it as started), and before that starts the assembly. All
// calls may block on the disk for a moment.
class IdentityStore {
 public:
  virtual ~IdentityStore() = default;
  // Possible errors: not_found (a new directory), corrupt, unsupported, io_error.
  [[nodiscard]] virtual Result<Identity> load() = 0;
  // Durable when it returns; the former content stays if it fails. Possible errors: no_space,
  // io_error.
  [[nodiscard]] virtual Result<void> save(const Identity& identity) = 0;
  // What an Init of this node intends to assign, so that the same Init after a crash goes on with
  // the same ids. Errors as above.
  [[nodiscard]] virtual Result<Identity> load_plan() = 0;
  [[nodiscard]] virtual Result<void> save_plan(const Identity& plan) = 0;
};

}  // namespace aspen::replica
