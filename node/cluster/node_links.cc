// NodeServer's streams and links: from an accepted or dialled stream to a ready link, and its end.
#include <algorithm>
#include <utility>

#include "node/base/assert.h"
#include "node/cluster/node_server.h"

namespace aspen::cluster {

namespace {

using wire::FrameType;
using wire::LinkError;
using wire::LinkUse;

constexpr std::string_view component = "cluster";

Refusal routine_end(LinkError error) {
  return {error, Refusal::By::us, wire::to_error(error), {}};
}

std::string text_of(const Error& error) {
  std::string text = error.what;
  if (error.detail != 0) text += " (" + std::to_string(error.detail) + ")";
  return text;
}

}  // namespace

// ---- streams

Link& NodeServer::add_link(std::unique_ptr<Stream> stream, HandshakeSetup setup) {
  ASPEN_ASSERT(stream != nullptr);
  deps_.entropy.fill(std::as_writable_bytes(std::span(setup.nonce)));
  const LinkNumber number = next_link_++;
  const HandshakeWorld world{deps_.memory.identity, deps_.memory.members, deps_.authenticator,
                             stream.get()};
  const std::string address = setup.address;
  auto link = std::make_unique<Link>(
      Link::Start{number, std::move(stream), Handshake(world, std::move(setup)), now_}, *this);
  Link& added = *link;
  added.set_deadline(now_ + options_.handshake_timeout);
  links_.emplace(number, std::move(link));
  NodeEvent event;
  event.kind = NodeEvent::Kind::opened;
  event.address = address;
  emit(std::move(event));
  mark_flush(added);
  return added;
}

Result<LinkNumber> NodeServer::dial(const Dial& dial) {
  if (dial.use == LinkUse::member) ASPEN_ASSERT(dial.expected.value != 0);
  Result<std::unique_ptr<Stream>> stream = deps_.transport.connect(dial.address);
  if (!stream) return tl::unexpected(stream.error());
  Link& link =
      add_link(std::move(*stream), {LinkRole::dialler, dial.use, dial.expected, dial.address, {}});
  link.member = dial.expected;
  return link.number();
}

void NodeServer::on_accept(std::unique_ptr<Stream> stream) {
  if (accepted_.size() >= limits::links_pending_max) {
    ++streams_turned_away_;
    return;
  }
  accepted_.push_back(std::move(stream));
  tell_self();
}

void NodeServer::serve_accepted() {
  for (std::unique_ptr<Stream>& stream : std::exchange(accepted_, {})) {
    make_room_for_stranger();
    // Without the port, which is another one each time: the same text is logged once.
    std::string address = stream->peer_address();
    address.resize(std::min(address.rfind(':'), address.size()));
    add_link(std::move(stream),
             {LinkRole::acceptor, LinkUse::member, NodeId(), std::move(address), {}});
  }
}

// Those who connect and say nothing give way to newer ones: a real peer is done in milliseconds.
void NodeServer::make_room_for_stranger() {
  std::size_t pending = 0;
  Link* oldest = nullptr;
  for (const auto& [number, link] : links_) {
    const Link::Phase phase = link->phase();
    if (link->role() != LinkRole::acceptor || phase == Link::Phase::ready ||
        phase == Link::Phase::gone) {
      continue;
    }
    ++pending;
    if (oldest == nullptr) oldest = link.get();
  }
  if (pending < limits::links_pending_max) return;
  ASPEN_ASSERT(oldest != nullptr);
  ++streams_turned_away_;
  drop_link(*oldest, {LinkError::none, Refusal::By::us, wire::to_error(LinkError::overloaded), {}});
  // Its place is needed now.
  end_link(*oldest);
}

void NodeServer::on_link_ready(Link& link) {
  link.unblock();
  if (!link.listed_to_read) {
    link.listed_to_read = true;
    to_read_.push_back(&link);
  }
  tell_self();
}

void NodeServer::serve_readable() {
  for (Link* link : std::exchange(to_read_, {})) {
    link->listed_to_read = false;
    if (link->phase() == Link::Phase::gone) continue;
    read_link(*link);
  }
}

void NodeServer::read_link(Link& link) {
  const Link::Read read = link.read(now_);
  if (link.phase() == Link::Phase::gone) return;
  mark_flush(link);
  switch (read) {
    case Link::Read::drained:
    case Link::Read::over:
      return;
    case Link::Read::more:
      on_link_ready(link);
      return;
    case Link::Read::failed:
      on_stream_failed(link);
      return;
  }
}

void NodeServer::on_stream_failed(Link& link) {
  ASPEN_ASSERT(link.error().code != Code::ok);
  const Error error = link.error();
  // Why it closes has been said; what follows is its end, or more of the same nonsense.
  if (link.phase() == Link::Phase::closing) return end_link(link);
  const bool greeting = link.phase() == Link::Phase::greeting;
  if (link.malformed() && greeting) {
    std::string out;
    link.handshake().on_malformed(error, out);
    link.send_encoded(out);
    return after_handshake(link);
  }
  if (link.malformed()) return refuse_frame(link, error.what);
  Refusal refusal{LinkError::none, Refusal::By::peer, error,
                  link.address() + ": " + text_of(error)};
  // A stranger that comes and goes without a word, such as a port check, is no news; one whose
  // certificate was refused is.
  const bool silent = greeting && error.code != Code::unauthenticated;
  if (silent && link.role() == LinkRole::acceptor) refusal.text.clear();
  refuse_link(link, refusal);
  end_link(link);
}

void NodeServer::mark_flush(Link& link) {
  if (link.listed_to_flush || !link.wants_flush()) return;
  link.listed_to_flush = true;
  to_flush_.push_back(&link);
}

void NodeServer::flush_links() {
  // Reading may give rise to answers; more rounds than that only come from streams that break.
  for (int round = 0; round < 3 && !to_flush_.empty(); ++round) {
    for (Link* link : std::exchange(to_flush_, {})) {
      link->listed_to_flush = false;
      if (link->phase() == Link::Phase::gone || !link->wants_flush()) continue;
      if (link->flush(now_)) continue;
      // What the other side said before it closed is still to be read; that finds the end too.
      read_link(*link);
    }
  }
}

// ---- frames

void NodeServer::on_frame(Link& link, wire::Frame& frame) {
  switch (link.phase()) {
    case Link::Phase::greeting:
      return on_greeting(link, frame);
    case Link::Phase::serving:
      return on_request_frame(link, frame);
    case Link::Phase::closing:
      if (frame.header.type == FrameType::error) on_error_frame(link, frame);
      return;
    case Link::Phase::gone:
      return;
    case Link::Phase::proven:
    case Link::Phase::ready:
      break;
  }
  const bool ready = link.phase() == Link::Phase::ready;
  const FrameType type = frame.header.type;
  if (ready && type == FrameType::cast) return on_cast(link, frame);
  if (ready && type == FrameType::bulk) return on_bulk(link, frame);
  if (ready && type == FrameType::bulk_credit) return on_bulk_credit(link, frame);
  if (ready && (type == FrameType::ping || type == FrameType::pong)) {
    return on_heartbeat(link, frame);
  }
  if (!ready && type == FrameType::admitted) return on_admitted(link);
  if (type == FrameType::error) return on_error_frame(link, frame);
  refuse_frame(link, "an unexpected frame");
}

void NodeServer::refuse_frame(Link& link, const char* what) {
  ASPEN_ASSERT(link.phase() != Link::Phase::gone);
  refuse_link(link, {LinkError::malformed, Refusal::By::us, wire::to_error(LinkError::malformed),
                     link.address() + " sent nonsense: " + what + "; the link is closed"});
}

bool NodeServer::send_control(Link& link, FrameType type, std::string_view meta) {
  const bool sent = link.send({type, GroupId(), meta, Bytes()}, SendQueue::Kind::control);
  mark_flush(link);
  return sent;
}

void NodeServer::on_heartbeat(Link& link, const wire::Frame& frame) {
  ASPEN_ASSERT(link.phase() == Link::Phase::ready);
  const Result<wire::Heartbeat> heartbeat = wire::decode_heartbeat(frame.meta);
  if (!heartbeat) return refuse_frame(link, heartbeat.error().what);
  if (frame.header.type == FrameType::pong) return on_pong(link, *heartbeat);
  // Who floods with pings and does not read gets no more answers.
  ASPEN_MAYBE(send_control(link, FrameType::pong, frame.meta));
}

void NodeServer::on_pong(Link& link, const wire::Heartbeat& heartbeat) {
  const std::optional<Duration> took = link.on_pong(heartbeat, now_);
  const auto found = metrics_.find(link.member);
  if (!took.has_value() || found == metrics_.end()) return;
  found->second.round_trip_seconds.observe(std::chrono::duration<double>(*took).count());
}

void NodeServer::on_error_frame(Link& link, const wire::Frame& frame) {
  const Result<wire::ErrorFrame> error = wire::decode_error(frame.meta);
  if (!error) return refuse_frame(link, error.error().what);
  Refusal refusal = refusal_of(*error, link.address(), deps_.memory.members.find(link.member));
  // A stranger has nothing to say about this node's identity.
  if (!link.handshake().peer_proved()) refusal.about = Refusal::About::peer;
  // An emptied node does not know yet why it is refused; nobody else hears an answer to an error.
  const bool lost =
      refusal.error == LinkError::wrong_incarnation && error->error == LinkError::uninitialised;
  refuse_link(link, refusal);
  if (!lost) end_link(link);
}

void NodeServer::on_greeting(Link& link, wire::Frame& frame) {
  std::string out;
  link.handshake().on_frame(frame, out);
  link.send_encoded(out);
  mark_flush(link);
  if (link.handshake().over()) after_handshake(link);
}

// ---- admission

void NodeServer::after_handshake(Link& link) {
  ASPEN_ASSERT(link.phase() == Link::Phase::greeting);
  ASPEN_ASSERT(link.handshake().over());
  mark_flush(link);
  if (link.handshake().phase() == Handshake::Phase::refused) {
    const Refusal refusal = link.handshake().refusal();
    refuse_link(link, refusal);
    if (refusal.by == Refusal::By::peer) end_link(link);
    return;
  }
  link.set_proven();
  NodeEvent event;
  event.kind = NodeEvent::Kind::authenticated;
  event.peer = link.peer();
  event.address = link.address();
  emit(std::move(event));
  if (link.use() == LinkUse::request) return request_proven(link);
  link.member = link.peer().id;
  on_proven_member(link);
}

void NodeServer::on_proven_member(Link& link) {
  ASPEN_ASSERT(link.phase() == Link::Phase::proven);
  ASPEN_ASSERT(peers_.find(link.member) != nullptr);
  if (deps_.memory.identity.self.id < link.member) return;  // the arbiter speaks first
  const PeerTable::Verdict verdict = peers_.on_proven(link.member, link.number());
  if (!verdict.admit) return drop_link(link, routine_end(LinkError::duplicate));
  for (const std::optional<LinkNumber>& dropped : {verdict.drop, verdict.drop_dial}) {
    Link* other = dropped.has_value() ? find_link(*dropped) : nullptr;
    if (other != nullptr) drop_link(*other, routine_end(LinkError::duplicate));
  }
  ASPEN_MAYBE(send_control(link, FrameType::admitted, {}));
}

void NodeServer::on_admitted(Link& link) {
  ASPEN_ASSERT(link.phase() == Link::Phase::proven);
  Peer* peer = peers_.find(link.member);
  if (peer == nullptr) return refuse_frame(link, "an unexpected admission");
  const Incarnation& bound = peer->member.peer.incarnation;
  if (!bound.empty() && bound != link.peer().incarnation) {
    return refuse_frame(link, "the member got another data directory meanwhile");
  }
  if (deps_.memory.identity.self.id > link.member) {
    if (peer->current != link.number()) return refuse_frame(link, "an unexpected admission");
    peers_.on_confirmed(link.member, link.number(), next_link_);
    return make_ready(link);
  }
  const std::optional<LinkNumber> replaced =
      peers_.on_admitted(link.member, link.number(), next_link_);
  Link* old = replaced.has_value() ? find_link(*replaced) : nullptr;
  if (old != nullptr) drop_link(*old, routine_end(LinkError::duplicate));
  // A dial that has not proved itself yet cannot be the arbiter's choice: it is not needed.
  Link* dialled = peer->dialled.has_value() ? find_link(*peer->dialled) : nullptr;
  if (dialled != nullptr && dialled != &link && dialled->phase() == Link::Phase::greeting &&
      dialled->handshake().phase() == Handshake::Phase::hello) {
    drop_link(*dialled, routine_end(LinkError::duplicate));
  }
  ASPEN_MAYBE(send_control(link, FrameType::admitted, {}));
  make_ready(link);
}

void NodeServer::make_ready(Link& link) {
  Peer* peer = peers_.find(link.member);
  ASPEN_ASSERT(peer != nullptr);
  ASPEN_ASSERT(peer->current == link.number());
  if (peer->dialled == link.number()) peer->dialled.reset();
  link.set_ready(now_);
  forget_route();
  peer->last_error.clear();
  deps_.log.info(component, "linked with a member",
                 {{"peer", link.member},
                  {"name", peer->member.name},
                  {"address", link.address()},
                  {"epoch", peer->epoch}});
  emit({NodeEvent::Kind::ready, link.peer(), peer->epoch, link.address(), LinkError::none, {}});
}

// ---- the end

Link* NodeServer::find_link(LinkNumber number) noexcept {
  const auto found = links_.find(number);
  if (found == links_.end() || found->second->phase() == Link::Phase::gone) return nullptr;
  return found->second.get();
}

// Drops a link for a reason that people should hear of.
void NodeServer::refuse_link(Link& link, const Refusal& why) {
  // A ready link that is lost is told about by drop_link().
  if (link.phase() != Link::Phase::ready) report(why, link.member);
  drop_link(link, why);
}

void NodeServer::end_link(Link& link) noexcept {
  ASPEN_ASSERT(requests_.find(link.number()) == requests_.end());
  if (link.phase() == Link::Phase::gone) return;
  link.end();
  gone_links_ = true;
}

// Takes the link out of everything that counts on it. If we have a reason the other side is told,
// and the stream stays a little for that; otherwise the caller may end it at once.
void NodeServer::drop_link(Link& link, const Refusal& why) {
  if (link.phase() == Link::Phase::gone || link.phase() == Link::Phase::closing) return;
  const bool was_ready = link.phase() == Link::Phase::ready;
  // A handshake that refuses has said so itself.
  const bool told = link.phase() == Link::Phase::greeting && link.handshake().over();
  forget_route();
  fail_request(link.number(), why);
  Peer* peer = link.member.value == 0 ? nullptr : peers_.find(link.member);
  if (peer != nullptr) {
    const std::uint64_t epoch = peer->epoch;
    peer->figures.add(link.figures());
    const bool duplicate = why.error == LinkError::duplicate;
    peers_.on_closed(link.member, link.number(),
                     duplicate ? PeerTable::How::duplicate : PeerTable::How::failed, now_);
    if (was_ready) {
      if (!why.text.empty()) peer->last_error = why.text;
      deps_.log.warn(component, "lost the link with a member",
                     {{"peer", link.member}, {"name", peer->member.name}, {"why", why.text}});
      emit(
          {NodeEvent::Kind::disconnected, link.peer(), epoch, link.address(), why.error, why.text});
    }
  }
  link.close({told ? LinkError::none : why.error, why.reason.detail,
              deps_.memory.identity.self.incarnation},
             now_);
  mark_flush(link);
  bound_farewells();
}

// Whom this node dials decides how soon it dials again, and others decide when they close: a stream
// that only says farewell gives way. The oldest has had the most time for it.
void NodeServer::bound_farewells() {
  std::size_t closing = 0;
  Link* oldest = nullptr;
  for (const auto& [number, link] : links_) {
    if (link->role() != LinkRole::dialler || link->phase() != Link::Phase::closing) continue;
    if (closing++ == 0) oldest = link.get();
  }
  ASPEN_ASSERT(closing <= limits::links_pending_max + 1);
  if (closing > limits::links_pending_max) end_link(*oldest);
}

}  // namespace aspen::cluster
