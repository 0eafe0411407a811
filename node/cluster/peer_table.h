// The members as this node sees them: whom to dial and when, and which of several links to one
// member stays. Pure: it knows links by number and never touches one.
//
// The rule for two links of a pair: the member with the larger id decides (it is the arbiter), the
// other follows the arbiter's last `admitted`. The arbiter keeps its first link, except that a link
// that began after the other side had confirmed the first one replaces it: a follower dials only
// when it has no link, so it must have lost that one. Hence at any moment the arbiter has at most
// one link admitted, and the follower ends on the same.
//
// Owner: NodeServer. Bound: limits::members_max.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "node/base/membership.h"
#include "node/base/prng.h"
#include "node/base/time.h"
#include "node/cluster/backoff.h"
#include "node/cluster/link.h"

namespace aspen::cluster {

struct Peer {
  Member member;
  std::optional<LinkNumber> current;  // admitted by the arbiter; at most one
  std::optional<LinkNumber> dialled;  // being made by us
  // The number of the first link that began after the current one was confirmed; 0: it is not.
  LinkNumber confirmed_before = 0;
  Instant next_dial;
  Backoff backoff;
  std::uint64_t epoch = 0;         // counts the links that became ready
  LinkFigures figures;             // of the links that have ended
  std::uint64_t casts_unsent = 0;  // there was no link
  std::string last_error;
  Instant last_error_logged;

  [[nodiscard]] bool confirmed() const noexcept { return confirmed_before != 0; }
};

class PeerTable {
 public:
  PeerTable(BackoffOptions backoff, Prng prng) : backoff_(backoff), prng_(prng) {}

  // Takes over a membership. Gives the links of members that are gone or have another incarnation.
  [[nodiscard]] std::vector<LinkNumber> set_members(const Config& members, NodeId self,
                                                    Instant now);
  // Null if it is no member.
  [[nodiscard]] Peer* find(NodeId id) noexcept;
  [[nodiscard]] const std::map<NodeId, Peer>& all() const noexcept { return peers_; }

  // Members without a link and without one in the making, whose wait is over.
  [[nodiscard]] std::vector<NodeId> due(Instant now) const;
  void dial_started(NodeId id, LinkNumber link);
  // A dial could not even be started.
  void dial_failed(NodeId id, Instant now);

  // What the arbiter does with a link that has just been proven.
  struct Verdict {
    bool admit = false;
    std::optional<LinkNumber> drop;  // instead of it, or a dial that is not needed any more
    std::optional<LinkNumber> drop_dial;
  };
  [[nodiscard]] Verdict on_proven(NodeId id, LinkNumber link);
  // The arbiter has the other side's confirmation; `next_link` is the number of the next link.
  void on_confirmed(NodeId id, LinkNumber link, LinkNumber next_link);
  // The follower was told which link counts; gives the one that it replaces.
  [[nodiscard]] std::optional<LinkNumber> on_admitted(NodeId id, LinkNumber link,
                                                      LinkNumber next_link);

  // A link has ended or is being closed. `failed`: wait longer before the next dial.
  enum class How : std::uint8_t { failed, duplicate };
  void on_closed(NodeId id, LinkNumber link, How how, Instant now);

 private:
  BackoffOptions backoff_;
  Prng prng_;
  NodeId self_;
  std::map<NodeId, Peer> peers_;
};

}  // namespace aspen::cluster
