#include "node/adapter/grpc/etcd_membership.h"

#include <algorithm>

#include "node/base/limits.h"

namespace aspen::adapter {
namespace {

constexpr const char* wrong_urls = "etcdserver: given member URLs are invalid";
constexpr const char* not_enough_started =
    "etcdserver: re-configuration failed due to not enough started members";

// A member is started in etcd's sense once a data directory is bound to it.
struct Voters {
  std::size_t all = 0;
  std::size_t started = 0;

  [[nodiscard]] bool started_majority() const { return started >= all / 2 + 1; }
};

Voters count_voters(const Config& config, NodeId without) {
  Voters voters;
  for (const Member& member : config.members) {
    if (member.role != Role::voter || member.peer.id == without) continue;
    ++voters.all;
    if (!member.peer.incarnation.empty()) ++voters.started;
  }
  return voters;
}

bool is_port(std::string_view text) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  return !text.empty() && text.size() <= 5 && std::all_of(text.begin(), text.end(), digit);
}

}  // namespace

Result<std::string> decode_peer_url(const google::protobuf::RepeatedPtrField<std::string>& urls) {
  if (urls.empty()) return fail(Code::invalid_argument, wrong_urls);
  if (urls.size() > 1) {
    return fail(Code::unsupported, "aspen: a member has one peer URL");
  }
  std::string_view address(urls.Get(0));
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!address.starts_with(scheme)) continue;
    address.remove_prefix(scheme.size());
    const std::size_t colon = address.rfind(':');
    const bool well_formed =
        colon != std::string_view::npos && colon > 0 && is_port(address.substr(colon + 1)) &&
        address.find('/') == std::string_view::npos && address.size() <= limits::address_bytes_max;
    if (!well_formed) break;
    return std::string(address);
  }
  return fail(Code::invalid_argument, wrong_urls);
}

Result<gateway::AddMember> decode_member_add(const etcdserverpb::MemberAddRequest& message) {
  auto address = decode_peer_url(message.peerurls());
  if (!address) return tl::unexpected(address.error());
  gateway::AddMember add;
  add.peer_address = std::move(*address);
  add.role = message.islearner() ? Role::learner : Role::voter;
  add.binding = gateway::Binding::later;
  return add;
}

Result<void> may_add(const gateway::AddMember& add, const Config& config) {
  for (const Member& member : config.members) {
    if (member.peer_address == add.peer_address) {
      return fail(Code::already_exists, "etcdserver: Peer URLs already exists");
    }
  }
  if (add.role != Role::voter) return {};
  Voters voters = count_voters(config, NodeId());
  // One voter alone may get a second one, or no cluster could ever grow.
  if (voters.all == 1 && voters.started == 1) return {};
  ++voters.all;
  if (!voters.started_majority()) return fail(Code::failed_precondition, not_enough_started);
  return {};
}

Result<void> may_remove(NodeId id, const Config& config) {
  const Member* member = config.find(id);
  // Whether there is one that this node does not know yet is the leader's to say.
  if (member == nullptr || member->role != Role::voter) return {};
  if (!count_voters(config, id).started_majority()) {
    return fail(Code::failed_precondition, not_enough_started);
  }
  return {};
}

Result<void> may_move_leader(NodeId to, const gateway::NodeView& view) {
  if (view.raft.soft.role != raft::RoleState::leader) {
    return fail(Code::not_leader, "etcdserver: not leader");
  }
  const Member* member = view.config.find(to);
  if (member == nullptr || member->role != Role::voter) {
    return fail(Code::failed_precondition, "etcdserver: bad leader transferee");
  }
  return {};
}

}  // namespace aspen::adapter
