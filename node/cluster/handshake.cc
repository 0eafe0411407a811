#include "node/cluster/handshake.h"

#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"

namespace aspen::cluster {

namespace {

using wire::FrameType;
using wire::LinkError;
using wire::LinkUse;

// Neither is a prefix of the other, and both have a fixed length: the role cannot be shifted into
// the transcript.
constexpr std::string_view dialler_label = "aspen link 1 dialler ";
constexpr std::string_view acceptor_label = "aspen link 1 acceptor";
static_assert(dialler_label.size() == acceptor_label.size());

void append_frame(FrameType type, std::string_view meta, std::string& out) {
  ASPEN_ASSERT(!meta.empty());
  wire::encode_frame_head({.type = type, .group = GroupId(), .meta = meta, .payload = {}}, out);
}

std::string member_text(const Member& member) {
  const std::string id = to_hex(member.peer.id.value);
  return member.name.empty() ? id : member.name + " (" + id + ")";
}

Refusal refused(LinkError error, NodeId about, std::string text) {
  ASPEN_ASSERT(error != LinkError::none);
  ASPEN_ASSERT(!text.empty());
  return {error, Refusal::By::us, wire::to_error(error, about.value), std::move(text)};
}

Refusal identity_lost(const Member& member, const std::string& address) {
  ASPEN_ASSERT(!member.peer.incarnation.empty());
  return refused(LinkError::wrong_incarnation, member.peer.id,
                 "the identity of member " + member_text(member) + " is lost: " + address +
                     " has another data directory: replace this member");
}

// Of "host:port" and "[::1]:port".
std::string_view host_of(std::string_view address) {
  address = address.substr(0, address.rfind(':'));
  if (address.starts_with('[') && address.ends_with(']')) {
    address = address.substr(1, address.size() - 2);
  }
  return address;
}

bool other_name(const Member& member, const wire::Hello& peer) {
  return !member.name.empty() && !peer.name.empty() && member.name != peer.name;
}

}  // namespace

void append_error_frame(LinkError error, std::uint64_t detail, const Incarnation& self,
                        std::string& out) {
  ASPEN_ASSERT(error != LinkError::none);
  append_frame(FrameType::error, encode(wire::ErrorFrame{error, detail, self}), out);
}

Refusal refusal_of(const wire::ErrorFrame& frame, const std::string& address,
                   const Member* expected) {
  ASPEN_ASSERT(frame.error != LinkError::none);
  Refusal refusal{frame.error, Refusal::By::peer, wire::to_error(frame.error, frame.detail), {}};
  if (frame.error == LinkError::uninitialised && expected != nullptr &&
      !expected->peer.incarnation.empty() && frame.incarnation != expected->peer.incarnation) {
    refusal = identity_lost(*expected, address);
    refusal.by = Refusal::By::peer;
  } else if (frame.error == LinkError::wrong_incarnation) {
    refusal.text = "a peer at " + address + " refuses this node as member " + to_hex(frame.detail) +
                   ": its identity is lost, replace this member";
    refusal.about = Refusal::About::self;
  } else if (frame.error == LinkError::wrong_member) {
    refusal.text = "a peer at " + address + " expects member " + to_hex(frame.detail) +
                   " here: the data directory or the address is another member's: its identity is "
                   "lost, replace this member";
    refusal.about = Refusal::About::self;
  } else if (frame.error == LinkError::wrong_cluster) {
    refusal.text = "the peer at " + address +
                   " is of another cluster: if its address is right, the data directory of this "
                   "node is another cluster's: its identity is lost, replace this member";
    refusal.about = Refusal::About::self;
  } else {
    refusal.text = "the peer at " + address + " refuses: " + refusal.reason.what;
  }
  ASPEN_ASSERT(!refusal.text.empty());
  return refusal;
}

Handshake::Handshake(HandshakeWorld world, HandshakeSetup setup)
    : world_(world), setup_(std::move(setup)) {
  ASPEN_ASSERT(!world_.self.self.incarnation.empty());
  ASPEN_ASSERT((world_.self.cluster.value == 0) == (world_.self.self.id.value == 0));
  if (setup_.role == LinkRole::dialler && setup_.use == LinkUse::member) {
    ASPEN_ASSERT(setup_.expected.value != 0);
    ASPEN_ASSERT(world_.self.cluster.value != 0);
  }
}

void Handshake::start(std::string& out) {
  ASPEN_ASSERT(setup_.role == LinkRole::dialler);
  ASPEN_ASSERT(transcript_.empty());
  send_hello(out);
}

void Handshake::send_hello(std::string& out) {
  wire::Hello hello;
  hello.use = setup_.use;
  hello.self = world_.self.self;
  hello.nonce = setup_.nonce;
  hello.name = world_.self.name;
  hello.cluster = world_.self.cluster;
  // A node without a cluster only listens to those who claim none, so a request claims none.
  if (setup_.role == LinkRole::dialler && setup_.use == LinkUse::request) {
    hello.cluster = ClusterId();
    hello.self.id = NodeId();
  }
  const std::size_t from = out.size();
  append_frame(FrameType::hello, encode(hello), out);
  transcript_.append(out, from, out.size() - from);
  ASPEN_ASSERT(transcript_.size() <= 2 * (wire::frame_header_bytes + limits::frame_meta_bytes_max));
}

Digest Handshake::digest(LinkRole sender) const {
  ASPEN_ASSERT(peer_.has_value());
  std::string message(sender == LinkRole::dialler ? dialler_label : acceptor_label);
  message += transcript_;
  if (const StreamIdentity* proved = identity(); proved != nullptr) message += proved->binding();
  return world_.authenticator.mac(message);
}

const StreamIdentity* Handshake::identity() const {
  return world_.stream == nullptr ? nullptr : world_.stream->identity();
}

void Handshake::send_proof(std::string& out) {
  append_frame(FrameType::proof, encode(wire::Proof{digest(setup_.role)}), out);
}

void Handshake::refuse(Refusal refusal, std::string& out) {
  ASPEN_ASSERT(!over());
  ASPEN_ASSERT(refusal.error != LinkError::none);
  append_error_frame(refusal.error, refusal.reason.detail, world_.self.self.incarnation, out);
  refusal_ = std::move(refusal);
  phase_ = Phase::refused;
}

void Handshake::on_frame(const wire::Frame& frame, std::string& out) {
  ASPEN_ASSERT(!over());
  ASPEN_MAYBE(frame.payload.empty());
  const FrameType type = frame.header.type;
  if (type == FrameType::error) return on_error(frame);
  if (type == FrameType::hello && phase_ == Phase::hello && frame.payload.empty()) {
    return on_hello(frame, out);
  }
  if (type == FrameType::proof && phase_ == Phase::proof) return on_proof(frame, out);
  refuse(refused(LinkError::malformed, NodeId(),
                 "an unexpected frame during the handshake with " + setup_.address),
         out);
  ASPEN_ASSERT(over());
}

void Handshake::on_malformed(const Error& error, std::string& out) {
  ASPEN_ASSERT(!over());
  ASPEN_ASSERT(error.code != Code::ok);
  const LinkError told =
      error.code == Code::unsupported ? LinkError::newer_format : LinkError::malformed;
  refuse(refused(told, NodeId(), setup_.address + " does not speak this protocol: " + error.what),
         out);
}

void Handshake::expire(std::string& out) {
  ASPEN_ASSERT(!over());
  refuse(refused(LinkError::timed_out, setup_.expected,
                 setup_.address + " did not finish the handshake in time"),
         out);
  ASPEN_ASSERT(over());
}

void Handshake::on_error(const wire::Frame& frame) {
  ASPEN_ASSERT(!over());
  const Result<wire::ErrorFrame> error = wire::decode_error(frame.meta);
  const Incarnation& own = world_.self.self.incarnation;
  if (error && error->error == LinkError::self && error->incarnation != own) {
    refusal_ =
        refused(LinkError::malformed, NodeId(), setup_.address + " takes this node for itself");
  } else if (error) {
    const Member* expected = world_.members.find(setup_.expected);
    refusal_ = refusal_of(*error, setup_.address, expected);
    // Before its proof the other side may be anybody.
    refusal_.about = Refusal::About::peer;
  } else {
    refusal_ = refused(LinkError::malformed, NodeId(), setup_.address + ": " + error.error().what);
  }
  // Nothing is answered: an answer to an error could be answered again.
  phase_ = Phase::refused;
  ASPEN_ASSERT(refusal_.error != LinkError::none);
}

void Handshake::on_hello(const wire::Frame& frame, std::string& out) {
  ASPEN_ASSERT(phase_ == Phase::hello);
  ASPEN_ASSERT(!peer_.has_value());
  Result<wire::Hello> hello = wire::decode_hello(frame.meta);
  if (!hello) {
    return refuse(
        refused(LinkError::malformed, NodeId(), setup_.address + ": " + hello.error().what), out);
  }
  if (hello->format_min > wire::frame_format) {
    return refuse(refused(LinkError::newer_format, NodeId(),
                          setup_.address + " only speaks format " +
                              std::to_string(hello->format_min) + " and newer: upgrade this node"),
                  out);
  }
  // Also what an echo of our own hello looks like: no proof is made for it.
  if (hello->self.incarnation == world_.self.self.incarnation) {
    return refuse(refused(LinkError::self, hello->self.id,
                          setup_.address + " is this node itself: check the addresses"),
                  out);
  }
  peer_ = std::move(*hello);
  transcript_ += frame.whole;
  if (setup_.role == LinkRole::dialler) {
    send_proof(out);
  } else {
    setup_.use = peer_->use;
    send_hello(out);
  }
  phase_ = Phase::proof;
}

void Handshake::on_proof(const wire::Frame& frame, std::string& out) {
  ASPEN_ASSERT(phase_ == Phase::proof);
  ASPEN_ASSERT(peer_.has_value());
  const LinkRole sender = setup_.role == LinkRole::dialler ? LinkRole::acceptor : LinkRole::dialler;
  const Result<wire::Proof> proof = wire::decode_proof(frame.meta);
  if (!proof || !world_.authenticator.equal(proof->digest, digest(sender))) {
    return refuse(refused(LinkError::unauthenticated, NodeId(),
                          setup_.address + " does not know the peer secret of this node: give "
                                           "all nodes the same --peer-secret-file"),
                  out);
  }
  peer_proved_ = true;
  if (setup_.role == LinkRole::acceptor) send_proof(out);
  Refusal refusal = check_identity();
  if (refusal.error != LinkError::none) return refuse(std::move(refusal), out);
  phase_ = Phase::proven;
}

// Whether the certificate that was shown, if one was, is that of the node at `address` or of the
// node called `name`.
Refusal Handshake::check_certificate(const std::string& address, const std::string& name,
                                     NodeId about) const {
  ASPEN_ASSERT(peer_.has_value());
  const StreamIdentity* shown = identity();
  if (shown == nullptr || shown->names(host_of(address))) return {};
  if (!name.empty() && shown->names(name)) return {};
  const std::string wanted(host_of(address));
  Refusal refusal = refused(LinkError::wrong_certificate, about,
                            setup_.address + " shows a certificate for " + shown->describe() +
                                ": it must be for " + wanted + (name.empty() ? "" : " or " + name) +
                                " (subject alternative names)");
  ASPEN_ASSERT(refusal.about == Refusal::About::peer);
  return refusal;
}

Refusal Handshake::check_identity() const {
  ASPEN_ASSERT(peer_.has_value());
  const wire::Hello& peer = *peer_;
  if (setup_.use == LinkUse::request) {
    const bool foreign = peer.cluster.value != 0 && peer.cluster != world_.self.cluster;
    if (setup_.role == LinkRole::dialler) {
      return check_certificate(setup_.address, peer.name, NodeId());
    }
    if (!foreign) return {};
    return refused(
        world_.self.cluster.value == 0 ? LinkError::uninitialised : LinkError::wrong_cluster,
        peer.self.id, setup_.address + " asks in the name of another cluster");
  }
  return setup_.role == LinkRole::dialler ? check_dialled(peer) : check_caller(peer);
}

Refusal Handshake::check_dialled(const wire::Hello& peer) const {
  ASPEN_ASSERT(setup_.use == LinkUse::member);
  ASPEN_ASSERT(world_.self.cluster.value != 0);
  const Member* expected = world_.members.find(setup_.expected);
  if (expected == nullptr) {
    return refused(LinkError::unknown_member, setup_.expected, "the member was removed meanwhile");
  }
  // First: what a node says of itself counts only if its certificate is the member's.
  Refusal certificate =
      check_certificate(expected->peer_address, expected->name, expected->peer.id);
  if (certificate.error != LinkError::none) return certificate;
  const bool bound = !expected->peer.incarnation.empty();
  const bool same_disk = peer.self.incarnation == expected->peer.incarnation;
  if (peer.cluster.value == 0 && bound && !same_disk) {
    return identity_lost(*expected, setup_.address);
  }
  if (peer.cluster.value == 0) {
    return refused(LinkError::uninitialised, expected->peer.id,
                   "member " + member_text(*expected) + " has not got its place yet");
  }
  if (peer.cluster != world_.self.cluster) {
    return refused(LinkError::wrong_cluster, expected->peer.id,
                   setup_.address + " belongs to cluster " + to_hex(peer.cluster.value) +
                       " and not to " + to_hex(world_.self.cluster.value));
  }
  if (peer.self.id == expected->peer.id && bound && !same_disk) {
    return identity_lost(*expected, setup_.address);
  }
  if (peer.self.id != expected->peer.id || other_name(*expected, peer)) {
    return refused(LinkError::wrong_member, expected->peer.id,
                   "the address " + setup_.address + " of member " + member_text(*expected) +
                       " answers as " + to_hex(peer.self.id.value) +
                       ": exchanged data directories or addresses: replace this member");
  }
  return {};
}

Refusal Handshake::check_caller(const wire::Hello& peer) const {
  ASPEN_ASSERT(setup_.role == LinkRole::acceptor);
  ASPEN_ASSERT(setup_.use == LinkUse::member);
  if (peer.cluster.value == 0) {
    return refused(LinkError::malformed, NodeId(),
                   setup_.address + " calls as a member but has no cluster");
  }
  if (world_.self.cluster.value == 0) {
    return refused(LinkError::uninitialised, NodeId(),
                   setup_.address + " calls as a member, but this node has no cluster");
  }
  if (peer.cluster != world_.self.cluster) {
    return refused(LinkError::wrong_cluster, peer.self.id,
                   setup_.address + " belongs to cluster " + to_hex(peer.cluster.value) +
                       " and not to " + to_hex(world_.self.cluster.value));
  }
  if (peer.self.id == world_.self.self.id) {
    return refused(LinkError::wrong_incarnation, peer.self.id,
                   setup_.address + " claims to be this node: a copied data directory");
  }
  const Member* member = world_.members.find(peer.self.id);
  if (member == nullptr) {
    return refused(
        LinkError::unknown_member, peer.self.id,
        to_hex(peer.self.id.value) + " at " + setup_.address + " is not a member of this cluster");
  }
  Refusal certificate = check_certificate(member->peer_address, member->name, member->peer.id);
  if (certificate.error != LinkError::none) return certificate;
  if (!member->peer.incarnation.empty() && member->peer.incarnation != peer.self.incarnation) {
    return identity_lost(*member, setup_.address);
  }
  if (other_name(*member, peer)) {
    return refused(LinkError::wrong_member, peer.self.id,
                   setup_.address + " calls itself " + peer.name + " but has the identity of " +
                       member_text(*member) + ": exchanged data directories: replace this member");
  }
  return {};
}

std::uint8_t Handshake::format() const noexcept {
  ASPEN_ASSERT(phase_ == Phase::proven);
  return peer_->format_max < wire::frame_format ? peer_->format_max : wire::frame_format;
}

const Refusal& Handshake::refusal() const noexcept {
  ASPEN_ASSERT(phase_ == Phase::refused);
  ASPEN_ASSERT(refusal_.error != LinkError::none);
  return refusal_;
}

}  // namespace aspen::cluster
