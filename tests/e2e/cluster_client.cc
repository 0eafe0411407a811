#include "tests/e2e/cluster_client.h"

#include <set>

#include "aspen/v1/cluster.grpc.pb.h"

namespace aspen::e2e {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::shared_ptr<grpc::Channel> channel_to(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetMaxSendMessageSize(-1);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

std::unique_ptr<grpc::ClientContext> context(milliseconds timeout) {
  auto made = std::make_unique<grpc::ClientContext>();
  made->set_deadline(std::chrono::system_clock::now() + timeout);
  // A call that fails at once would leave the channel no time to connect.
  made->set_wait_for_ready(true);
  return made;
}

ClusterClient::ClusterClient(const ClusterProcesses& processes) : processes_(processes) {
  for (const NodeProcess& node : processes.nodes()) {
    channels_.push_back(channel_to(node.client_address()));
  }
}

bool ClusterClient::init(std::size_t members) {
  aspen::v1::InitRequest request;
  for (const NodeProcess& node : processes_.nodes()) {
    if (static_cast<std::size_t>(request.members_size()) == members) break;
    auto& member = *request.add_members();
    member.set_name(node.name);
    member.set_peer_address("127.0.0.1:" + std::to_string(node.peer_port));
    member.add_client_addresses(node.client_address());
  }
  aspen::v1::InitResponse response;
  const auto stub = aspen::v1::Cluster::NewStub(channels_[0]);
  return stub->Init(context(seconds(5)).get(), request, &response).ok();
}

std::optional<etcdserverpb::StatusResponse> ClusterClient::status(std::size_t node) {
  etcdserverpb::StatusRequest request;
  etcdserverpb::StatusResponse response;
  const auto stub = etcdserverpb::Maintenance::NewStub(channels_.at(node));
  if (!stub->Status(context(seconds(2)).get(), request, &response).ok()) return std::nullopt;
  return response;
}

std::optional<std::size_t> ClusterClient::leader() {
  for (std::size_t i = 0; i < channels_.size(); ++i) {
    if (processes_.nodes()[i].pid == 0) continue;
    const auto answer = status(i);
    if (answer && answer->leader() != 0 && answer->leader() == answer->header().member_id()) {
      return i;
    }
  }
  return std::nullopt;
}

bool ClusterClient::hashes_equal() {
  std::set<std::pair<std::uint32_t, std::int64_t>> seen;
  for (std::size_t i = 0; i < channels_.size(); ++i) {
    if (processes_.nodes()[i].pid == 0) continue;
    etcdserverpb::HashKVRequest request;
    etcdserverpb::HashKVResponse response;
    const auto stub = etcdserverpb::Maintenance::NewStub(channels_[i]);
    if (!stub->HashKV(context(seconds(5)).get(), request, &response).ok()) return false;
    seen.emplace(response.hash(), response.header().revision());
  }
  return seen.size() == 1;
}

}  // namespace aspen::e2e
