// The address of an actor on another member, as a value: the member, its incarnation if only that
// one is meant, the actor's registered name, and the type of cast it understands.
#pragma once

#include <string>
#include <utility>

#include "node/cluster/node_messages.h"

namespace aspen::cluster {

struct RemoteRef {
  NodeId node;
  Incarnation incarnation;  // empty: whoever is the member
  GroupId group;
  wire::CastType type = 0;
  std::string target;

  [[nodiscard]] Cast message(Bytes payload) const {
    return {node, incarnation, group, type, target, std::move(payload)};
  }
  // Hands the payload to the NodeServer. Success means no more than that: see Cast.
  // Possible errors: overloaded (its mailbox is full), not_found (it has stopped).
  Result<void> cast(const NodeRef& server, Bytes payload) const noexcept {
    return server.tell(message(std::move(payload)));
  }
  friend bool operator==(const RemoteRef&, const RemoteRef&) = default;
};

}  // namespace aspen::cluster
