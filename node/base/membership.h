// Membership as it stands in the log: who belongs to the cluster, in which role, at which
// addresses. It lives in configuration entries alone. The codec is part of the log's format.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "node/base/error.h"
#include "node/base/ids.h"

namespace aspen {

enum class Role : std::uint8_t {
  voter = 0,
  learner = 1,
  leaving = 2,  // gone when the joint configuration is left
};

struct Member {
  PeerId peer;  // an empty incarnation: not bound to a data directory yet
  Role role = Role::voter;
  std::string name;
  std::string peer_address;                   // host:port
  std::vector<std::string> client_addresses;  // host:port
  bool outgoing = false;                      // votes in the old half of a joint configuration
  friend bool operator==(const Member&, const Member&) = default;
};

// Two kinds. At rest: nobody is outgoing or leaving. Joint (thesis 4.3): between two sets of
// voters; whatever is decided needs a majority of the old half, which are the outgoing members, and
// one of the new half, which are the voters. A member that leaves is outgoing. Invariants: members
// ascend by node id and are at most limits::members_max; ids are not 0.
struct Config {
  std::vector<Member> members;
  friend bool operator==(const Config&, const Config&) = default;

  [[nodiscard]] bool empty() const noexcept { return members.empty(); }
  [[nodiscard]] bool joint() const noexcept;
  // Null if there is none.
  [[nodiscard]] const Member* find(NodeId id) const noexcept;
};

// In the oldest format that can say it: what an older node can follow, it can read.
[[nodiscard]] std::string encode(const Config& config);
// Possible errors: corrupt (malformed, unordered, too many members), unsupported (newer format).
[[nodiscard]] Result<Config> decode_config(std::string_view bytes);

}  // namespace aspen
