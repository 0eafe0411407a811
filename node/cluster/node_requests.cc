// Probes and assignments: requests to a node that need not be a member, each over a link of its
// own, and the answers of this node to those of others.
#include <utility>

#include "node/base/assert.h"
#include "node/cluster/node_server.h"

namespace aspen::cluster {

using wire::FrameType;
using wire::LinkError;

void NodeServer::on(Probe&& message, actor::Responder<wire::ProbeReply>&& responder,
                    Ctx& context) noexcept {
  now_ = context.now();
  Request request;
  request.address = std::move(message.address);
  request.deadline = now_ + message.timeout;
  request.probe_responder = std::move(responder);
  start_request(std::move(request));
}

void NodeServer::on(AssignTo&& message, actor::Responder<wire::AssignReply>&& responder,
                    Ctx& context) noexcept {
  now_ = context.now();
  ASPEN_ASSERT(message.assign.cluster.value != 0);
  ASPEN_ASSERT(message.assign.self.id.value != 0);
  Request request;
  request.address = std::move(message.address);
  request.deadline = now_ + message.timeout;
  request.assign = std::move(message.assign);
  request.assign_responder = std::move(responder);
  start_request(std::move(request));
}

void NodeServer::start_request(Request request) {
  Error error;
  if (requests_.size() >= limits::node_requests_max) {
    error = {Code::overloaded, "too many requests to other nodes", 0};
  } else {
    const Result<LinkNumber> link = dial({request.address, wire::LinkUse::request, NodeId()});
    if (link) {
      requests_.emplace(*link, std::move(request));
      return;
    }
    error = link.error();
  }
  ASPEN_ASSERT(error.code != Code::ok);
  if (request.assign.has_value()) {
    request.assign_responder.fail(error);
  } else {
    request.probe_responder.fail(error);
  }
}

void NodeServer::request_proven(Link& link) {
  ASPEN_ASSERT(link.use() == wire::LinkUse::request);
  link.set_serving();
  if (link.role() == LinkRole::acceptor) return;
  const auto found = requests_.find(link.number());
  ASPEN_ASSERT(found != requests_.end());
  Request& request = found->second;
  link.set_deadline(request.deadline);
  request.sent = true;
  const bool assigns = request.assign.has_value();
  const Bytes payload = assigns ? Bytes(encode(*request.assign)) : Bytes();
  ASPEN_MAYBE(link.send({assigns ? FrameType::assign : FrameType::probe, GroupId(), {}, payload},
                        SendQueue::Kind::control));
  mark_flush(link);
}

// Before it was sent, an assignment has certainly not been done; afterwards nobody knows.
void NodeServer::fail_request(LinkNumber link, const Refusal& why) {
  const auto found = requests_.find(link);
  if (found == requests_.end()) return;
  Request request = std::move(found->second);
  requests_.erase(found);
  Error error = why.reason;
  ASPEN_ASSERT(error.code != Code::ok);
  if (!request.assign.has_value()) {
    // This node itself was at the address.
    if (why.error == LinkError::self) {
      return request.probe_responder.reply(probe_reply());
    }
    if (error.code == Code::connection_lost) error.code = Code::unavailable;
    return request.probe_responder.fail(error);
  }
  if (!request.sent && outcome_unknown(error.code)) error.code = Code::unavailable;
  if (request.sent && !outcome_unknown(error.code)) error.code = Code::connection_lost;
  ASPEN_ASSERT(request.sent == outcome_unknown(error.code));
  request.assign_responder.fail(error);
}

void NodeServer::on_request_frame(Link& link, const wire::Frame& frame) {
  ASPEN_ASSERT(link.phase() == Link::Phase::serving);
  const FrameType type = frame.header.type;
  if (type == FrameType::error) return on_error_frame(link, frame);
  const bool asks = link.role() == LinkRole::dialler;
  if (!asks && type == FrameType::probe) return on_probe(link);
  if (!asks && type == FrameType::assign) return on_assign(link, frame);
  if (asks && (type == FrameType::probe_reply || type == FrameType::assign_reply)) {
    return on_reply(link, frame);
  }
  refuse_frame(link, "an unexpected frame");
}

wire::ProbeReply NodeServer::probe_reply() const {
  const LocalIdentity& own = deps_.memory.identity;
  ASPEN_ASSERT(!own.self.incarnation.empty());
  return {own.cluster, own.self, own.name, deps_.memory.client_address};
}

void NodeServer::on_probe(Link& link) {
  const std::string meta = encode(probe_reply());
  ASPEN_MAYBE(send_control(link, FrameType::probe_reply, meta));
}

void NodeServer::on_assign(Link& link, const wire::Frame& frame) {
  ASPEN_ASSERT(link.role() == LinkRole::acceptor);
  Result<wire::Assign> assign = wire::decode_assign(frame.payload);
  if (!assign) return refuse_frame(link, assign.error().what);
  const LocalIdentity& own = deps_.memory.identity;
  const bool same = own.cluster == assign->cluster && own.self == assign->self;
  LinkError error = LinkError::none;
  if (assign->self.incarnation != own.self.incarnation) {
    error = LinkError::wrong_incarnation;
  } else if (own.cluster.value != 0 && !same) {
    error = LinkError::wrong_cluster;
  } else if (!deps_.memory.assign_handler) {
    error = LinkError::shutting_down;
  }
  if (error != LinkError::none) {
    const std::string meta = encode(wire::AssignReply{error, own.self});
    ASPEN_MAYBE(send_control(link, FrameType::assign_reply, meta));
    return;
  }
  link.set_deadline(now_ + std::chrono::seconds(30));
  auto answer = actor::Responder<wire::AssignReply>::calling(
      [self = self_, number = link.number()](Result<wire::AssignReply>&& reply) {
        const wire::AssignReply refused{LinkError::shutting_down, {}};
        static_cast<void>(self.tell(AssignAnswered{number, reply ? *reply : refused}));
      });
  deps_.memory.assign_handler(*assign, std::move(answer));
}

void NodeServer::on(AssignAnswered&& message, Ctx& context) noexcept {
  now_ = context.now();
  Link* link = find_link(message.link);
  // The asking side may have given up.
  if (link == nullptr || link->phase() != Link::Phase::serving) return;
  ASPEN_ASSERT(link->role() == LinkRole::acceptor);
  ASPEN_MAYBE(send_control(*link, FrameType::assign_reply, encode(message.reply)));
}

void NodeServer::on_reply(Link& link, const wire::Frame& frame) {
  const auto found = requests_.find(link.number());
  ASPEN_ASSERT(found != requests_.end());
  Request& request = found->second;
  const bool assigns = request.assign.has_value();
  if (assigns != (frame.header.type == FrameType::assign_reply)) {
    return refuse_frame(link, "the answer to another request");
  }
  if (assigns) {
    const Result<wire::AssignReply> reply = wire::decode_assign_reply(frame.meta);
    if (!reply) return refuse_frame(link, reply.error().what);
    request.assign_responder.reply(*reply);
  } else {
    Result<wire::ProbeReply> reply = wire::decode_probe_reply(frame.meta);
    if (!reply) return refuse_frame(link, reply.error().what);
    request.probe_responder.reply(std::move(*reply));
  }
  requests_.erase(found);
  end_link(link);
}

}  // namespace aspen::cluster
