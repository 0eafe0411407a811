// Actors of other members: an address as a value, and what makes of it a Ref like any other.
//
//   RemoteRef address{member, {}, group, type, "name"};
//   RemoteActorAt<Protocol, Message> remote(server, address, encode);
//   actor::Ref<Protocol> ref(remote);        // ref.tell(Message{...}) reaches the actor "name"
//
// The other side has delivers_to<Protocol, Message>(decode) among its named handlers of that type.
#pragma once

#include <string>
#include <utility>

#include "node/cluster/node_messages.h"

namespace aspen::cluster {

// The address of an actor on another member: the member, its incarnation if only that one is meant,
// the actor's registered name (empty: whoever handles the type), and the type of cast.
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

// Sends one message type of protocol P to a remote actor; the others answer unsupported. A full
// mailbox of the NodeServer answers overloaded; what is lost later is lost as any cast is.
// It outlives the refs made of it. Any thread.
template <class P, class M>
class RemoteActorAt final : public actor::RemoteActor<P> {
 public:
  using Encode = Bytes (*)(const M& message);
  RemoteActorAt(NodeRef server, RemoteRef address, Encode encode)
      : server_(server), address_(std::move(address)), encode_(encode) {}

  using actor::RemoteActor<P>::send;
  Result<void> send(M&& message) noexcept override {
    return address_.cast(server_, encode_(message));
  }

 private:
  NodeRef server_;
  RemoteRef address_;
  Encode encode_;
};

// The other end: decode(from, group, payload) gives a Result<M>, which is told to the actor of
// protocol P that the cast names.
template <class P, class M, class Decode>
[[nodiscard]] NamedCastHandler delivers_to(Decode decode) {
  return [decode](const actor::Registry& registry, NamedCast&& cast) -> Result<void> {
    const Result<actor::Ref<P>> found = registry.find<P>(cast.target);
    if (!found) return tl::unexpected<Error>(found.error());
    Result<M> message = decode(cast.from, cast.group, cast.payload);
    if (!message) return tl::unexpected<Error>(message.error());
    return found->tell(std::move(*message));
  };
}

}  // namespace aspen::cluster
