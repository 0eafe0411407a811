// Changes of the membership and transfers of the leadership on their way from the node that was
// asked to the leader, and the leader's answer. Payloads of casts `cast_control` and
// `cast_control_reply`; pure.
//
// Possible errors of the decoders: invalid_argument (malformed or out of limits).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "node/base/bytes.h"
#include "node/base/error.h"
#include "node/base/ids.h"
#include "node/base/membership.h"
#include "node/base/time.h"
#include "node/raft/core.h"

namespace aspen::wire {

enum class Binding : std::uint8_t {
  at_once,  // to the data directory that answers at the address now; it must be empty
  later,    // to the first empty one that answers there after the change
};
// What becomes of voters that are not in the target set.
enum class Leaving : std::uint8_t { removed, learner };

struct AddMember {
  std::string name;  // empty: what the node calls itself, or nothing before it is bound
  std::string peer_address;
  std::vector<std::string> client_addresses;
  Role role = Role::learner;  // a voter is not bound yet, or has to catch up first
  Binding binding = Binding::at_once;
  Incarnation incarnation;  // filled in by the node asked, which probes the address
  friend bool operator==(const AddMember&, const AddMember&) = default;
};
struct ChangeVoters {
  std::vector<NodeId> voters;  // each a member already
  Leaving leaving = Leaving::removed;
  friend bool operator==(const ChangeVoters&, const ChangeVoters&) = default;
};
struct RemoveMember {
  NodeId id;
  friend bool operator==(const RemoveMember&, const RemoveMember&) = default;
};
// What is empty stays as it is.
struct UpdateMember {
  NodeId id;
  std::string peer_address;
  std::vector<std::string> client_addresses;
  friend bool operator==(const UpdateMember&, const UpdateMember&) = default;
};
struct PromoteMember {
  NodeId id;
  friend bool operator==(const PromoteMember&, const PromoteMember&) = default;
};
// The leader's own: a member that is not bound yet answered from this data directory.
struct BindMember {
  NodeId id;
  Incarnation incarnation;
  std::string name;            // its own, for a member without one
  std::string client_address;  // likewise
  friend bool operator==(const BindMember&, const BindMember&) = default;
};

struct MembershipRequest {
  std::variant<AddMember, ChangeVoters, RemoveMember, UpdateMember, PromoteMember, BindMember> what;
  // The configuration that the change follows; absent: whichever is in force.
  std::optional<LogId> expect;
  friend bool operator==(const MembershipRequest&, const MembershipRequest&) = default;
};
struct MembershipResult {
  raft::LoggedConfig config;  // the final one
  NodeId subject;             // the member added, changed or removed; 0 for ChangeVoters
  friend bool operator==(const MembershipResult&, const MembershipResult&) = default;
};

struct TransferRequest {
  NodeId to;  // 0: the voter whose log is the longest
  friend bool operator==(const TransferRequest&, const TransferRequest&) = default;
};
struct TransferResult {
  NodeId leader;
  Term term;
  friend bool operator==(const TransferResult&, const TransferResult&) = default;
};

// Why a request was refused, besides what the core says (raft::Refusal).
enum class Objection : std::uint8_t {
  none,
  not_leader,       // it never took effect; ask the leader
  busy,             // another request of this kind is under way
  unknown_member,   // no member has this id
  address_taken,    // another member has this peer address
  not_empty,        // the node at the address belongs to a cluster, or to another place in this one
  not_reached,      // nobody answers at the address
  self,             // the address is that of the node asked
  bad_member,       // a name or an address that is not accepted
  voter_unbound,    // a voter cannot be added bound: as a learner, then promoted
  not_learner,      // only a learner can be promoted
  last_voter,       // no voter would be left
  stopping,         // the node is stopping
  draining,         // the node hands over what it leads
  outcome_unknown,  // the leader stopped leading, or did not answer in time
  transfer_failed,  // the target did not take over in time; this leader goes on
};
inline constexpr std::uint8_t objection_max = static_cast<std::uint8_t>(Objection::transfer_failed);
[[nodiscard]] Error error_of(Objection objection) noexcept;

struct ControlRefusal {
  raft::Refusal refusal = raft::Refusal::none;  // or
  Objection objection = Objection::none;
  friend bool operator==(const ControlRefusal&, const ControlRefusal&) noexcept = default;
};
// Precondition: one of the two is set. The Error's detail is the raft::Refusal, 0 for others.
[[nodiscard]] Error error_of(const ControlRefusal& refusal) noexcept;

struct Control {
  std::uint64_t origin = 0;    // the sender's boot
  std::uint64_t sequence = 0;  // unique in that boot
  std::uint32_t wait_ms = 0;   // how long the sender waits for the answer
  std::variant<MembershipRequest, TransferRequest> what;
  friend bool operator==(const Control&, const Control&) = default;
};
struct ControlReply {
  std::uint64_t origin = 0;
  std::uint64_t sequence = 0;
  std::variant<ControlRefusal, MembershipResult, TransferResult> what;
  friend bool operator==(const ControlReply&, const ControlReply&) = default;
};

// Precondition: within limits.
[[nodiscard]] Bytes encode(const Control& control);
[[nodiscard]] Bytes encode(const ControlReply& reply);
[[nodiscard]] Result<Control> decode_control(const Bytes& bytes);
[[nodiscard]] Result<ControlReply> decode_control_reply(const Bytes& bytes);

}  // namespace aspen::wire
