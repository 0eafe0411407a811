#include "node/adapter/grpc/aspen_codec.h"

#include <algorithm>

#include "node/base/limits.h"

namespace aspen::adapter {
namespace {

aspen::v1::MemberRole role_of(Role role) {
  return role == Role::learner ? aspen::v1::MEMBER_ROLE_LEARNER : aspen::v1::MEMBER_ROLE_VOTER;
}

aspen::v1::NodeState state_of(gateway::Phase phase) {
  switch (phase) {
    case gateway::Phase::uninitialised:
      return aspen::v1::NODE_STATE_UNINITIALISED;
    case gateway::Phase::starting:
      return aspen::v1::NODE_STATE_STARTING;
    case gateway::Phase::running:
      return aspen::v1::NODE_STATE_RUNNING;
    case gateway::Phase::draining:
      return aspen::v1::NODE_STATE_DRAINING;
    case gateway::Phase::stopping:
      return aspen::v1::NODE_STATE_STOPPING;
    case gateway::Phase::removed:
      return aspen::v1::NODE_STATE_REMOVED;
    case gateway::Phase::identity_lost:
      return aspen::v1::NODE_STATE_IDENTITY_LOST;
  }
  ASPEN_UNREACHABLE();
}

aspen::v1::RaftState raft_state_of(raft::RoleState role) {
  switch (role) {
    case raft::RoleState::follower:
      return aspen::v1::RAFT_STATE_FOLLOWER;
    case raft::RoleState::pre_candidate:
      return aspen::v1::RAFT_STATE_PRE_CANDIDATE;
    case raft::RoleState::candidate:
      return aspen::v1::RAFT_STATE_CANDIDATE;
    case raft::RoleState::leader:
      return aspen::v1::RAFT_STATE_LEADER;
  }
  ASPEN_UNREACHABLE();
}

std::string incarnation_of(const PeerId& peer) {
  return peer.incarnation.empty() ? std::string() : to_hex(peer.incarnation);
}

void encode_member(const Member& member, aspen::v1::Member& out) {
  out.set_node_id(member.peer.id.value);
  out.set_name(member.name);
  out.set_peer_address(member.peer_address);
  for (const auto& address : member.client_addresses) out.add_client_addresses(address);
  // Who leaves is in no role of the configuration that is entered.
  if (member.role != Role::leaving) out.set_role(role_of(member.role));
  out.set_incarnation(incarnation_of(member.peer));
  if (member.outgoing) out.set_outgoing_role(aspen::v1::MEMBER_ROLE_VOTER);
}

void encode_log_id(LogId id, aspen::v1::LogId& out) {
  out.set_term(id.term.value);
  out.set_index(id.index.value);
}

bool acceptable(const std::string& address) {
  return !address.empty() && address.size() <= limits::address_bytes_max;
}

Result<gateway::InitMember> decode_member(const aspen::v1::MemberSpec& spec) {
  if (spec.name().empty() || spec.name().size() > limits::node_name_bytes_max) {
    return fail(Code::invalid_argument, "a member's name has 1 to 255 bytes");
  }
  if (!acceptable(spec.peer_address())) {
    return fail(Code::invalid_argument, "a member's peer address is host:port");
  }
  const auto addresses = static_cast<std::size_t>(spec.client_addresses_size());
  if (addresses == 0 || addresses > limits::member_addresses_max) {
    return fail(Code::invalid_argument, "a member has 1 to 16 client addresses");
  }
  gateway::InitMember member{spec.name(), spec.peer_address(), {}};
  for (const std::string& address : spec.client_addresses()) {
    if (!acceptable(address)) {
      return fail(Code::invalid_argument, "a member's client address is host:port");
    }
    member.client_addresses.push_back(address);
  }
  return member;
}

Result<LogId> decode_expect(bool present, const aspen::v1::LogId& message) {
  if (!present || message.index() == 0) {
    return fail(Code::invalid_argument,
                "expect is required: the config_id of State, which the change follows");
  }
  return LogId{Term(message.term()), Index(message.index())};
}

aspen::v1::NodeStatus::Link link_of(const gateway::NodeView& view, const Member& member,
                                    const raft::PeerMetrics* peer) {
  if (member.peer.id == view.self.id) return aspen::v1::NodeStatus::LINK_SELF;
  if (peer != nullptr) {
    return peer->active ? aspen::v1::NodeStatus::LINK_UP : aspen::v1::NodeStatus::LINK_DOWN;
  }
  // A leader is one that was heard from within an election timeout.
  if (member.peer.id == view.raft.soft.leader) return aspen::v1::NodeStatus::LINK_UP;
  return aspen::v1::NodeStatus::LINK_UNSPECIFIED;
}

}  // namespace

Result<gateway::MembershipRequest> decode_add(const aspen::v1::AddLearnerRequest& message) {
  const auto expect = decode_expect(message.has_expect(), message.expect());
  if (!expect) return tl::unexpected(expect.error());
  auto member = decode_member(message.member());
  if (!member) return tl::unexpected(member.error());
  gateway::AddMember add;
  add.name = std::move(member->name);
  add.peer_address = std::move(member->peer_address);
  add.client_addresses = std::move(member->client_addresses);
  return gateway::MembershipRequest{std::move(add), *expect};
}

Result<gateway::MembershipRequest> decode_change(
    const aspen::v1::ChangeMembershipRequest& message) {
  const auto expect = decode_expect(message.has_expect(), message.expect());
  if (!expect) return tl::unexpected(expect.error());
  const auto count = static_cast<std::size_t>(message.voters_size());
  if (count == 0 || count > limits::voters_max) {
    return fail(Code::invalid_argument, "voters: 1 to 7 node ids");
  }
  gateway::ChangeVoters change;
  if (message.leaving() == aspen::v1::ChangeMembershipRequest::LEAVING_LEARNER) {
    change.leaving = gateway::Leaving::learner;
  }
  for (const std::uint64_t id : message.voters()) change.voters.emplace_back(id);
  std::sort(change.voters.begin(), change.voters.end());
  const bool repeated =
      std::adjacent_find(change.voters.begin(), change.voters.end()) != change.voters.end();
  if (repeated || !change.voters.front()) {
    return fail(Code::invalid_argument, "voters: each node id once, and none is 0");
  }
  return gateway::MembershipRequest{std::move(change), *expect};
}

Result<gateway::MembershipRequest> decode_remove(const aspen::v1::RemoveNodeRequest& message) {
  const auto expect = decode_expect(message.has_expect(), message.expect());
  if (!expect) return tl::unexpected(expect.error());
  if (message.node_id() == 0) return fail(Code::invalid_argument, "node_id is required");
  return gateway::MembershipRequest{gateway::RemoveMember{NodeId(message.node_id())}, *expect};
}

void encode_add(const gateway::MembershipResult& result, aspen::v1::AddLearnerResponse& out) {
  encode_log_id(result.config.id, *out.mutable_config_id());
  const Member* added = result.config.config.find(result.subject);
  if (added != nullptr) encode_member(*added, *out.mutable_member());
}

void encode_change(const gateway::MembershipResult& result,
                   aspen::v1::ChangeMembershipResponse& out) {
  encode_log_id(result.config.id, *out.mutable_config_id());
  for (const Member& member : result.config.config.members) {
    encode_member(member, *out.add_members());
  }
}

void encode_remove(const gateway::MembershipResult& result, aspen::v1::RemoveNodeResponse& out) {
  encode_log_id(result.config.id, *out.mutable_config_id());
  for (const Member& member : result.config.config.members) {
    encode_member(member, *out.add_members());
  }
}

void encode_leader(NodeId leader, const Config& config, aspen::v1::Leader& out) {
  ASPEN_ASSERT(leader);
  out.set_node_id(leader.value);
  const Member* member = config.find(leader);
  if (member == nullptr) return;
  out.set_name(member->name);
  for (const auto& address : member->client_addresses) out.add_client_addresses(address);
}

void encode_nodes(const gateway::NodeView& view, aspen::v1::WatchNodesResponse& out) {
  const raft::SoftState& soft = view.raft.soft;
  if (!view.config.empty()) encode_log_id(view.raft.config, *out.mutable_config_id());
  if (soft.leader) encode_leader(soft.leader, view.config, *out.mutable_leader());
  out.set_term(soft.term.value);
  const auto& peers = view.raft.peers;
  for (const Member& member : view.config.members) {
    const auto at = std::find_if(peers.begin(), peers.end(), [&member](const auto& peer) {
      return peer.peer.id == member.peer.id;
    });
    const raft::PeerMetrics* peer = at == peers.end() ? nullptr : &*at;
    aspen::v1::NodeStatus& node = *out.add_nodes();
    encode_member(member, *node.mutable_member());
    node.set_link(link_of(view, member, peer));
    const bool leads = soft.role == raft::RoleState::leader && member.peer.id == view.self.id;
    if (leads) node.set_match_index(view.raft.last.index.value);
    if (peer != nullptr) node.set_match_index(peer->match.value);
  }
}

Result<gateway::InitRequest> decode_init(const aspen::v1::InitRequest& message) {
  const auto count = static_cast<std::size_t>(message.members_size());
  if (count == 0 || count > limits::voters_max) {
    return fail(Code::invalid_argument, "a new cluster has 1 to 7 members");
  }
  gateway::InitRequest request;
  if (message.cluster_id() != 0) request.cluster = ClusterId(message.cluster_id());
  for (const auto& spec : message.members()) {
    auto member = decode_member(spec);
    if (!member) return tl::unexpected(member.error());
    request.members.push_back(std::move(*member));
  }
  return request;
}

void encode_init(const gateway::InitResult& result, aspen::v1::InitResponse& out) {
  out.set_cluster_id(result.cluster.value);
  for (const Member& member : result.config.members) encode_member(member, *out.add_members());
}

void encode_state(const gateway::NodeView& view, aspen::v1::StateResponse& out) {
  out.set_state(state_of(view.phase));
  out.set_cluster_id(view.cluster.value);
  out.set_node_id(view.self.id.value);
  out.set_name(view.name);
  out.set_incarnation(incarnation_of(view.self));
  const raft::SoftState& soft = view.raft.soft;
  if (soft.leader) encode_leader(soft.leader, view.config, *out.mutable_leader());
  out.set_term(soft.term.value);
  if (view.phase != gateway::Phase::uninitialised) out.set_raft_state(raft_state_of(soft.role));
  const Member* self = view.config.find(view.self.id);
  if (self != nullptr) out.set_role(role_of(self->role));
  encode_log_id(view.raft.config, *out.mutable_config_id());
  for (const Member& member : view.config.members) encode_member(member, *out.add_members());
}

void encode_metrics(const gateway::NodeView& view, aspen::v1::MetricsResponse& out) {
  const raft::Metrics& raft = view.raft;
  out.set_state(state_of(view.phase));
  if (view.phase != gateway::Phase::uninitialised) {
    out.set_raft_state(raft_state_of(raft.soft.role));
  }
  out.set_leader(raft.soft.leader.value);
  out.set_term(raft.soft.term.value);
  if (raft.vote) out.set_vote(raft.vote->id.value);
  encode_log_id(raft.last, *out.mutable_last());
  out.set_stable_index(raft.stable.value);
  encode_log_id(raft.commit, *out.mutable_commit());
  encode_log_id(raft.applied, *out.mutable_applied());
  encode_log_id(raft.purged, *out.mutable_purged());
  out.set_uncommitted_bytes(raft.uncommitted_bytes);
  out.set_reads_pending(raft.reads_pending);
  for (const raft::PeerMetrics& peer : raft.peers) {
    aspen::v1::PeerMetrics& to = *out.add_peers();
    to.set_node_id(peer.peer.id.value);
    to.set_incarnation(incarnation_of(peer.peer));
    to.set_match_index(peer.match.value);
    to.set_next_index(peer.next.value);
    to.set_active(peer.active);
    to.set_in_flight_bytes(peer.in_flight_bytes);
  }
}

void encode_node_id(const gateway::NodeView& view, aspen::v1::NodeIdResponse& out) {
  out.set_node_id(view.self.id.value);
  out.set_cluster_id(view.cluster.value);
  out.set_name(view.name);
  out.set_incarnation(incarnation_of(view.self));
}

}  // namespace aspen::adapter
