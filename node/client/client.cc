#include "node/client/client.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <iterator>
#include <optional>

#include "aspen/v1/actors.grpc.pb.h"
#include "aspen/v1/cluster.grpc.pb.h"
#include "etcd/rpc.grpc.pb.h"
#include "node/base/assert.h"
#include "node/wire/etcd_names.h"

namespace aspen::client {
namespace {

using SystemTime = std::chrono::system_clock::time_point;

// A dead endpoint answers a connection attempt at once on most networks; one that does not may not
// use up the whole deadline.
constexpr Duration connect_wait_max = std::chrono::seconds(2);

struct Endpoint {
  std::shared_ptr<::grpc::Channel> channel;
  std::unique_ptr<etcdserverpb::KV::Stub> kv;
  std::unique_ptr<etcdserverpb::Cluster::Stub> etcd_cluster;
  std::unique_ptr<etcdserverpb::Maintenance::Stub> maintenance;
  std::unique_ptr<aspen::v1::Cluster::Stub> cluster;
  std::unique_ptr<aspen::v1::Actors::Stub> actors;
};

enum class Repeat { freely, if_not_applied };

constexpr std::string_view plain_scheme = "http://";
constexpr std::string_view tls_scheme = "https://";

std::string without_scheme(std::string_view endpoint) {
  for (const std::string_view scheme : {plain_scheme, tls_scheme}) {
    if (endpoint.starts_with(scheme)) endpoint.remove_prefix(scheme.size());
  }
  while (endpoint.ends_with('/')) endpoint.remove_suffix(1);
  return std::string(endpoint);
}

// Code::ok if the answer is not from one of our servers.
Code code_of(const ::grpc::ClientContext& context) {
  const auto& metadata = context.GetServerTrailingMetadata();
  const auto found = metadata.find(wire::code_metadata);
  if (found == metadata.end()) return Code::ok;
  const std::string_view name(found->second.data(), found->second.size());
  for (int number = 1; number <= static_cast<int>(Code::corrupt); ++number) {
    if (to_string(static_cast<Code>(number)) == name) return static_cast<Code>(number);
  }
  return Code::ok;
}

// Where nobody names a Code the status decides; what may come from a broken connection, or from
// etcd for either reason, is unknown.
Conclusion conclusion_of(const ::grpc::Status& status, Code code) {
  if (code != Code::ok) {
    return outcome_unknown(code) ? Conclusion::unknown : Conclusion::refused;
  }
  switch (static_cast<int>(status.error_code())) {
    case ::grpc::StatusCode::UNAVAILABLE:
    case ::grpc::StatusCode::UNKNOWN:
    case ::grpc::StatusCode::DEADLINE_EXCEEDED:
    case ::grpc::StatusCode::CANCELLED:
    case ::grpc::StatusCode::INTERNAL:
      return Conclusion::unknown;
    default:
      return Conclusion::refused;
  }
}

// What another endpoint may answer differently.
bool of_this_endpoint(Code code) {
  return code == Code::no_leader || code == Code::shutting_down || code == Code::not_leader ||
         code == Code::unavailable || code == Code::overwritten;
}

tl::unexpected<Failure> wrong_options(const std::string& message) {
  return tl::unexpected(Failure{Conclusion::refused, message, "", Code::ok});
}

Outcome<std::string> read_file(const std::string& path) {
  if (path.empty()) return std::string();
  std::ifstream file(path, std::ios::binary);
  if (!file) return wrong_options("cannot read " + path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// Without a CA certificate the machine's roots are trusted.
Outcome<std::shared_ptr<::grpc::ChannelCredentials>> load_tls(const Credentials& credentials) {
  if (credentials.cert_file.empty() != credentials.key_file.empty()) {
    return wrong_options("a client's certificate and its key go together");
  }
  const auto ca = read_file(credentials.ca_file);
  const auto cert = read_file(credentials.cert_file);
  const auto key = read_file(credentials.key_file);
  for (const auto* file : {&ca, &cert, &key}) {
    if (!*file) return tl::unexpected(file->error());
  }
  return ::grpc::SslCredentials({*ca, *key, *cert});
}

enum class Security { plain, tls };

// The scheme decides; without one TLS is meant where a certificate is given. To speak plaintext
// although one is given would give away what it is to protect.
Outcome<Security> security_of(std::string_view endpoint, const Credentials& credentials) {
  const bool certified = !credentials.ca_file.empty() || !credentials.cert_file.empty() ||
                         !credentials.key_file.empty();
  if (endpoint.starts_with(tls_scheme)) return Security::tls;
  if (!certified) return Security::plain;
  if (!endpoint.starts_with(plain_scheme)) return Security::tls;
  return wrong_options("a certificate is of no use to " + std::string(endpoint) +
                       ": it takes https://");
}

}  // namespace

struct Client::State {
  std::vector<std::string> names;
  std::vector<Endpoint> endpoints;
  Duration timeout{};
  std::atomic<std::size_t> next{0};

  // One attempt at one endpoint. `invoke(endpoint, context, response)` makes the call.
  template <class Response, class Invoke>
  Outcome<Response> attempt(std::size_t i, SystemTime deadline, const Invoke& invoke) {
    ASPEN_ASSERT(i < endpoints.size());
    Endpoint& endpoint = endpoints[i];
    const SystemTime connect_by =
        std::min(deadline, std::chrono::system_clock::now() + connect_wait_max);
    if (!connected(endpoint, connect_by)) {
      return tl::unexpected(Failure{Conclusion::unreachable, "cannot connect", names[i], Code::ok});
    }
    ::grpc::ClientContext context;
    context.set_deadline(deadline);
    Response response;
    const ::grpc::Status status = invoke(endpoint, context, response);
    if (status.ok()) return response;
    const Code code = code_of(context);
    return tl::unexpected(Failure{conclusion_of(status, code), status.error_message(), names[i],
                                  code, static_cast<int>(status.error_code())});
  }

  template <class Response, class Invoke>
  Outcome<Response> at(std::size_t i, Repeat repeat, const Invoke& invoke) {
    return concluded(attempt<Response>(i, std::chrono::system_clock::now() + timeout, invoke),
                     repeat);
  }

  // What may be repeated freely has no effect whose outcome could be unknown.
  template <class Response>
  static Outcome<Response> concluded(Outcome<Response> outcome, Repeat repeat) {
    if (outcome || repeat != Repeat::freely) return outcome;
    if (outcome.error().conclusion == Conclusion::unknown) {
      outcome.error().conclusion = Conclusion::refused;
    }
    return outcome;
  }

  // Each endpoint once, beginning with the next in turn.
  template <class Response, class Invoke>
  Outcome<Response> anywhere(Repeat repeat, const Invoke& invoke) {
    const SystemTime deadline = std::chrono::system_clock::now() + timeout;
    const std::size_t first = next.load();
    Outcome<Response> outcome = tl::unexpected(Failure{Conclusion::unreachable, "", "", Code::ok});
    for (std::size_t tried = 0; tried < endpoints.size(); ++tried) {
      const std::size_t i = (first + tried) % endpoints.size();
      Outcome<Response> latest = attempt<Response>(i, deadline, invoke);
      if (latest) next.store(i);
      // That one endpoint cannot be reached says less than what another one answered.
      const bool answered = latest || latest.error().conclusion != Conclusion::unreachable;
      if (answered || outcome.error().conclusion == Conclusion::unreachable) {
        outcome = std::move(latest);
      }
      if (outcome || !elsewhere(outcome.error(), repeat)) break;
      if (std::chrono::system_clock::now() >= deadline) break;
    }
    return concluded(std::move(outcome), repeat);
  }

  // Whether another endpoint may be tried.
  static bool elsewhere(const Failure& failure, Repeat repeat) {
    if (failure.conclusion == Conclusion::unreachable) return true;
    if (failure.conclusion == Conclusion::unknown) return repeat == Repeat::freely;
    return of_this_endpoint(failure.code);
  }

  // A failed connection attempt ends the wait early: a refused port need not wait for its retry.
  static bool connected(Endpoint& endpoint, SystemTime by) {
    grpc_connectivity_state state = endpoint.channel->GetState(true);
    while (state != GRPC_CHANNEL_READY) {
      if (state == GRPC_CHANNEL_TRANSIENT_FAILURE || state == GRPC_CHANNEL_SHUTDOWN) return false;
      if (!endpoint.channel->WaitForStateChange(state, by)) return false;
      state = endpoint.channel->GetState(true);
    }
    return true;
  }
};

std::vector<std::string> split_endpoints(std::string_view list) {
  std::vector<std::string> parts;
  while (!list.empty()) {
    const std::size_t end = list.find(',');
    std::string_view part = list.substr(0, end);
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    if (!part.empty()) parts.emplace_back(part);
    list = end == std::string_view::npos ? std::string_view() : list.substr(end + 1);
  }
  return parts;
}

Outcome<std::unique_ptr<Client>> Client::create(const Options& options) {
  if (options.endpoints.empty()) {
    return wrong_options("no endpoint was given");
  }
  const auto tls = load_tls(options.credentials);
  if (!tls) return tl::unexpected(tls.error());
  auto state = std::make_unique<State>();
  state->timeout = options.timeout;
  ::grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  for (const std::string& name : options.endpoints) {
    const auto security = security_of(name, options.credentials);
    if (!security) return tl::unexpected(security.error());
    state->names.push_back(without_scheme(name));
    Endpoint& endpoint = state->endpoints.emplace_back();
    endpoint.channel = ::grpc::CreateCustomChannel(
        state->names.back(),
        *security == Security::tls ? *tls : ::grpc::InsecureChannelCredentials(), arguments);
    endpoint.kv = etcdserverpb::KV::NewStub(endpoint.channel);
    endpoint.etcd_cluster = etcdserverpb::Cluster::NewStub(endpoint.channel);
    endpoint.maintenance = etcdserverpb::Maintenance::NewStub(endpoint.channel);
    endpoint.cluster = aspen::v1::Cluster::NewStub(endpoint.channel);
    endpoint.actors = aspen::v1::Actors::NewStub(endpoint.channel);
  }
  return std::make_unique<Client>(std::move(state));
}

Client::Client(std::unique_ptr<State> state) : state_(std::move(state)) {
  ASPEN_ASSERT(!state_->endpoints.empty());
}
Client::~Client() = default;

Outcome<etcdserverpb::RangeResponse> Client::range(const etcdserverpb::RangeRequest& request) {
  return state_->anywhere<etcdserverpb::RangeResponse>(
      Repeat::freely, [&request](Endpoint& endpoint, auto& context, auto& response) {
        return endpoint.kv->Range(&context, request, &response);
      });
}

Outcome<etcdserverpb::PutResponse> Client::put(const etcdserverpb::PutRequest& request) {
  return state_->anywhere<etcdserverpb::PutResponse>(
      Repeat::if_not_applied, [&request](Endpoint& endpoint, auto& context, auto& response) {
        return endpoint.kv->Put(&context, request, &response);
      });
}

Outcome<etcdserverpb::DeleteRangeResponse> Client::delete_range(
    const etcdserverpb::DeleteRangeRequest& request) {
  return state_->anywhere<etcdserverpb::DeleteRangeResponse>(
      Repeat::if_not_applied, [&request](Endpoint& endpoint, auto& context, auto& response) {
        return endpoint.kv->DeleteRange(&context, request, &response);
      });
}

Outcome<etcdserverpb::MemberListResponse> Client::member_list() {
  etcdserverpb::MemberListRequest request;
  request.set_linearizable(true);
  return state_->anywhere<etcdserverpb::MemberListResponse>(
      Repeat::freely, [&request](Endpoint& endpoint, auto& context, auto& response) {
        return endpoint.etcd_cluster->MemberList(&context, request, &response);
      });
}

Outcome<aspen::v1::StateResponse> Client::any_state() {
  std::optional<aspen::v1::StateResponse> fallback;
  auto outcome = state_->anywhere<aspen::v1::StateResponse>(
      Repeat::freely, [&fallback](Endpoint& endpoint, auto& context, auto& response) {
        const ::grpc::Status status = endpoint.cluster->State(&context, {}, &response);
        if (!status.ok() || response.has_leader()) return status;
        // Who knows of no leader, as a removed member, knows an old membership.
        if (!fallback) fallback = response;
        return ::grpc::Status(::grpc::StatusCode::UNAVAILABLE, "it knows of no leader");
      });
  if (!outcome && fallback) return *fallback;
  return outcome;
}

Outcome<aspen::v1::AddLearnerResponse> Client::add_learner(
    const aspen::v1::AddLearnerRequest& request) {
  return state_->anywhere<aspen::v1::AddLearnerResponse>(
      Repeat::if_not_applied, [&request](Endpoint& endpoint, auto& context, auto& response) {
        return endpoint.cluster->AddLearner(&context, request, &response);
      });
}

Outcome<aspen::v1::RemoveNodeResponse> Client::remove_node(
    const aspen::v1::RemoveNodeRequest& request) {
  return state_->anywhere<aspen::v1::RemoveNodeResponse>(
      Repeat::if_not_applied, [&request](Endpoint& endpoint, auto& context, auto& response) {
        return endpoint.cluster->RemoveNode(&context, request, &response);
      });
}

Outcome<etcdserverpb::MemberPromoteResponse> Client::promote(std::uint64_t node_id) {
  etcdserverpb::MemberPromoteRequest request;
  request.set_id(node_id);
  return state_->anywhere<etcdserverpb::MemberPromoteResponse>(
      Repeat::if_not_applied, [&request](Endpoint& endpoint, auto& context, auto& response) {
        return endpoint.etcd_cluster->MemberPromote(&context, request, &response);
      });
}

Outcome<aspen::v1::TransferLeadershipResponse> Client::transfer_leadership(std::uint64_t node_id) {
  aspen::v1::TransferLeadershipRequest request;
  request.set_node_id(node_id);
  return state_->anywhere<aspen::v1::TransferLeadershipResponse>(
      Repeat::if_not_applied, [&request](Endpoint& endpoint, auto& context, auto& response) {
        return endpoint.cluster->TransferLeadership(&context, request, &response);
      });
}

Outcome<aspen::v1::DrainResponse> Client::drain(std::size_t endpoint) {
  return state_->at<aspen::v1::DrainResponse>(endpoint, Repeat::if_not_applied,
                                              [](Endpoint& to, auto& context, auto& response) {
                                                return to.cluster->Drain(&context, {}, &response);
                                              });
}

Outcome<aspen::v1::TreeResponse> Client::actors(std::size_t endpoint) {
  return state_->at<aspen::v1::TreeResponse>(endpoint, Repeat::freely,
                                             [](Endpoint& to, auto& context, auto& response) {
                                               return to.actors->Tree(&context, {}, &response);
                                             });
}

Outcome<aspen::v1::KillResponse> Client::kill_actor(std::size_t endpoint,
                                                    const aspen::v1::KillRequest& request) {
  return state_->at<aspen::v1::KillResponse>(
      endpoint, Repeat::if_not_applied, [&request](Endpoint& to, auto& context, auto& response) {
        return to.actors->Kill(&context, request, &response);
      });
}

Outcome<aspen::v1::InitResponse> Client::init(std::size_t endpoint,
                                              const aspen::v1::InitRequest& request) {
  return state_->at<aspen::v1::InitResponse>(
      endpoint, Repeat::if_not_applied, [&request](Endpoint& to, auto& context, auto& response) {
        return to.cluster->Init(&context, request, &response);
      });
}

Outcome<aspen::v1::StateResponse> Client::state(std::size_t endpoint) {
  return state_->at<aspen::v1::StateResponse>(endpoint, Repeat::freely,
                                              [](Endpoint& to, auto& context, auto& response) {
                                                return to.cluster->State(&context, {}, &response);
                                              });
}

Outcome<aspen::v1::MetricsResponse> Client::metrics(std::size_t endpoint) {
  return state_->at<aspen::v1::MetricsResponse>(
      endpoint, Repeat::freely, [](Endpoint& to, auto& context, auto& response) {
        return to.cluster->Metrics(&context, {}, &response);
      });
}

Outcome<etcdserverpb::StatusResponse> Client::status(std::size_t endpoint) {
  return state_->at<etcdserverpb::StatusResponse>(
      endpoint, Repeat::freely, [](Endpoint& to, auto& context, auto& response) {
        return to.maintenance->Status(&context, {}, &response);
      });
}

Outcome<etcdserverpb::SnapshotResponse> Client::snapshot(std::size_t endpoint,
                                                         const TakePiece& take) {
  return state_->at<etcdserverpb::SnapshotResponse>(
      endpoint, Repeat::freely, [&take](Endpoint& to, auto& context, auto& response) {
        constexpr auto patience = std::chrono::hours(24);
        context.set_deadline(std::chrono::system_clock::now() + patience);
        const auto pieces = to.maintenance->Snapshot(&context, {});
        while (pieces->Read(&response)) {
          if (!take(response.blob())) context.TryCancel();
        }
        return pieces->Finish();
      });
}

void Client::prefer_leader() {
  for (std::size_t i = 0; i < state_->endpoints.size(); ++i) {
    const auto known = state(i);
    if (!known || !known->has_leader()) continue;
    for (const std::string& address : known->leader().client_addresses()) {
      const auto found = std::find(state_->names.begin(), state_->names.end(), address);
      if (found == state_->names.end()) continue;
      state_->next.store(static_cast<std::size_t>(found - state_->names.begin()));
      return;
    }
  }
}

const std::vector<std::string>& Client::endpoints() const noexcept {
  return state_->names;
}

}  // namespace aspen::client
