#include "tests/bench/aspen_bench_cluster.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "node/adapter/prometheus/process_stat.h"
#include "node/client/client.h"
#include "tests/bench/aspen_bench_load.h"
#include "tests/support/ports.h"

namespace aspen::bench {
namespace {

constexpr std::size_t nodes = 3;
constexpr auto start_wait_max = std::chrono::seconds(30);
constexpr auto stop_wait_max = std::chrono::seconds(10);
constexpr auto poll_interval = std::chrono::milliseconds(20);

std::string free_address() {
  return "127.0.0.1:" + std::to_string(support::free_port());
}

pid_t spawn(const std::vector<std::string>& arguments, const std::string& log_file) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int log = ::open(log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  ::execvp(argv[0], argv.data());
  ::_exit(127);
}

template <class Condition>
bool wait_until(std::chrono::seconds limit, Condition condition) {
  const auto by = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > by) return false;
    std::this_thread::sleep_for(poll_interval);
  }
  return true;
}

adapter::ProcessStat use_of(pid_t pid) {
  return adapter::read_process_stat("/proc/" + std::to_string(pid) + "/stat")
      .value_or(adapter::ProcessStat{});
}

}  // namespace

tl::expected<std::unique_ptr<BenchCluster>, std::string> BenchCluster::start(
    Kind kind, const std::string& binary, const std::string& directory) {
  auto cluster = std::make_unique<BenchCluster>(kind, binary, directory);
  const auto started = cluster->start_all();
  if (!started) return tl::unexpected(started.error());
  return cluster;
}

BenchCluster::BenchCluster(Kind kind, std::string binary, std::string directory)
    : kind_(kind), binary_(std::move(binary)), directory_(std::move(directory)) {
  for (std::size_t i = 0; i < nodes; ++i) {
    client_.push_back(free_address());
    peer_.push_back(free_address());
    http_.push_back(free_address());
  }
}

BenchCluster::~BenchCluster() {
  for (const pid_t pid : pids_) ::kill(pid, SIGTERM);
  for (const pid_t pid : pids_) {
    const auto ended = [pid] { return ::waitpid(pid, nullptr, WNOHANG) != 0; };
    if (wait_until(stop_wait_max, ended)) continue;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
}

std::vector<std::string> BenchCluster::arguments_of(std::size_t node) const {
  const std::string name = "n" + std::to_string(node + 1);
  const std::string data = directory_ + "/" + name + "/data";
  if (kind_ == Kind::aspen) {
    return {binary_,
            "--name",
            name,
            "--data-dir",
            data,
            "--listen-client",
            client_[node],
            "--listen-peer",
            peer_[node],
            "--listen-http",
            http_[node],
            "--peer-secret-file",
            directory_ + "/secret"};
  }
  std::string all;
  for (std::size_t i = 0; i < nodes; ++i) {
    all += (i == 0 ? "n" : ",n") + std::to_string(i + 1) + "=http://" + peer_[i];
  }
  return {binary_,
          "--name=" + name,
          "--data-dir=" + data,
          "--listen-client-urls=http://" + client_[node],
          "--advertise-client-urls=http://" + client_[node],
          "--listen-peer-urls=http://" + peer_[node],
          "--initial-advertise-peer-urls=http://" + peer_[node],
          "--initial-cluster=" + all,
          "--initial-cluster-state=new",
          "--quota-backend-bytes=8589934592",
          "--log-level=warn"};
}

tl::expected<void, std::string> BenchCluster::start_all() {
  std::filesystem::create_directories(directory_);
  std::ofstream(directory_ + "/secret") << "a secret of the benchmark's cluster\n";
  std::filesystem::permissions(directory_ + "/secret", std::filesystem::perms::owner_read |
                                                           std::filesystem::perms::owner_write);
  for (std::size_t i = 0; i < nodes; ++i) {
    const std::string folder = directory_ + "/n" + std::to_string(i + 1);
    std::filesystem::create_directories(folder + "/data");
    std::filesystem::permissions(folder + "/data", std::filesystem::perms::owner_all);
    pids_.push_back(spawn(arguments_of(i), folder + "/log"));
  }
  if (kind_ == Kind::aspen) {
    const auto made = init_aspen();
    if (!made) return made;
  }
  const auto led = [this] { return !alive() || !leader_of(client_).empty(); };
  if (!wait_until(start_wait_max, led) || !alive()) {
    return tl::unexpected(binary_ + " found no leader; its logs are under " + directory_);
  }
  return {};
}

bool BenchCluster::alive() const {
  for (const pid_t pid : pids_) {
    siginfo_t ended{};
    if (::waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | WNOHANG | WNOWAIT) != 0 ||
        ended.si_pid != 0) {
      return false;
    }
  }
  return true;
}

tl::expected<void, std::string> BenchCluster::init_aspen() const {
  client::Options options;
  options.endpoints = client_;
  options.timeout = std::chrono::seconds(20);
  const auto client = client::Client::create(options);
  if (!client) return tl::unexpected(client.error().message);
  for (std::size_t i = 0; i < nodes; ++i) {
    const auto answers = [&] { return !alive() || (*client)->state(i).has_value(); };
    if (!wait_until(start_wait_max, answers) || !alive()) {
      return tl::unexpected(binary_ + " does not start; its logs are under " + directory_);
    }
  }
  aspen::v1::InitRequest request;
  for (std::size_t i = 0; i < nodes; ++i) {
    auto& member = *request.add_members();
    member.set_name("n" + std::to_string(i + 1));
    member.set_peer_address(peer_[i]);
    member.add_client_addresses(client_[i]);
  }
  // On a slow machine a member may be late: the same Init then goes on.
  std::string why;
  const auto initialised = [&] {
    const auto made = (*client)->init(0, request);
    if (!made) why = made.error().message;
    return made.has_value() || !alive();
  };
  if (!wait_until(start_wait_max, initialised) || !alive()) {
    return tl::unexpected("init failed: " + why);
  }
  return {};
}

double BenchCluster::cpu_seconds() const {
  double total = 0;
  for (const pid_t pid : pids_) total += use_of(pid).cpu_seconds;
  return total;
}

double BenchCluster::resident_bytes_max() const {
  double most = 0;
  for (const pid_t pid : pids_) most = std::max(most, use_of(pid).resident_bytes);
  return most;
}

}  // namespace aspen::bench
