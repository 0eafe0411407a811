#include "node/cluster/node_server.h"

#include <algorithm>
#include <utility>

#include "node/actor/system.h"
#include "node/base/assert.h"

namespace aspen::cluster {

namespace {

constexpr Duration repeat_log_after = std::chrono::minutes(1);
constexpr std::string_view component = "cluster";

}  // namespace

NodeServer::NodeServer(NodeServerDeps deps, NodeServerOptions options)
    : deps_(deps), options_(std::move(options)), peers_(options_.backoff, Prng(0)) {
  ASPEN_ASSERT(options_.tick_interval > Duration::zero());
  ASPEN_ASSERT(options_.timing.silence_max >= 2 * options_.timing.heartbeat_interval);
}

Result<void> NodeServer::pre_start(Ctx& context) noexcept {
  now_ = last_tick_ = context.now();
  self_ = context.self();
  registry_ = &context.registry();
  peers_ = PeerTable(options_.backoff, context.prng().split("peers"));
  for (const auto& [type, handler] : deps_.memory.handlers) handlers_[type] = handler;
  Result<std::unique_ptr<Listener>> listener =
      deps_.transport.listen(options_.listen_address, *this);
  if (!listener) {
    deps_.log.error(component, "cannot listen for peers",
                    {{"address", options_.listen_address}, {"error", listener.error()}});
    return tl::unexpected(listener.error());
  }
  listener_ = std::move(*listener);
  ASPEN_ASSERT(links_.empty());
  static_cast<void>(peers_.set_members(deps_.memory.members, deps_.memory.identity.self.id, now_));
  name_metrics(deps_.memory.members);
  tick_ = context.every(options_.tick_interval, Tick{});
  dial_members();
  tell_self();
  return {};
}

void NodeServer::post_stop(Ctx& context) noexcept {
  now_ = context.now();
  while (!requests_.empty()) {
    fail_request(requests_.begin()->first, {wire::LinkError::shutting_down,
                                            Refusal::By::us,
                                            wire::to_error(wire::LinkError::shutting_down),
                                            {}});
  }
  for (const auto& [number, link] : links_) {
    if (link->phase() != Link::Phase::ready) continue;
    link->close({wire::LinkError::shutting_down, 0, deps_.memory.identity.self.incarnation}, now_);
    // One attempt: a peer that does not read learns it from the closed stream.
    ASPEN_MAYBE(link->flush(now_));
  }
  listener_.reset();
}

void NodeServer::batch_end(Ctx& context) noexcept {
  now_ = context.now();
  serve_accepted();
  serve_readable();
  flush_links();
  if (gone_links_) sweep();
  ASPEN_ASSERT(links_.size() <=
               limits::members_max * 2 + limits::links_pending_max * 2 + limits::node_requests_max);
}

void NodeServer::sweep() {
  gone_links_ = false;
  const auto gone = [](const Link* link) { return link->phase() == Link::Phase::gone; };
  std::erase_if(to_read_, gone);
  std::erase_if(to_flush_, gone);
  std::erase_if(links_, [&gone](const auto& entry) { return gone(entry.second.get()); });
}

// A message to itself makes a turn, at whose end the work is done. If the mailbox is full, there
// are turns anyway.
void NodeServer::tell_self() {
  if (readable_told_) return;
  readable_told_ = self_.tell(Readable{}).has_value();
}

void NodeServer::on(SetIdentity&& message, Ctx& context) noexcept {
  now_ = context.now();
  LocalIdentity& own = deps_.memory.identity;
  ASPEN_ASSERT(message.identity.cluster.value != 0);
  ASPEN_ASSERT(own.cluster.value == 0 || own.cluster == message.identity.cluster);
  ASPEN_ASSERT(own.self.id.value == 0 || own.self.id == message.identity.self.id);
  own = std::move(message.identity);
  const Config members = deps_.memory.members;
  on(SetMembers{members}, context);
}

void NodeServer::on(SetMembers&& message, Ctx& context) noexcept {
  now_ = context.now();
  ASPEN_ASSERT(message.config.members.size() <= limits::members_max);
  // Links to members that are gone are closed while the table still knows them.
  PeerTable next = peers_;
  const NodeId self = deps_.memory.identity.self.id;
  const std::vector<LinkNumber> dropped = next.set_members(message.config, self, now_);
  for (const LinkNumber number : dropped) {
    Link* link = find_link(number);
    if (link == nullptr) continue;
    drop_link(*link, {wire::LinkError::unknown_member, Refusal::By::us,
                      wire::to_error(wire::LinkError::unknown_member),
                      "the membership changed: " + to_hex(link->member.value) + " at " +
                          link->address() + " is no longer a member"});
  }
  deps_.memory.members = std::move(message.config);
  static_cast<void>(peers_.set_members(deps_.memory.members, self, now_));
  name_metrics(deps_.memory.members);
  dial_members();
}

void NodeServer::name_metrics(const Config& members) {
  for (const Member& member : members.members) {
    const NodeId id = member.peer.id;
    if (id == deps_.memory.identity.self.id || metrics_.count(id) > 0) continue;
    const std::vector<std::pair<std::string, std::string>> peer{{"peer", member.name}};
    metrics_.emplace(
        id, PeerMetrics{deps_.telemetry.histogram({"aspen_peer_round_trip_seconds",
                                                   "Round trips of heartbeats to a peer.", peer},
                                                  Buckets::disk_seconds),
                        deps_.telemetry.counter({"aspen_peer_sent_failures_total",
                                                 "Messages to a peer that were not sent: no link, "
                                                 "or its queue was full.",
                                                 peer})});
  }
}

void NodeServer::on(SetCastHandler&& message, Ctx&) noexcept {
  ASPEN_ASSERT(message.type < limits::cast_handlers_max);
  handlers_[message.type] = message.handler;
  deps_.memory.handlers[message.type] = std::move(message.handler);
}

void NodeServer::on(SetAssignHandler&& message, Ctx&) noexcept {
  deps_.memory.assign_handler = std::move(message.handler);
}

void NodeServer::on(Subscribe&& message, Ctx&) noexcept {
  if (deps_.memory.subscribers.size() >= limits::node_subscribers_max) {
    deps_.log.error(component, "too many subscribers to node events: one is left out");
    return;
  }
  deps_.memory.subscribers.push_back(std::move(message.subscriber));
}

void NodeServer::on(GetStatus&&, actor::Responder<NodeStatus>&& responder, Ctx&) noexcept {
  NodeStatus status;
  if (listener_ != nullptr) status.listen_address = listener_->address();
  for (const auto& [id, peer] : peers_.all()) {
    PeerStatus one;
    one.id = id;
    one.name = peer.member.name;
    one.address = peer.member.peer_address;
    one.epoch = peer.epoch;
    LinkFigures figures = peer.figures;
    const Link* link = peer.current.has_value() ? find_link(*peer.current) : nullptr;
    if (link != nullptr) {
      figures.add(link->figures());
      one.queued_bytes = link->queued_bytes();
    }
    if (link != nullptr && link->phase() == Link::Phase::ready) {
      one.state = PeerStatus::State::ready;
      one.round_trip = link->figures().round_trip;
    } else {
      one.state = peer.dialled.has_value() || link != nullptr ? PeerStatus::State::dialling
                                                              : PeerStatus::State::waiting;
      one.last_error = peer.last_error;
    }
    one.frames_in = figures.frames_in;
    one.frames_out = figures.frames_out;
    one.bytes_in = figures.bytes_in;
    one.bytes_out = figures.bytes_out;
    one.casts_unsent = peer.casts_unsent + figures.casts_refused;
    status.peers.push_back(std::move(one));
  }
  ASPEN_ASSERT(status.peers.size() == peers_.all().size());
  for (const Stranger& stranger : strangers_) status.refusals.push_back(stranger.text);
  status.casts_unhandled = casts_unhandled_;
  status.casts_undelivered = casts_undelivered_;
  status.streams_turned_away = streams_turned_away_;
  responder.reply(std::move(status));
}

void NodeServer::on(Tick&&, Ctx& context) noexcept {
  now_ = context.now();
  // A node that was stopped itself has heard nothing, whatever the others have sent meanwhile.
  const Duration away = now_ - last_tick_ - options_.tick_interval;
  last_tick_ = now_;
  if (away > options_.timing.silence_max / 2) {
    for (const auto& [number, link] : links_) link->excuse(away);
    deps_.log.warn(component, "this node was not running for a while",
                   {{"ms", static_cast<std::uint64_t>(away.count() / 1'000'000)}});
  }
  check_links();
  check_requests();
  dial_members();
}

void NodeServer::check_links() {
  for (const auto& [number, link] : links_) {
    if (link->phase() != Link::Phase::gone) check_link(*link);
  }
}

void NodeServer::check_link(Link& link) {
  ASPEN_ASSERT(link.phase() != Link::Phase::gone);
  if (link.phase() == Link::Phase::ready) {
    if (!link.silent(now_, options_.timing)) {
      link.beat(now_, options_.timing);
      mark_flush(link);
      return;
    }
  } else if (!link.overdue(now_)) {
    return;
  }
  if (link.phase() == Link::Phase::closing) return end_link(link);
  if (link.phase() == Link::Phase::greeting) {
    std::string out;
    link.handshake().expire(out);
    link.send_encoded(out);
    return after_handshake(link);
  }
  const std::string what =
      link.phase() == Link::Phase::ready ? " went silent" : " did not go on in time";
  refuse_link(link, {wire::LinkError::timed_out, Refusal::By::us,
                     wire::to_error(wire::LinkError::timed_out), link.address() + what});
}

void NodeServer::check_requests() {
  std::vector<LinkNumber> late;
  for (const auto& [number, request] : requests_) {
    if (now_ >= request.deadline) late.push_back(number);
  }
  for (const LinkNumber number : late) {
    Link* link = find_link(number);
    ASPEN_ASSERT(link != nullptr);
    refuse_link(*link, {wire::LinkError::timed_out, Refusal::By::us,
                        Error{Code::timed_out, "the node did not answer in time", 0},
                        link->address() + " did not answer a request in time"});
  }
}

void NodeServer::dial_members() {
  if (deps_.memory.identity.cluster.value == 0) return;
  for (const NodeId id : peers_.due(now_)) {
    Peer* peer = peers_.find(id);
    ASPEN_ASSERT(peer != nullptr);
    const Result<LinkNumber> link = dial({peer->member.peer_address, wire::LinkUse::member, id});
    if (link) {
      peers_.dial_started(id, *link);
    } else {
      peers_.dial_failed(id, now_);
      report({wire::LinkError::malformed, Refusal::By::us, link.error(),
              "cannot dial " + peer->member.peer_address + ": " + link.error().what},
             id);
    }
  }
}

void NodeServer::emit(NodeEvent event) {
  ASPEN_ASSERT(deps_.memory.subscribers.size() <= limits::node_subscribers_max);
  for (const NodeSubscriber& subscriber : deps_.memory.subscribers) subscriber(event);
}

// Keeps the text among the last ones. False if it is not worth a line in the log: it was said a
// short while ago, or others are too many.
bool NodeServer::note_stranger(const std::string& text) {
  ASPEN_ASSERT(!text.empty());
  const auto same = std::find_if(strangers_.begin(), strangers_.end(),
                                 [&text](const Stranger& one) { return one.text == text; });
  const bool repeated = same != strangers_.end() && now_ - same->logged < repeat_log_after;
  if (repeated) return false;
  if (same != strangers_.end()) strangers_.erase(same);
  if (strangers_.size() >= limits::strangers_max) strangers_.pop_front();
  strangers_.push_back({text, now_});
  ASPEN_ASSERT(strangers_.size() <= limits::strangers_max);
  if (now_ - stranger_minute_ >= repeat_log_after) {
    stranger_minute_ = now_;
    strangers_logged_ = 0;
  }
  return ++strangers_logged_ <= limits::strangers_max;
}

// A member's state is logged when it changes and once in a while; strangers cannot fill the log.
void NodeServer::report(const Refusal& refusal, NodeId member) {
  // What ends a link in the course of things has no text and is no news.
  if (refusal.text.empty() || refusal.error == wire::LinkError::duplicate) return;
  NodeEvent event{.kind = NodeEvent::Kind::refused,
                  .peer = {member, {}},
                  .epoch = 0,
                  .address = {},
                  .error = refusal.error,
                  .text = refusal.text,
                  .about_self = refusal.about == Refusal::About::self};
  emit(std::move(event));
  Peer* peer = member.value == 0 ? nullptr : peers_.find(member);
  if (peer != nullptr) {
    const bool news =
        peer->last_error != refusal.text || now_ - peer->last_error_logged >= repeat_log_after;
    peer->last_error = refusal.text;
    if (!news) return;
    peer->last_error_logged = now_;
    deps_.log.warn(component, refusal.text, {{"peer", member}, {"error", refusal.reason}});
    return;
  }
  if (!note_stranger(refusal.text)) return;
  deps_.log.warn(component, refusal.text, {{"error", refusal.reason}});
}

}  // namespace aspen::cluster
