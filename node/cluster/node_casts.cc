// The hot path of NodeServer: casts out and in.
#include <string>
#include <utility>

#include "node/base/assert.h"
#include "node/cluster/node_server.h"

namespace aspen::cluster {

namespace {

constexpr std::string_view component = "cluster";
// So much is handed to the stream in the middle of a turn, so that the other side can start.
constexpr std::size_t early_flush_bytes = 512 * 1024;

}  // namespace

void NodeServer::on(Cast&& cast, Ctx& context) noexcept {
  now_ = context.now();
  send_cast(cast);
}

void NodeServer::on(Casts&& casts, Ctx& context) noexcept {
  now_ = context.now();
  ASPEN_ASSERT(casts.list.size() <= limits::link_casts_max);
  for (const Cast& cast : casts.list) send_cast(cast);
}

Link* NodeServer::route(NodeId to) noexcept {
  if (routed_link_ != nullptr && routed_id_ == to) return routed_link_;
  const Peer* peer = peers_.find(to);
  if (peer == nullptr || !peer->current.has_value()) return nullptr;
  Link* link = find_link(*peer->current);
  ASPEN_ASSERT(link != nullptr);
  if (link->phase() != Link::Phase::ready) return nullptr;
  routed_id_ = to;
  routed_link_ = link;
  return link;
}

void NodeServer::count_unsent(NodeId to) noexcept {
  Peer* peer = peers_.find(to);
  if (peer != nullptr) ++peer->casts_unsent;
}

void NodeServer::refuse_cast(const Cast& cast) {
  const auto found = metrics_.find(cast.to);
  if (found != metrics_.end()) found->second.sent_failures.add(1);
  if (deps_.memory.unsent_handler) deps_.memory.unsent_handler(cast);
}

void NodeServer::send_cast(const Cast& cast) {
  ASPEN_ASSERT(cast.payload.size() <= limits::frame_payload_bytes_max);
  Link* link = route(cast.to);
  if (link != nullptr) ASPEN_ASSERT(link->phase() == Link::Phase::ready);
  const bool to_it =
      link != nullptr && (cast.incarnation.empty() || cast.incarnation == link->peer().incarnation);
  if (!to_it) {
    count_unsent(cast.to);
    return refuse_cast(cast);
  }
  if (cast.lane == Lane::bulk) {
    ASPEN_ASSERT(cast.target.empty());
    if (!link->send_bulk({cast.type, cast.group, cast.payload})) return refuse_cast(cast);
    return mark_flush(*link);
  }
  wire::encode_cast_head({cast.type, cast.target}, head_);
  if (!link->send({wire::FrameType::cast, cast.group, head_, cast.payload},
                  SendQueue::Kind::cast)) {
    return refuse_cast(cast);  // the link has counted it
  }
  mark_flush(*link);
  if (link->queued_bytes() >= early_flush_bytes && link->wants_flush()) {
    // If it fails, the flush at the end of the turn finds out why.
    ASPEN_MAYBE(link->flush(now_));
  }
}

void NodeServer::on_cast(Link& link, const wire::Frame& frame) {
  ASPEN_ASSERT(link.phase() == Link::Phase::ready);
  const Result<wire::CastHead> head = wire::decode_cast_head(frame.meta);
  if (!head) return refuse_frame(link, head.error().what);
  if (!head->target.empty()) return on_named_cast(link, *head, frame);
  if (head->type >= handlers_.size() || !handlers_[head->type]) {
    ++casts_unhandled_;
    return;
  }
  handlers_[head->type](link.peer(), frame.header.group, frame.take_payload());
}

void NodeServer::on_bulk(Link& link, const wire::Frame& frame) {
  ASPEN_ASSERT(link.phase() == Link::Phase::ready);
  const Result<wire::BulkHead> head = wire::decode_bulk_head(frame.meta);
  if (!head) return refuse_frame(link, head.error().what);
  auto taken = link.bulk().take({*head, frame.header.group, frame.payload});
  if (!taken) return refuse_frame(link, taken.error().what);
  const std::optional<wire::BulkCredit> credit = link.bulk().credit_due();
  if (credit && send_control(link, wire::FrameType::bulk_credit, wire::encode(*credit))) {
    link.bulk().credited();
  }
  if (!taken->has_value()) return;
  BulkReader::Message& message = **taken;
  if (message.type >= handlers_.size() || !handlers_[message.type]) {
    ++casts_unhandled_;
    return;
  }
  handlers_[message.type](link.peer(), message.group, std::move(message.payload));
}

void NodeServer::on_bulk_credit(Link& link, const wire::Frame& frame) {
  ASPEN_ASSERT(link.phase() == Link::Phase::ready);
  const Result<wire::BulkCredit> credit = wire::decode_bulk_credit(frame.meta);
  if (!credit || !link.credit(*credit)) return refuse_frame(link, "a credit for nothing");
  mark_flush(link);
}

// Which names there are is this node's affair: a member of another version may know more of them.
void NodeServer::on_named_cast(Link& link, const wire::CastHead& head, const wire::Frame& frame) {
  ASPEN_ASSERT(!head.target.empty());
  ASPEN_ASSERT(registry_ != nullptr);
  const auto handler = deps_.memory.named_handlers.find(head.type);
  if (handler == deps_.memory.named_handlers.end()) {
    ++casts_unhandled_;
    return;
  }
  const Result<void> told = handler->second(
      *registry_, {link.peer(), frame.header.group, head.target, frame.take_payload()});
  if (told) return;
  ++casts_undelivered_;
  const std::string text = "a message of " + link.address() + " for the actor '" +
                           std::string(head.target) + "' was not delivered: " + told.error().what;
  if (note_stranger(text)) deps_.log.warn(component, text);
}

}  // namespace aspen::cluster
