// What the NodeServer takes and gives: the cluster layer's face towards the other actors of its
// node. All functions handed over here are called on the NodeServer's thread, must not throw or
// block, and outlive nothing: they are kept until the node ends, through restarts of the actor.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "node/actor/protocol.h"
#include "node/actor/ref.h"
#include "node/actor/registry.h"
#include "node/actor/responder.h"
#include "node/base/bytes.h"
#include "node/base/error.h"
#include "node/base/ids.h"
#include "node/base/membership.h"
#include "node/base/time.h"
#include "node/cluster/handshake.h"
#include "node/wire/cluster_codec.h"

namespace aspen::cluster {

// ---- what arrives from other nodes

// Decodes the payload and tells the right actor. The payload is foreign: the sender is who it says,
// what it says may be wrong.
using CastHandler = std::function<void(const PeerId& from, GroupId group, Bytes payload)>;

// A cast for the actor that is registered under `target` on this node.
struct NamedCast {
  PeerId from;
  GroupId group;
  std::string_view target;
  Bytes payload;
};
// Finds the actor and tells it; delivers_to() of remote_ref.h makes one. Possible errors: not_found
// (no actor of that name and protocol), those of the decoding, overloaded.
using NamedCastHandler = std::function<Result<void>(const actor::Registry&, NamedCast&&)>;

// A node that wants to give this one its place. Answer when it is durable, or refuse.
using AssignHandler =
    std::function<void(const wire::Assign& assign, actor::Responder<wire::AssignReply> answer)>;

struct NodeEvent {
  enum class Kind : std::uint8_t {
    opened,         // a stream, of whomever
    authenticated,  // the other side knows the secret and is whom it says
    ready,          // casts go both ways
    disconnected,   // casts of this epoch that were not delivered are lost
    refused,        // by us or by the other side; text says why and what to do
  };
  Kind kind = Kind::opened;
  PeerId peer;              // empty until authenticated
  std::uint64_t epoch = 0;  // counts the links with this peer that became ready
  std::string address;
  wire::LinkError error = wire::LinkError::none;
  std::string text;
  bool about_self = false;  // refused: a member that proved itself doubts this node's identity
};
using NodeSubscriber = std::function<void(const NodeEvent& event)>;

// ---- messages

// Who this node is, once it has a cluster. Precondition: the same cluster and node id if it had
// one.
struct SetIdentity {
  LocalIdentity identity;
};
// The membership in force. Members are dialled, others are refused.
struct SetMembers {
  Config config;
};

// One message for an actor of another member: delivered once or not at all, in the order of casts
// to that member while a link lives. Not delivered: there is no link, its queue is full, it breaks
// before (then subscribers are told), the member has another incarnation.
enum class Lane : std::uint8_t {
  normal,
  bulk,  // leaves when nothing else waits, and keeps its own order; no target
};
struct Cast {
  NodeId to;
  Incarnation incarnation;  // empty: whoever is the member
  GroupId group;
  wire::CastType type = 0;
  std::string target;  // an actor's registered name; empty: whoever handles the type
  Bytes payload;       // at most limits::frame_payload_bytes_max
  Lane lane = Lane::normal;
};
// At most limits::link_casts_max. What one message holds leaves in one write per member.
struct Casts {
  std::vector<Cast> list;
};

// Told of a cast that certainly did not leave this node: there was no link, its queue was full, or
// the member has another incarnation. Called on the NodeServer's thread.
using UnsentHandler = std::function<void(const Cast& cast)>;

struct SetCastHandler {
  wire::CastType type = 0;  // below limits::cast_handlers_max
  CastHandler handler;      // empty: no longer
};
struct SetAssignHandler {
  AssignHandler handler;
};
// Refused, with a line in the log, beyond limits::node_subscribers_max.
struct Subscribe {
  NodeSubscriber subscriber;
};

// Asks the node at an address who it is. It works with and without a cluster on either side; this
// node itself answers too. Possible errors: unavailable (not reachable, or it refused),
// unauthenticated, unsupported, timed_out, invalid_argument (the address), overloaded.
struct Probe {
  using Reply = wire::ProbeReply;
  std::string address;
  Duration timeout = std::chrono::seconds(5);
};
// Gives the node at an address its place. Possible errors: as Probe, none of which means that it
// was done, and connection_lost and timed_out once it was sent: the outcome is unknown, assigning
// the same again is safe. The reply may itself be a refusal.
struct AssignTo {
  using Reply = wire::AssignReply;
  std::string address;
  wire::Assign assign;
  Duration timeout = std::chrono::seconds(10);
};

struct PeerStatus {
  enum class State : std::uint8_t { waiting, dialling, ready };
  NodeId id;
  std::string name;
  std::string address;
  State state = State::waiting;
  std::uint64_t epoch = 0;
  std::uint64_t frames_in = 0;
  std::uint64_t frames_out = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::uint64_t casts_unsent = 0;  // no link, or its queue was full
  std::size_t queued_bytes = 0;
  std::optional<Duration> round_trip;
  std::string last_error;  // empty while ready
};
struct NodeStatus {
  std::string listen_address;
  std::vector<PeerStatus> peers;
  std::vector<std::string> refusals;      // the last ones, at most limits::strangers_max
  std::uint64_t casts_unhandled = 0;      // nobody handles their type
  std::uint64_t casts_undelivered = 0;    // the actor they name is unknown or did not take them
  std::uint64_t streams_turned_away = 0;  // there were limits::links_pending_max
};
struct GetStatus {
  using Reply = NodeStatus;
};

// The NodeServer's own: a stream has something to tell; time has passed.
struct Readable {
  static constexpr actor::Priority priority = actor::Priority::high;
};
struct Tick {
  static constexpr actor::Priority priority = actor::Priority::urgent;
};
struct AssignAnswered {
  std::uint64_t link = 0;
  wire::AssignReply reply;
};

using NodeProtocol =
    actor::Protocol<SetIdentity, SetMembers, Cast, Casts, SetCastHandler, SetAssignHandler,
                    Subscribe, Probe, AssignTo, GetStatus, Readable, Tick, AssignAnswered>;
using NodeRef = actor::Ref<NodeProtocol>;

// What a NodeServer must still know after a restart. Owner: the assembly; after the start only the
// NodeServer touches it.
struct NodeMemory {
  LocalIdentity identity;
  std::string client_address;  // told to whoever asks who this node is; may be empty
  Config members;
  std::map<wire::CastType, CastHandler> handlers;
  // Types whose casts name their actor. Filled in before the start.
  std::map<wire::CastType, NamedCastHandler> named_handlers;
  AssignHandler assign_handler;
  UnsentHandler unsent_handler;  // may be empty
  std::vector<NodeSubscriber> subscribers;
};

}  // namespace aspen::cluster
