// How two nodes learn that they may talk. A pure state machine for both ends of a stream:
//
//   dialler                                acceptor
//     | -- hello -----------------------------> |   what each says of itself, with a fresh nonce
//     | <----------------------------- hello -- |
//     | -- proof -----------------------------> |   HMAC over both hello frames and the sender's
//     | <----------------------------- proof -- |   role: nothing can be replayed or reflected
//
// Over a stream that has an identity (TLS) the HMAC covers the stream's binding too: a proof holds
// for this stream alone and cannot be relayed by somebody between two streams. Without a secret the
// HMAC proves nothing but that, and the certificates are the proof: their CA was checked by the
// transport, and here that they name whom they are shown for. A member's must name the host of its
// peer address or its node name, in both directions; a node that is dialled for a request, whose
// membership is not known yet, the host that was dialled or the name it gives itself. Who dials
// with a request need only have a certificate of the CA: nothing else is known of it.
//
// Only when the other side has proved that it knows the secret is its identity compared with the
// membership, so a stranger learns nothing. A side that refuses sends an error frame with the
// reason and its own incarnation; a refusal on grounds of identity follows the proof, so the
// refused side knows that it comes from a node of its cluster. What happens after `proven`
// (admission, the choice between two links) is the owner's.
//
// Owner: a Link. No clock: the owner calls expire() at its deadline. Bound: frames of
// limits::frame_meta_bytes_max, at most two received.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "node/base/error.h"
#include "node/base/ids.h"
#include "node/base/membership.h"
#include "node/port/authenticator.h"
#include "node/port/transport.h"
#include "node/wire/cluster_codec.h"
#include "node/wire/frame.h"

namespace aspen::cluster {

enum class LinkRole : std::uint8_t { dialler, acceptor };

// Who this node is. Before Init the cluster and the node id are 0.
struct LocalIdentity {
  ClusterId cluster;
  PeerId self;
  std::string name;
};

// Why a link was refused or ended, for the log and for the table of peers.
struct Refusal {
  enum class By : std::uint8_t { us, peer };
  // Whose identity is in doubt, if it is about one.
  enum class About : std::uint8_t { peer, self };
  wire::LinkError error = wire::LinkError::none;
  By by = By::us;
  Error reason;      // its text says what to do
  std::string text;  // the reason with names, for the log
  About about = About::peer;
};

struct HandshakeSetup {
  LinkRole role = LinkRole::acceptor;
  wire::LinkUse use = wire::LinkUse::member;  // dialler only; an acceptor learns it
  NodeId expected;                            // dialler of a member: which one; otherwise 0
  std::string address;                        // the other side's, for texts
  wire::Nonce nonce{};                        // fresh for every handshake
};

// What outlives the handshake; the membership may change meanwhile.
struct HandshakeWorld {
  const LocalIdentity& self;
  const Config& members;
  const Authenticator& authenticator;
  const Stream* stream = nullptr;  // that carries it; null: one without identity
};

class Handshake {
 public:
  enum class Phase : std::uint8_t { hello, proof, proven, refused };

  Handshake(HandshakeWorld world, HandshakeSetup setup);

  // The dialler's first frame is appended to `out`. Precondition: dialler, once, before frames.
  void start(std::string& out);
  // One frame received; what is to be sent is appended to `out`. Precondition: not over().
  void on_frame(const wire::Frame& frame, std::string& out);
  // Bytes that are no frame. Precondition: not over().
  void on_malformed(const Error& error, std::string& out);
  // The deadline passed. Precondition: not over().
  void expire(std::string& out);

  [[nodiscard]] Phase phase() const noexcept { return phase_; }
  [[nodiscard]] bool over() const noexcept {
    return phase_ == Phase::proven || phase_ == Phase::refused;
  }
  [[nodiscard]] LinkRole role() const noexcept { return setup_.role; }
  [[nodiscard]] wire::LinkUse use() const noexcept { return setup_.use; }
  // The other side's, for texts.
  [[nodiscard]] const std::string& address() const noexcept { return setup_.address; }
  // What the other side said of itself; trustworthy once proven. Empty before its hello.
  [[nodiscard]] const std::optional<wire::Hello>& peer() const noexcept { return peer_; }
  // The other side proved that it knows the secret, though its identity may have been refused.
  [[nodiscard]] bool peer_proved() const noexcept { return peer_proved_; }
  // The highest format both speak. Precondition: proven.
  [[nodiscard]] std::uint8_t format() const noexcept;
  // Precondition: refused.
  [[nodiscard]] const Refusal& refusal() const noexcept;

 private:
  void on_hello(const wire::Frame& frame, std::string& out);
  void on_proof(const wire::Frame& frame, std::string& out);
  void on_error(const wire::Frame& frame);
  void send_hello(std::string& out);
  void send_proof(std::string& out);
  [[nodiscard]] Digest digest(LinkRole sender) const;
  [[nodiscard]] const StreamIdentity* identity() const;
  [[nodiscard]] Refusal check_certificate(const std::string& address, const std::string& name,
                                          NodeId about) const;
  [[nodiscard]] Refusal check_identity() const;
  [[nodiscard]] Refusal check_dialled(const wire::Hello& peer) const;
  [[nodiscard]] Refusal check_caller(const wire::Hello& peer) const;
  void refuse(Refusal refusal, std::string& out);

  HandshakeWorld world_;
  HandshakeSetup setup_;
  Phase phase_ = Phase::hello;
  std::optional<wire::Hello> peer_;
  std::string transcript_;  // the dialler's hello frame, then the acceptor's
  Refusal refusal_;
  bool peer_proved_ = false;
};

// An error frame that says so, appended to `out`.
void append_error_frame(wire::LinkError error, std::uint64_t detail, const Incarnation& self,
                        std::string& out);

// What an error frame received means, with words for the log; `expected` is the member that was
// dialled, null if there was none. An emptied node answers that it has no cluster: with another
// incarnation than the member's, that is a lost identity.
[[nodiscard]] Refusal refusal_of(const wire::ErrorFrame& frame, const std::string& address,
                                 const Member* expected);

}  // namespace aspen::cluster
