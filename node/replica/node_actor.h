// The node itself: its identity and how it gets one. Before Init it answers probes, and takes its
// place in a cluster from a peer that executes Init or executes Init itself: ask every member for
// its incarnation, write down a plan, assign every other member its place, then take the own one.
// The same Init again goes on where it stopped, or answers what it did.
//
// Owner: the root of the supervision tree. Bound: one Init at a time, limits::voters_max members.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "node/actor/actor.h"
#include "node/port/clock.h"
#include "node/port/entropy.h"
#include "node/port/fatal.h"
#include "node/port/log.h"
#include "node/replica/identity.h"
#include "node/replica/peers.h"
#include "node/replica/protocols.h"

namespace aspen::replica {

enum class NodePhase : std::uint8_t {
  uninitialised,
  starting,
  running,
  draining,
  stopping,
  removed,
  identity_lost,
};

struct NodeState {
  NodePhase phase = NodePhase::uninitialised;
  Identity identity;
  ReplicaView replica;
  std::vector<std::string> errors;  // for people
};
struct GetNode {
  using Reply = NodeState;
};

struct InitMember {
  std::string name;
  std::string peer_address;
  std::vector<std::string> client_addresses;
};
// Possible errors: invalid_argument, already_initialised, unavailable (a member was not reached, or
// none took its place), overloaded (another Init is going on), no_space, timed_out, connection_lost
// (some members may have their places and others not; the same Init again goes on).
struct InitCluster {
  using Reply = Identity;
  std::optional<ClusterId> cluster;
  std::vector<InitMember> members;
  Instant deadline;
};

// A peer gives this node its place. `done` is called once.
struct PlaceAssigned {
  wire::Assign assign;
  std::function<void(Result<PeerId>)> done;
};
struct MemberProbed {
  std::size_t member = 0;
  std::uint64_t round = 0;
  Result<wire::ProbeReply> reply;
};
struct MemberAssigned {
  std::size_t member = 0;
  std::uint64_t round = 0;
  Result<void> result;
};
// A member says that this node is not the one that it stands for. It counts while no member accepts
// this node: two nodes of different clusters say so of each other.
struct IdentityRefused {
  std::string reason;  // for people
};

// The node drains its clients and then ends; the actors go on until then.
struct Stopping {};

using NodeProtocol = actor::Protocol<GetNode, InitCluster, PlaceAssigned, MemberProbed,
                                     MemberAssigned, PeerLinkChanged, IdentityRefused, Stopping>;

// How this node believes to be reached; empty: it has no opinion.
struct Advertised {
  std::string peer_address;
  std::string client_address;
};

class NodeActor final : public actor::Actor<NodeActor, NodeProtocol> {
 public:
  using Context = actor::Context<NodeActor>;
  struct Parts {
    const Clock& clock;
    Entropy& entropy;
    IdentityStore& identity;
    Peers& peers;
    LogSink& log;
    Fatal& fatal;
    actor::Ref<RaftProtocol> raft;
    Advertised advertised = {};
  };
  explicit NodeActor(const Parts& parts) : parts_(parts) {}

  Result<void> pre_start(Context& context) noexcept;
  void on(GetNode&& message, actor::Responder<NodeState>&& responder, Context& context) noexcept;
  void on(InitCluster&& message, actor::Responder<Identity>&& responder, Context& context) noexcept;
  void on(PlaceAssigned&& message, Context& context) noexcept;
  void on(MemberProbed&& message, Context& context) noexcept;
  void on(MemberAssigned&& message, Context& context) noexcept;
  void on(PeerLinkChanged&& message, Context& context) noexcept;
  void on(IdentityRefused&& message, Context& context) noexcept;
  void on(Stopping&&, Context&) noexcept { stopping_ = true; }

 private:
  // probing -> assigning -> done; any failure ends it with an answer to the caller.
  struct Init {
    enum class Phase : std::uint8_t { probing, assigning } phase = Phase::probing;
    InitCluster request;
    actor::Responder<Identity> responder;
    std::size_t self = 0;  // among request.members
    std::vector<std::optional<wire::ProbeReply>> probes;
    std::size_t open = 0;  // answers awaited
    Identity plan;
    bool all_placed = true;  // of those who answered
    bool half_done = false;  // a member took its place, or may have
  };

  void probe_others(Context& context) noexcept;
  void plan_and_assign(Context& context) noexcept;
  [[nodiscard]] Result<Identity> make_plan() noexcept;
  [[nodiscard]] Result<Identity> new_plan() noexcept;
  void assign_others(Context& context) noexcept;
  void finish_init() noexcept;
  void end_assigning(const char* what) noexcept;
  void end_init(const Error& error) noexcept;
  void doubt(std::string reason) noexcept;
  [[nodiscard]] Result<void> take_place(const Identity& place) noexcept;
  void compare_addresses() noexcept;

  const Parts parts_;
  Identity identity_;
  std::optional<Init> init_;
  // Members have places by this node's plan: it takes none from another node, so that the same Init
  // again can end what it began.
  bool half_done_ = false;
  std::uint64_t round_ = 0;  // of Inits, so that late answers to a former one are told apart
  bool stopping_ = false;
  std::set<NodeId> linked_;  // members that accept this node: at most limits::members_max
  std::string doubt_;        // why the members refuse this node's identity; empty: they do not
};

}  // namespace aspen::replica
