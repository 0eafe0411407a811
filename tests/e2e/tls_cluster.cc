#include "tests/e2e/tls_cluster.h"

#include <signal.h>

#include <filesystem>

#include "aspen/v1/cluster.grpc.pb.h"

namespace aspen::e2e {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using support::CertificateAuthority;
using support::CertificateSpec;
using support::Issued;
using support::replace_file;

namespace {

constexpr std::size_t requests_per_connection = 10;

std::string name_of(TlsCluster::Port port) {
  return port == TlsCluster::Port::client ? "client" : "peer";
}

std::string http_get(std::uint16_t port, const std::string& path) {
  RawConnection connection(port);
  std::string text;
  if (!connection.connected()) return text;
  connection.send("GET " + path + " HTTP/1.0\r\nHost: localhost\r\n\r\n");
  static_cast<void>(connection.ends_within(seconds(5), &text));
  return text;
}

}  // namespace

// The secret file that the processes have by themselves is taken away: certificates must do.
TlsCluster::TlsCluster()
    : processes_({program("aspen-node"),
                  folder_.path() + "/nodes",
                  node_count,
                  {"--segment-bytes=16MiB", "--election-timeout=2s", "--peer-secret-file="}}) {
  std::filesystem::create_directories(folder_.path() + "/client");
  for (std::size_t i = 0; i < node_count; ++i) {
    std::filesystem::create_directories(folder_.path() + "/" + node(i).name);
    write_bundle(i, authority_.certificate());
  }
  renew_all(authority_, hours(10));
  use_client(authority_.issue({}), authority_.certificate());
}

std::string TlsCluster::file(std::size_t index, Port port, const std::string& name) const {
  return folder_.path() + "/" + node(index).name + "/" + name_of(port) + "-" + name;
}

CertificateSpec TlsCluster::spec(std::size_t index, Port port) const {
  CertificateSpec made;
  made.common_name = node(index).name + " " + name_of(port);
  if (port == Port::peer) made.hosts = {node(index).name};
  if (port == Port::client) made.addresses = {"127.0.0.1"};
  return made;
}

void TlsCluster::write_certificate(std::size_t index, Port port, const Issued& issued) {
  replace_file(file(index, port, "tls.crt"), issued.certificate);
  replace_file(file(index, port, "tls.key"), issued.key);
}

void TlsCluster::write_bundle(std::size_t index, const std::string& bundle) {
  replace_file(file(index, Port::client, "ca.crt"), bundle);
  replace_file(file(index, Port::peer, "ca.crt"), bundle);
}

void TlsCluster::renew_all(CertificateAuthority& authority, hours lifetime) {
  for (std::size_t i = 0; i < node_count; ++i) {
    for (const Port port : {Port::client, Port::peer}) {
      CertificateSpec made = spec(i, port);
      made.end = lifetime;
      write_certificate(i, port, authority.issue(made));
    }
  }
}

bool TlsCluster::renewed(std::size_t times) const {
  for (std::size_t i = 0; i < node_count; ++i) {
    if (log_count(i, "certificates renewed") < times) return false;
  }
  return true;
}

void TlsCluster::start(std::size_t index) {
  std::vector<std::string> flags;
  for (const Port port : {Port::client, Port::peer}) {
    const std::string begin = "--" + name_of(port) + "-tls-";
    flags.push_back(begin + "cert=" + file(index, port, "tls.crt"));
    flags.push_back(begin + "key=" + file(index, port, "tls.key"));
    flags.push_back(begin + "ca=" + file(index, port, "ca.crt"));
  }
  processes_.start(index, flags);
}

void TlsCluster::start() {
  for (std::size_t i = 0; i < node_count; ++i) start(i);
  ASSERT_TRUE(eventually([this] { return init(); })) << log(0);
  for (std::size_t i = 0; i < node_count; ++i) {
    ASSERT_TRUE(eventually([&] { return ready(i); })) << log(i);
  }
}

bool TlsCluster::ready(std::size_t index) const {
  return http_get(node(index).http_port, "/readyz").find(" 200 ") != std::string::npos;
}

bool TlsCluster::init() {
  aspen::v1::InitRequest request;
  for (const NodeProcess& each : processes_.nodes()) {
    auto& member = *request.add_members();
    member.set_name(each.name);
    member.set_peer_address("127.0.0.1:" + std::to_string(each.peer_port));
    member.add_client_addresses(each.client_address());
  }
  aspen::v1::InitResponse response;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + seconds(5));
  return aspen::v1::Cluster::NewStub(connect(0))->Init(&context, request, &response).ok();
}

void TlsCluster::use_client(const Issued& issued, const std::string& roots) {
  const std::string folder = folder_.path() + "/client/";
  replace_file(folder + "tls.crt", issued.certificate);
  replace_file(folder + "tls.key", issued.key);
  replace_file(folder + "ca.crt", roots);
  const std::lock_guard lock(mutex_);
  client_ = issued;
  client_roots_ = roots;
}

std::shared_ptr<grpc::Channel> TlsCluster::connect(std::size_t index) const {
  const std::lock_guard lock(mutex_);
  return connect(index, client_, client_roots_);
}

std::shared_ptr<grpc::Channel> TlsCluster::connect(std::size_t index, const Issued& issued,
                                                   const std::string& roots) const {
  grpc::ChannelArguments arguments;
  // Otherwise channels share connections.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(node(index).client_address(),
                                   grpc::SslCredentials({roots, issued.key, issued.certificate}),
                                   arguments);
}

grpc::Status TlsCluster::put(const std::shared_ptr<grpc::Channel>& channel,
                             const std::string& key) {
  etcdserverpb::PutRequest request;
  etcdserverpb::PutResponse response;
  request.set_key(key);
  request.set_value("value");
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + seconds(30));
  return etcdserverpb::KV::NewStub(channel)->Put(&context, request, &response);
}

std::optional<std::size_t> TlsCluster::leader() const {
  for (std::size_t i = 0; i < node_count; ++i) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + seconds(5));
    etcdserverpb::StatusResponse status;
    const auto stub = etcdserverpb::Maintenance::NewStub(connect(i));
    if (!stub->Status(&context, {}, &status).ok() || status.leader() == 0) continue;
    if (status.leader() == status.header().member_id()) return i;
  }
  return std::nullopt;
}

std::size_t TlsCluster::count_keys() const {
  etcdserverpb::RangeRequest request;
  etcdserverpb::RangeResponse response;
  request.set_key("load/");
  request.set_range_end("load0");
  request.set_count_only(true);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + seconds(10));
  const auto stub = etcdserverpb::KV::NewStub(connect(0));
  if (!stub->Range(&context, request, &response).ok()) return 0;
  return static_cast<std::size_t>(response.count());
}

std::vector<std::string> TlsCluster::client_flags() const {
  const std::string folder = folder_.path() + "/client/";
  return {"--cacert=" + folder + "ca.crt", "--cert=" + folder + "tls.crt",
          "--key=" + folder + "tls.key"};
}

Ended TlsCluster::etcdctl(std::size_t index, const std::vector<std::string>& words) const {
  std::vector<std::string> arguments{
      "/usr/bin/env",      "ETCDCTL_API=3",
      "etcdctl",           "--endpoints=https://" + node(index).client_address(),
      "--dial-timeout=3s", "--command-timeout=5s"};
  arguments.insert(arguments.end(), words.begin(), words.end());
  return run_to_end(arguments);
}

Ended TlsCluster::aspenctl(std::size_t index, const std::vector<std::string>& words) const {
  std::vector<std::string> arguments{program("aspenctl"), "--endpoints",
                                     node(index).client_address()};
  for (const std::string& flag : client_flags()) arguments.push_back(flag);
  arguments.insert(arguments.end(), words.begin(), words.end());
  return run_to_end(arguments);
}

std::string TlsCluster::log(std::size_t index) const {
  return read_text(processes_.log_file(index));
}

std::size_t TlsCluster::log_count(std::size_t index, const std::string& text) const {
  const std::string all = log(index);
  std::size_t found = 0;
  for (std::size_t at = all.find(text); at != std::string::npos; at = all.find(text, at + 1)) {
    ++found;
  }
  return found;
}

double TlsCluster::metric(std::size_t index, const std::string& series) const {
  const std::string page = http_get(node(index).http_port, "/metrics");
  const std::size_t at = page.find("\n" + series + " ");
  return at == std::string::npos ? -1 : std::stod(page.substr(at + series.size() + 2));
}

// There is no condition to wait for: a stopped process says nothing.
void TlsCluster::let_links_break(std::size_t index) {
  ASSERT_EQ(::kill(node(index).pid, SIGSTOP), 0);
  std::this_thread::sleep_for(seconds(2));
  ASSERT_EQ(::kill(node(index).pid, SIGCONT), 0);
}

// ---- load

TlsLoad::TlsLoad(const TlsCluster& cluster, std::vector<std::size_t> nodes) {
  for (const std::size_t node : nodes) {
    for (const Habit habit : {Habit::stays, Habit::comes_and_goes}) {
      threads_.emplace_back([this, &cluster, node, habit] { run(cluster, node, habit); });
    }
  }
}

void TlsLoad::stop() {
  stopping_ = true;
  threads_.clear();
}

void TlsLoad::run(const TlsCluster& cluster, std::size_t node, Habit habit) {
  const std::string prefix =
      "load/" + std::to_string(node) + (habit == Habit::stays ? "/stays/" : "/comes/");
  std::shared_ptr<grpc::Channel> channel = cluster.connect(node);
  for (std::size_t i = 0; !stopping_; ++i) {
    if (habit == Habit::comes_and_goes && i % requests_per_connection == 0) {
      channel = cluster.connect(node);
    }
    const grpc::Status status = TlsCluster::put(channel, prefix + std::to_string(i));
    if (status.ok()) {
      ++done_;
      continue;
    }
    const std::lock_guard lock(mutex_);
    failures_.push_back(prefix + std::to_string(i) + ": " + status.error_message());
  }
}

bool TlsLoad::goes_on(std::size_t more) {
  const std::size_t wanted = done_ + more;
  return eventually([&] { return done_ >= wanted; });
}

std::vector<std::string> TlsLoad::failures() const {
  const std::lock_guard lock(mutex_);
  return failures_;
}

}  // namespace aspen::e2e
