#include "node/adapter/grpc/grpc_server.h"

#include <absl/synchronization/mutex.h>
#include <grpc/support/time.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/impl/server_builder_option.h>
#include <grpcpp/impl/server_builder_plugin.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <sys/stat.h>

#include "node/adapter/grpc/aspen_actors_service.h"
#include "node/adapter/grpc/aspen_cluster_service.h"
#include "node/adapter/grpc/call.h"
#include "node/adapter/grpc/etcd_cluster_service.h"
#include "node/adapter/grpc/etcd_kv_service.h"
#include "node/adapter/grpc/etcd_maintenance_service.h"
#include "node/adapter/grpc/grpc_log.h"
#include "node/adapter/grpc/health_service.h"
#include "node/adapter/grpc/staged_certificates.h"
#include "node/adapter/grpc/unserved_methods.h"
#include "node/base/limits.h"

namespace aspen::adapter {

struct GrpcServer::State {
  State(const GrpcServerOptions& options, GrpcServerPorts ports)
      : frontend{ports.service,
                 ports.clock,
                 ports.telemetry,
                 AnswerBudget(options.answers_bytes_max),
                 {}},
        kv(frontend),
        etcd_cluster(frontend),
        maintenance(frontend),
        aspen_cluster(frontend, options.version),
        actors(frontend, ports.actors),
        health(frontend, service_names()) {}

  static std::vector<std::string> service_names() {
    return {etcdserverpb::KV::service_full_name(), etcdserverpb::Cluster::service_full_name(),
            etcdserverpb::Maintenance::service_full_name(), aspen::v1::Cluster::service_full_name(),
            aspen::v1::Actors::service_full_name()};
  }

  void register_services(::grpc::ServerBuilder& builder) {
    builder.RegisterService(&kv);
    builder.RegisterService(&etcd_cluster);
    builder.RegisterService(&maintenance);
    builder.RegisterService(&aspen_cluster);
    builder.RegisterService(&actors);
    builder.RegisterService(&health);
    std::vector<std::unique_ptr<::grpc::experimental::ServerInterceptorFactoryInterface>> counting;
    counting.push_back(
        std::make_unique<UnservedMethods>(frontend.telemetry, service_names(), frontend.served));
    builder.experimental().SetInterceptorCreators(std::move(counting));
  }

  std::unique_ptr<GrpcLog> log;
  std::unique_ptr<StagedCertificates> certificates;
  Frontend frontend;
  EtcdKvService kv;
  EtcdClusterService etcd_cluster;
  EtcdMaintenanceService maintenance;
  AspenClusterService aspen_cluster;
  AspenActorsService actors;
  HealthService health;
  std::vector<std::uint16_t> listening_ports;
  std::unique_ptr<::grpc::Server> server;
};

namespace {

// etcd's: clients that ping more often than every 5 s are sent away; a silent client is pinged
// after 2 h and given up 20 s later.
constexpr int ping_interval_min_ms = 5'000;
constexpr int keepalive_ms = 2 * 3600 * 1000;
constexpr int keepalive_timeout_ms = 20'000;

// Linking gRPC's reflection library is enough to give every server of the process the service.
class WithoutReflection final : public ::grpc::ServerBuilderOption {
 public:
  void UpdateArguments(::grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<::grpc::ServerBuilderPlugin>>* plugins) override {
    std::erase_if(*plugins,
                  [](const auto& plugin) { return plugin->name() == "proto_server_reflection"; });
  }
};

// ":2379" is every address of the machine.
std::string with_host(const std::string& address) {
  return address.starts_with(':') ? "[::]" + address : address;
}

void set_up(::grpc::ServerBuilder& builder, std::uint64_t memory_bytes) {
  builder.SetMaxReceiveMessageSize(static_cast<int>(limits::grpc_message_bytes_max));
  builder.SetMaxSendMessageSize(-1);
  // Without this a second server would share the port instead of being refused.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                             limits::grpc_streams_per_connection_max);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             ping_interval_min_ms);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, keepalive_ms);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, keepalive_timeout_ms);
  if (memory_bytes == 0) return;
  ::grpc::ResourceQuota quota("aspen");
  builder.SetResourceQuota(quota.Resize(memory_bytes));
}

// False if there is no such socket although one is wanted.
bool close_to_others(const std::string& control_socket) {
  return control_socket.empty() || ::chmod(control_socket.c_str(), S_IRUSR | S_IWUSR) == 0;
}

}  // namespace

Result<std::unique_ptr<GrpcServer>> GrpcServer::start(const GrpcServerOptions& options,
                                                      GrpcServerPorts ports) {
  if (options.listen.empty()) {
    return fail(Code::invalid_argument, "a client listen address is needed, as host:port");
  }
  // Debian's abseil keeps a graph of all lock orders of gRPC; nobody looks at it, every call pays.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  auto state = std::make_unique<State>(options, ports);
  ::grpc::ServerBuilder builder;
  set_up(builder, options.memory_bytes);
  if (options.reflection == Reflection::off) {
    builder.SetOption(std::make_unique<WithoutReflection>());
  } else {
    // A reference to the library, lest the linker leaves it out; it has registered itself already.
    ::grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  }
  if (ports.log != nullptr) state->log = std::make_unique<GrpcLog>(*ports.log);
  std::shared_ptr<::grpc::ServerCredentials> credentials = ::grpc::InsecureServerCredentials();
  if (ports.certificates != nullptr) {
    auto staged = StagedCertificates::make(*ports.certificates, ports.log);
    if (!staged) return tl::unexpected(staged.error());
    state->certificates = std::move(*staged);
    credentials = state->certificates->credentials();
  }
  std::vector<int> selected(options.listen.size(), 0);
  for (std::size_t i = 0; i < selected.size(); ++i) {
    builder.AddListeningPort(with_host(options.listen[i]), credentials, &selected[i]);
  }
  int control = 0;
  if (!options.control_socket.empty()) {
    builder.AddListeningPort("unix:" + options.control_socket, ::grpc::InsecureServerCredentials(),
                             &control);
  }
  state->register_services(builder);
  state->server = builder.BuildAndStart();
  for (std::size_t i = 0; i < selected.size(); ++i) {
    if (state->server != nullptr && selected[i] > 0) continue;
    if (selected[i] > 0 && i + 1 < selected.size()) continue;
    if (selected[i] > 0 && !options.control_socket.empty()) break;  // the last one to be opened
    return fail(Code::unavailable,
                "cannot listen on the client address: malformed, in use, or not of this machine",
                i);
  }
  if (state->server == nullptr || !close_to_others(options.control_socket)) {
    return fail(Code::unavailable, "cannot make the control socket", selected.size());
  }
  for (const int port : selected) {
    state->listening_ports.push_back(static_cast<std::uint16_t>(port));
  }
  return std::unique_ptr<GrpcServer>(new GrpcServer(std::move(state)));
}

GrpcServer::GrpcServer(std::unique_ptr<State> state) : state_(std::move(state)) {
  ASPEN_ASSERT(state_->server != nullptr);
}

GrpcServer::~GrpcServer() {
  stop(Duration::zero());
}

void GrpcServer::stop(Duration drain) {
  ASPEN_ASSERT(drain >= Duration::zero());
  if (state_->frontend.stopping.exchange(true)) return;
  state_->server->Shutdown(
      gpr_time_add(gpr_now(GPR_CLOCK_REALTIME), gpr_time_from_nanos(drain.count(), GPR_TIMESPAN)));
}

const std::vector<std::uint16_t>& GrpcServer::listening_ports() const {
  return state_->listening_ports;
}

}  // namespace aspen::adapter
