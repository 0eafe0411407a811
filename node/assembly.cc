#include "node/assembly.h"

#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <future>
#include <utility>

#include "node/actor/thread_system.h"
#include "node/adapter/grpc/grpc_server.h"
#include "node/adapter/http/http_server.h"
#include "node/adapter/posix/clock.h"
#include "node/adapter/posix/entropy.h"
#include "node/adapter/posix/file_system.h"
#include "node/adapter/prometheus/prometheus_telemetry.h"
#include "node/adapter/rocksdb/rocksdb_state_store.h"
#include "node/adapter/segment_log/segment_log.h"
#include "node/adapter/tcp/tcp_transport.h"
#include "node/adapter/tls/certificate_files.h"
#include "node/adapter/tls/hmac_authenticator.h"
#include "node/adapter/tls/tls_transport.h"
#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/cluster/node_server.h"
#include "node/cluster_peers.h"
#include "node/file_identity_store.h"
#include "node/gateway/gateway.h"
#include "node/health_board.h"
#include "node/replica/node_actor.h"
#include "node/replica/raft_actor.h"
#include "node/resources.h"
#include "node/stopping_health.h"
#include "node/version.h"

namespace aspen {

namespace {

constexpr std::size_t consensus_worker = 0;
// Consensus and links, log, state, reads, reads of the log, snapshots.
constexpr std::size_t workers = 6;
// A log of so many segments is kept for a member that lags.
constexpr std::uint64_t log_segments_kept = 8;
constexpr std::uint64_t state_open_bytes = 8 * 1024 * 1024;
constexpr Duration hand_over_time = std::chrono::seconds(2);
constexpr Duration drain_time = std::chrono::seconds(3);
constexpr Duration stop_time = std::chrono::seconds(10);

// The state store's share of the memory limit; the rest is the log's tail, messages and clients.
constexpr std::uint64_t state_memory(std::uint64_t limit) {
  return limit * 35 / 100;
}

// What connections and requests may occupy in gRPC, and what unread answers may besides.
constexpr std::uint64_t client_memory(std::uint64_t limit) {
  return limit / 4;
}

int exit_status_of(Code code) {
  const bool identity = code == Code::unsupported || code == Code::wrong_cluster ||
                        code == Code::wrong_incarnation || code == Code::not_found;
  const bool usage = code == Code::invalid_argument || code == Code::unavailable ||
                     code == Code::permission_denied;
  if (identity) return exit_identity;
  return usage ? exit_usage : exit_durability;
}

std::unique_ptr<StartFailure> failure(const std::string& what, const Error& error) {
  std::string text = what + ": " + error.what;
  if (error.detail != 0) text += " (" + std::to_string(error.detail) + ")";
  return std::make_unique<StartFailure>(StartFailure{exit_status_of(error.code), text});
}

// For the log.
std::string tls_mode(const TlsFiles& files) {
  if (!files.on()) return "off";
  return files.ca.empty() ? "server" : "mutual";
}

class ProcessFatal final : public Fatal {
 public:
  explicit ProcessFatal(LogSink& log) : log_(log) {}
  void set_describe(std::function<std::string()> describe) { describe_ = std::move(describe); }

  void fail(std::string_view component, const Error& error) noexcept override {
    log_.error(component, "the node ends: this cannot be healed by a retry",
               {{"error", error}, {"where", describe_ ? describe_() : std::string()}});
    ::_exit(exit_status_of(error.code));
  }

 private:
  LogSink& log_;
  std::function<std::string()> describe_;
};

class NoConnections final : public ListenerSink {
 public:
  void on_accept(std::unique_ptr<Stream>) override {}
};

actor::ChildOptions permanent(const char* name) {
  actor::ChildOptions options;
  options.name = name;
  options.worker = consensus_worker;
  options.mailbox_capacity = limits::replica_mailbox_max;
  return options;
}

}  // namespace

struct Assembly::Parts {
  Parts(const NodeConfig& node_config, LogSink& log_sink)
      : config(node_config),
        log(log_sink),
        fatal(log_sink),
        identity_store(files, node_config.data_dir) {}

  [[nodiscard]] std::unique_ptr<StartFailure> open_directory();
  [[nodiscard]] std::unique_ptr<StartFailure> load_identity();
  [[nodiscard]] std::unique_ptr<StartFailure> load_certificates();
  [[nodiscard]] std::unique_ptr<StartFailure> load_secret();
  [[nodiscard]] std::unique_ptr<StartFailure> make_room_for_state();
  [[nodiscard]] std::unique_ptr<StartFailure> open_state();
  [[nodiscard]] std::unique_ptr<StartFailure> open_transport();
  [[nodiscard]] std::unique_ptr<StartFailure> spawn_actors();
  [[nodiscard]] std::unique_ptr<StartFailure> serve();
  [[nodiscard]] Result<std::shared_ptr<LogStore>> open_log(const replica::Identity& identity);
  [[nodiscard]] std::uint64_t memory_limit() const;
  [[nodiscard]] std::string control_socket() const;
  [[nodiscard]] replica::ReplicaPorts replica_ports();
  [[nodiscard]] replica::ReplicaOptions replica_options() const;

  const NodeConfig config;
  LogSink& log;
  adapter::posix::PosixClock clock;
  adapter::posix::PosixEntropy entropy;
  adapter::posix::PosixFileSystem files;
  adapter::PrometheusTelemetry telemetry;
  LockedHealthBoard board;
  StoppingHealth health{board};
  ProcessFatal fatal;
  FileIdentityStore identity_store;
  replica::Identity identity;
  adapter::segment_log::LogDamage damage;
  std::unique_ptr<FileLock> lock;
  std::unique_ptr<adapter::tls::FileCertificates> client_certificates;  // null: plaintext
  std::unique_ptr<adapter::tls::FileCertificates> peer_certificates;    // likewise
  std::unique_ptr<adapter::tls::HmacAuthenticator> authenticator;
  std::unique_ptr<adapter::rocksdb::RocksdbStateStore> state;
  std::unique_ptr<adapter::tcp::TcpTransport> transport;
  std::unique_ptr<adapter::tls::TlsTransport> tls_transport;  // over the other; null: plaintext
  cluster::NodeMemory memory;
  std::unique_ptr<ClusterPeers> peers;
  std::unique_ptr<actor::ThreadSystem> system;
  actor::Ref<replica::RaftProtocol> raft;
  actor::Ref<replica::NodeProtocol> node;
  std::unique_ptr<gateway::Gateway> gateway;
  std::unique_ptr<gateway::SystemActors> actors;
  std::unique_ptr<adapter::GrpcServer> grpc;
  std::unique_ptr<adapter::HttpServer> http;
};

std::unique_ptr<StartFailure> Assembly::Parts::open_directory() {
  if (const Result<void> made = files.create_directory(config.data_dir); !made) {
    return std::make_unique<StartFailure>(StartFailure{
        exit_usage, "--data-dir " + config.data_dir + " cannot be created or written"});
  }
  Result<std::unique_ptr<FileLock>> locked = files.lock(config.data_dir + "/LOCK");
  if (!locked) {
    const bool held = locked.error().code == Code::unavailable;
    return std::make_unique<StartFailure>(StartFailure{
        exit_usage, "--data-dir " + config.data_dir +
                        (held ? " is in use by another process" : " cannot be locked")});
  }
  lock = std::move(*locked);
  return nullptr;
}

std::unique_ptr<StartFailure> Assembly::Parts::load_identity() {
  Result<replica::Identity> loaded = identity_store.load();
  if (loaded) {
    identity = std::move(*loaded);
    if (identity.name == config.name) return nullptr;
    return std::make_unique<StartFailure>(StartFailure{
        exit_identity, "the data directory belongs to node '" + identity.name + "', not to '" +
                           config.name + "': start this node with its own directory; without it " +
                           "its identity is lost, replace this member"});
  }
  if (loaded.error().code != Code::not_found) return failure("identity", loaded.error());
  // Born now: with data but without its identity it must not answer as the old node (rule P14).
  for (const char* left : {"log", "state"}) {
    const Result<std::vector<std::string>> files_left = files.list(config.data_dir + "/" + left);
    if (!files_left || files_left->empty()) continue;
    return std::make_unique<StartFailure>(StartFailure{
        exit_identity, "the data directory " + config.data_dir + " has a '" + left +
                           "' folder but no identity file: its identity is lost, replace this "
                           "member"});
  }
  identity.name = config.name;
  identity.self.incarnation = {entropy.u64(), entropy.u64()};
  if (const Result<void> saved = identity_store.save(identity); !saved) {
    return failure("identity", saved.error());
  }
  return nullptr;
}

std::unique_ptr<StartFailure> Assembly::Parts::load_certificates() {
  using adapter::tls::CertificateUse;
  struct Wanted {
    CertificateUse use;
    const TlsFiles& files;
    std::unique_ptr<adapter::tls::FileCertificates>& loaded;
  };
  for (const Wanted& wanted :
       {Wanted{CertificateUse::client_port, config.client_tls, client_certificates},
        Wanted{CertificateUse::peer, config.peer_tls, peer_certificates}}) {
    if (!wanted.files.on()) continue;
    auto loaded = adapter::tls::FileCertificates::load(
        {{wanted.files.cert, wanted.files.key, wanted.files.ca}, wanted.use},
        {clock, log, telemetry});
    if (!loaded) {
      return std::make_unique<StartFailure>(StartFailure{exit_usage, loaded.error().text});
    }
    wanted.loaded = std::move(*loaded);
  }
  return nullptr;
}

std::unique_ptr<StartFailure> Assembly::Parts::load_secret() {
  if (config.peer_secret_file.empty()) {
    authenticator = std::make_unique<adapter::tls::HmacAuthenticator>("");
    if (peer_certificates != nullptr) return nullptr;  // they are the proof
    log.warn("node", "no --peer-secret-file: any process that reaches the peer port may join");
    return nullptr;
  }
  Result<adapter::tls::HmacAuthenticator::Loaded> loaded =
      adapter::tls::HmacAuthenticator::load(config.peer_secret_file);
  if (!loaded) {
    return std::make_unique<StartFailure>(StartFailure{
        exit_usage, "--peer-secret-file " + config.peer_secret_file + ": " + loaded.error().what});
  }
  if (!loaded->warning.empty()) log.warn("node", loaded->warning);
  authenticator = std::move(loaded->authenticator);
  return nullptr;
}

// The state store cannot be opened on a full disk. Spare files of the log hold nothing: one of them
// gives way, so that the node can vote and serve reads until there is room.
std::unique_ptr<StartFailure> Assembly::Parts::make_room_for_state() {
  const std::string log_directory = config.data_dir + "/log";
  const auto short_of_room = [this] {
    return files.free_bytes(config.data_dir).value_or(UINT64_MAX) < state_open_bytes;
  };
  if (!short_of_room()) return nullptr;
  log.warn("node", "the disk is full: a spare file of the log gives way to the state store");
  for (const std::string& name : files.list(log_directory).value_or(std::vector<std::string>())) {
    if (!short_of_room()) break;
    if (!adapter::segment_log::SegmentPool::owns(name)) continue;
    if (const auto removed = files.remove(log_directory + "/" + name); !removed) {
      return failure("log", removed.error());
    }
  }
  if (!short_of_room()) return nullptr;
  return std::make_unique<StartFailure>(
      StartFailure{exit_durability, "the disk of --data-dir " + config.data_dir +
                                        " is full: free at least 8 MiB, then start this node "
                                        "again"});
}

std::uint64_t Assembly::Parts::memory_limit() const {
  return config.memory_limit_bytes != 0 ? config.memory_limit_bytes : memory_limit_bytes("/");
}

std::unique_ptr<StartFailure> Assembly::Parts::open_state() {
  const std::uint64_t limit = memory_limit();
  adapter::rocksdb::RocksdbOptions options;
  options.directory = config.data_dir + "/state";
  options.memory_bytes =
      std::max<std::uint64_t>(state_memory(limit), limits::state_store_memory_bytes_min);
  if (auto full = make_room_for_state()) return full;
  Result<std::unique_ptr<adapter::rocksdb::RocksdbStateStore>> opened =
      adapter::rocksdb::RocksdbStateStore::open(options);
  if (!opened) return failure("state store in " + options.directory, opened.error());
  state = std::move(*opened);
  log.info("node", "state store open", {{"memory_limit_bytes", limit}});
  return nullptr;
}

std::unique_ptr<StartFailure> Assembly::Parts::open_transport() {
  Result<std::unique_ptr<adapter::tcp::TcpTransport>> created =
      adapter::tcp::TcpTransport::create();
  if (!created) return failure("network", created.error());
  transport = std::move(*created);
  if (peer_certificates != nullptr) {
    auto tls = adapter::tls::TlsTransport::create(*transport, *peer_certificates);
    if (!tls) return failure("--peer-tls-cert " + config.peer_tls.cert, tls.error());
    tls_transport = std::move(*tls);
  }
  // Said here, where it is a matter of configuration and the cause is known; those who listen for
  // good come later, and two of them cannot tell what is wrong.
  NoConnections nobody;
  const std::pair<const char*, const std::string*> ports[] = {
      {"--listen-peer", &config.listen_peer},
      {"--listen-client", &config.listen_client},
      {"--listen-http", &config.listen_http}};
  for (const auto& [flag, address] : ports) {
    const Result<std::unique_ptr<Listener>> tried = transport->listen(*address, nobody);
    if (tried) continue;
    return std::make_unique<StartFailure>(
        StartFailure{exit_usage, std::string(flag) + " " + *address + ": " + tried.error().what});
  }
  return nullptr;
}

Result<std::shared_ptr<LogStore>> Assembly::Parts::open_log(const replica::Identity& of) {
  adapter::segment_log::SegmentLogOptions options;
  options.directory = config.data_dir + "/log";
  options.cluster = of.cluster;
  options.self = of.self;
  options.segment_bytes = config.segment_bytes;
  options.keep_free_bytes = config.segment_bytes;
  options.creation = of.started ? adapter::segment_log::Creation::never
                                : adapter::segment_log::Creation::if_absent;
  Result<std::unique_ptr<adapter::segment_log::SegmentLog>> opened =
      adapter::segment_log::SegmentLog::open(files, options, &damage);
  if (!opened) return tl::unexpected<Error>(opened.error());
  return std::shared_ptr<LogStore>(std::move(*opened));
}

replica::ReplicaPorts Assembly::Parts::replica_ports() {
  return replica::ReplicaPorts{
      clock,
      entropy,
      identity_store,
      [this](const replica::Identity& of) { return open_log(of); },
      *state,
      [this] { return files.free_bytes(config.data_dir).value_or(UINT64_MAX); },
      *peers,
      health,
      telemetry,
      log,
      fatal,
      &files,
      config.data_dir + "/snapshots"};
}

replica::ReplicaOptions Assembly::Parts::replica_options() const {
  replica::ReplicaOptions options;
  options.election_timeout = config.election_timeout;
  options.heartbeat_interval = config.heartbeat_interval;
  options.reserve_bytes = 3 * config.segment_bytes;
  options.log_bytes_max = log_segments_kept * config.segment_bytes;
  return options;
}

std::unique_ptr<StartFailure> Assembly::Parts::spawn_actors() {
  actor::ThreadOptions options;
  options.system.workers = workers;
  options.system.seed = entropy.u64();
  options.system.on_give_up = [this](const Error& error) {
    log.error("node", "a supervisor gave up", {{"error", error}});
    ::_exit(exit_supervision);
  };
  options.system.on_failure = [this](const actor::FailureNote& note) {
    const bool restarts = note.remedy == actor::Remedy::restart;
    const auto delay = std::chrono::duration_cast<std::chrono::milliseconds>(note.delay);
    log.warn("node", restarts ? "an actor is restarted" : "an actor failed, and its supervisor",
             {{"actor", note.name.empty() ? std::string(note.type) : note.name},
              {"error", note.error},
              {"delay_ms", static_cast<std::uint64_t>(delay.count())}});
  };
  options.on_stuck = [this] {
    log.error("node", "a handler does not return: the process ends without it");
    ::_exit(exit_supervision);
  };
  options.pollers = {transport.get()};
  system = std::make_unique<actor::ThreadSystem>(std::move(options), clock);
  fatal.set_describe([this] {
    return damage.file.empty() ? std::string() : adapter::segment_log::describe(damage);
  });
  memory.identity = {identity.cluster, identity.self, identity.name};
  memory.client_address = config.advertise_client;
  if (!identity.removed) memory.members = identity.bootstrap;
  cluster::NodeServerOptions server_options;
  server_options.listen_address = config.listen_peer;
  Transport& links =
      tls_transport != nullptr ? *tls_transport : static_cast<Transport&>(*transport);
  const auto server = system->spawn<cluster::NodeServer>(
      permanent("links"),
      cluster::NodeServerDeps{links, *authenticator, entropy, log, telemetry, memory},
      server_options);
  if (!server) return failure("links", server.error());
  peers = std::make_unique<ClusterPeers>(*server, config.name);
  const auto replica =
      system->spawn<replica::RaftActor>(permanent("raft"), replica_ports(), replica_options());
  if (!replica) return failure("replica", replica.error());
  raft = *replica;
  peers->set_raft(raft);
  const auto spawned = system->spawn<replica::NodeActor>(
      permanent("node"),
      replica::NodeActor::Parts{clock,
                                entropy,
                                identity_store,
                                *peers,
                                log,
                                fatal,
                                raft,
                                {config.advertise_peer, config.advertise_client}});
  if (!spawned) return failure("node", spawned.error());
  node = *spawned;
  connect_handlers(memory, ClusterTargets{raft, node, log});
  system->start();
  return nullptr;
}

// Empty if the path is too long for the address of a socket.
std::string Assembly::Parts::control_socket() const {
  std::string path = config.data_dir + "/control.sock";
  if (path.size() < sizeof(sockaddr_un::sun_path)) return path;
  log.warn("node", "no control socket: the path of the data directory is too long",
           {{"data_dir", config.data_dir}});
  return {};
}

std::unique_ptr<StartFailure> Assembly::Parts::serve() {
  gateway = std::make_unique<gateway::Gateway>(gateway::Gateway::Parts{clock, health, raft, node},
                                               gateway::GatewayOptions{config.election_timeout});
  actors = std::make_unique<gateway::SystemActors>(*system);
  adapter::GrpcServerOptions options;
  options.listen = {config.listen_client};
  options.reflection = config.grpc_reflection ? adapter::Reflection::on : adapter::Reflection::off;
  options.version = version;
  options.memory_bytes = client_memory(memory_limit());
  options.answers_bytes_max = static_cast<std::size_t>(
      std::min<std::uint64_t>(limits::answers_in_flight_bytes_max, client_memory(memory_limit())));
  options.control_socket = control_socket();
  Result<std::unique_ptr<adapter::GrpcServer>> served = adapter::GrpcServer::start(
      options, {*gateway, clock, telemetry, client_certificates.get(), &log, actors.get()});
  if (!served) return failure("--listen-client " + config.listen_client, served.error());
  grpc = std::move(*served);
  Result<std::unique_ptr<adapter::HttpServer>> pages = adapter::HttpServer::start(
      {config.listen_http},
      {[this] { return telemetry.serialize(); }, [this] { return gateway->health(); }, version});
  if (!pages) return failure("--listen-http " + config.listen_http, pages.error());
  http = std::move(*pages);
  log.info("node", "serving",
           {{"client", config.listen_client},
            {"peer", config.listen_peer},
            {"http", config.listen_http},
            {"client_tls", tls_mode(config.client_tls)},
            {"peer_tls", tls_mode(config.peer_tls)},
            {"initialised", identity.initialised() ? std::string("yes") : std::string("no")}});
  return nullptr;
}

Assembly::Assembly(const NodeConfig& config, LogSink& log)
    : parts_(std::make_unique<Parts>(config, log)) {}

Assembly::~Assembly() = default;

std::unique_ptr<StartFailure> Assembly::start() {
  Parts& parts = *parts_;
  for (const auto step : {&Parts::load_certificates, &Parts::open_directory, &Parts::load_identity,
                          &Parts::load_secret, &Parts::open_transport, &Parts::open_state,
                          &Parts::spawn_actors, &Parts::serve}) {
    if (auto failed = (parts.*step)()) return failed;
  }
  return nullptr;
}

// Before clients are drained, so that the others need no election. A node that is alone, or whose
// peers are, goes on with the stop.
void Assembly::hand_over() {
  Parts& parts = *parts_;
  if (!parts.raft) return;
  const auto done = std::make_shared<std::promise<void>>();
  std::future<void> handed_over = done->get_future();
  parts.raft.ask_from_outside(
      replica::HandOver{}, [done, &log = parts.log](Result<replica::HandedOver>&& answer) {
        if (!answer)
          log.info("node", "the leadership was not handed over", {{"error", answer.error()}});
        done->set_value();
      });
  if (handed_over.wait_for(hand_over_time) != std::future_status::ready) {
    parts.log.warn("node", "the leadership was not handed over in time");
  }
}

void Assembly::stop() {
  Parts& parts = *parts_;
  // First, so that nobody is sent here while clients are drained.
  parts.health.stop();
  hand_over();
  if (parts.node && !parts.node.tell(replica::Stopping{})) {
    parts.log.warn("node", "the node's actor did not hear of the stop");
  }
  if (parts.grpc != nullptr) parts.grpc->stop(drain_time);
  parts.http.reset();
  if (parts.system != nullptr) {
    if (const Result<void> stopped = parts.system->stop(stop_time); !stopped) {
      parts.log.warn("node", "an actor did not stop in time");
    }
  }
  parts.grpc.reset();
  parts.state.reset();
}

}  // namespace aspen
