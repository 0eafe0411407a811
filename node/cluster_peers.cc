#include "node/cluster_peers.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/wire/control_codec.h"
#include "node/wire/forward_codec.h"
#include "node/wire/raft_codec.h"
#include "node/wire/snapshot_codec.h"

namespace aspen {

namespace {

// What a node that refuses an assignment says, as the other side's Init understands it.
wire::LinkError to_link_error(Code code) {
  if (code == Code::already_initialised) return wire::LinkError::wrong_cluster;
  if (code == Code::wrong_incarnation) return wire::LinkError::wrong_incarnation;
  return wire::LinkError::overloaded;
}

// Decodes a cast's payload and tells an actor; what does not decode is logged and dropped.
template <class Message, class Decode, class Ref>
cluster::CastHandler handler_of(Decode decode, Ref ref, LogSink& log) {
  return [decode, ref, &log](const PeerId& from, GroupId group, Bytes payload) {
    if (group != the_group) {
      log.warn("cluster", "a message of another group was dropped",
               {{"from", from.id}, {"group", group.value}});
      return;
    }
    auto decoded = decode(payload);
    if (!decoded) {
      log.warn("cluster", "a malformed message was dropped",
               {{"from", from.id}, {"error", decoded.error()}});
      return;
    }
    // A full mailbox loses it, as a network would.
    ASPEN_MAYBE(ref.tell(Message{from, std::move(*decoded)}).has_value());
  };
}

// A forward that certainly did not leave is refused here and now: the replica may send it again,
// where it would wait for an answer in vain. Raft's own messages are repeated by their protocol.
void refuse_unsent(const actor::Ref<replica::RaftProtocol>& raft, const cluster::Cast& cast) {
  if (cast.type == wire::cast_control) {
    const Result<wire::Control> control = wire::decode_control(cast.payload);
    ASPEN_ASSERT(control.has_value());  // this node encoded it
    const wire::ControlReply reply{
        control->origin, control->sequence,
        wire::ControlRefusal{raft::Refusal::none, wire::Objection::not_leader}};
    ASPEN_MAYBE(
        raft.tell(replica::ControlAnswered{{cast.to, cast.incarnation}, reply}).has_value());
    return;
  }
  if (cast.type != wire::cast_forward) return;
  const Result<wire::Forward> forward = wire::decode_forward(cast.payload);
  ASPEN_ASSERT(forward.has_value());  // this node encoded it
  const wire::ForwardReply reply{forward->term, forward->origin, forward->sequence,
                                 Code::unavailable};
  // Lost in a full mailbox, the forward counts as one whose outcome is unknown.
  ASPEN_MAYBE(raft.tell(replica::ForwardRefused{{cast.to, cast.incarnation}, reply}).has_value());
}

}  // namespace

void ClusterPeers::cast(std::vector<replica::OutgoingCast> casts) {
  // A replica whose peers are not linked casts at each election timeout at the latest.
  if (untold_ && tell_members()) untold_.reset();
  for (std::size_t i = 0; i < casts.size();) {
    cluster::Casts message;
    const std::size_t count = std::min(casts.size() - i, limits::link_casts_max);
    message.list.reserve(count);
    for (std::size_t end = i + count; i < end; ++i) {
      message.list.push_back(
          {casts[i].to, {}, the_group, casts[i].type, {}, std::move(casts[i].payload)});
    }
    if (server_.tell(std::move(message))) continue;
    for (const cluster::Cast& cast : message.list) refuse_unsent(raft_, cast);
  }
}

// Both ends of a transfer repeat what is lost.
void ClusterPeers::transfer(replica::OutgoingCast cast) {
  const auto lane = cast.lane == replica::Lane::bulk ? cluster::Lane::bulk : cluster::Lane::normal;
  ASPEN_MAYBE(
      server_
          .tell(cluster::Cast{cast.to, {}, the_group, cast.type, {}, std::move(cast.payload), lane})
          .has_value());
}

void ClusterPeers::set_members(ClusterId cluster, const PeerId& self, const Config& config) {
  untold_ = Membership{cluster, self, config};
  if (tell_members()) untold_.reset();
}

bool ClusterPeers::tell_members() {
  ASPEN_ASSERT(untold_.has_value());
  return server_.tell(cluster::SetIdentity{{untold_->cluster, untold_->self, name_}}) &&
         server_.tell(cluster::SetMembers{untold_->config});
}

void ClusterPeers::probe(const std::string& address, Duration timeout,
                         std::function<void(Result<wire::ProbeReply>)> done) {
  server_.ask_from_outside(cluster::Probe{address, timeout}, std::move(done));
}

void ClusterPeers::assign(const std::string& address, const wire::Assign& assign, Duration timeout,
                          std::function<void(Result<void>)> done) {
  server_.ask_from_outside(cluster::AssignTo{address, assign, timeout},
                           [done = std::move(done)](Result<wire::AssignReply>&& reply) {
                             if (!reply) return done(tl::unexpected<Error>(reply.error()));
                             if (reply->error == wire::LinkError::none) return done({});
                             done(tl::unexpected<Error>(wire::to_error(reply->error)));
                           });
}

void connect_handlers(cluster::NodeMemory& memory, const ClusterTargets& targets) {
  const auto raft = targets.raft;
  const auto node = targets.node;
  memory.handlers[wire::cast_raft] =
      handler_of<replica::PeerMessage>(wire::decode_raft, raft, targets.log);
  memory.handlers[wire::cast_forward] =
      handler_of<replica::ForwardReceived>(wire::decode_forward, raft, targets.log);
  memory.handlers[wire::cast_forward_reply] =
      handler_of<replica::ForwardRefused>(wire::decode_forward_reply, raft, targets.log);
  memory.handlers[wire::cast_control] =
      handler_of<replica::ControlReceived>(wire::decode_control, raft, targets.log);
  memory.handlers[wire::cast_control_reply] =
      handler_of<replica::ControlAnswered>(wire::decode_control_reply, raft, targets.log);
  memory.handlers[wire::cast_snapshot] =
      handler_of<replica::SnapshotReceived>(wire::decode_snapshot, raft, targets.log);
  memory.unsent_handler = [raft](const cluster::Cast& cast) { refuse_unsent(raft, cast); };
  memory.assign_handler = [node](const wire::Assign& assign,
                                 actor::Responder<wire::AssignReply> answer) {
    const auto shared = std::make_shared<actor::Responder<wire::AssignReply>>(std::move(answer));
    replica::PlaceAssigned message{assign, [shared](Result<PeerId> placed) {
                                     wire::AssignReply reply;
                                     if (placed) {
                                       reply.self = *placed;
                                     } else {
                                       reply.error = to_link_error(placed.error().code);
                                     }
                                     shared->reply(reply);
                                   }};
    if (!node.tell(std::move(message))) {
      shared->reply(wire::AssignReply{wire::LinkError::overloaded, {}});
    }
  };
  memory.subscribers.push_back([raft, node](const cluster::NodeEvent& event) {
    using Kind = cluster::NodeEvent::Kind;
    if (event.kind == Kind::ready || event.kind == Kind::disconnected) {
      const bool up = event.kind == Kind::ready;
      ASPEN_MAYBE(raft.tell(replica::PeerLinkChanged{event.peer, up}).has_value());
      ASPEN_MAYBE(node.tell(replica::PeerLinkChanged{event.peer, up}).has_value());
    }
    if (event.kind == Kind::refused && event.about_self) {
      ASPEN_MAYBE(node.tell(replica::IdentityRefused{event.text}).has_value());
    }
  });
}

}  // namespace aspen
