#include "tests/e2e/processes.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "node/base/assert.h"

namespace aspen::e2e {

namespace {

// In the child: never returns.
[[noreturn]] void run(const std::vector<std::string>& arguments, const std::string& log) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int out = ::open(log.c_str(), O_CREAT | O_APPEND | O_WRONLY | O_CLOEXEC, 0644);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(out, STDERR_FILENO);
  std::vector<char*> pointers;
  for (const std::string& argument : arguments) {
    pointers.push_back(const_cast<char*>(argument.c_str()));
  }
  pointers.push_back(nullptr);
  ::execv(pointers[0], pointers.data());
  ::_exit(127);
}

int exit_status(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int wait_for(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
  }
  return exit_status(status);
}

std::optional<int> wait_for(pid_t pid, std::chrono::milliseconds patience) {
  int status = 0;
  const bool ended = eventually([&] { return ::waitpid(pid, &status, WNOHANG) == pid; }, patience);
  if (!ended) return std::nullopt;
  return exit_status(status);
}

}  // namespace

bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  do {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

std::string read_text(const std::string& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

Ended run_to_end(const std::vector<std::string>& arguments, std::chrono::milliseconds patience) {
  std::string log = (std::filesystem::temp_directory_path() / "aspen-run-XXXXXX").string();
  const int fd = ::mkstemp(log.data());
  ASPEN_ASSERT(fd >= 0);
  ::close(fd);
  const pid_t pid = ::fork();
  ASPEN_ASSERT(pid >= 0);
  if (pid == 0) run(arguments, log);
  const std::optional<int> status = wait_for(pid, patience);
  if (!status) {
    ::kill(pid, SIGKILL);
    wait_for(pid);
  }
  Ended ended{status.value_or(-1), read_text(log)};
  std::filesystem::remove(log);
  return ended;
}

ClusterProcesses::ClusterProcesses(ClusterOptions options) : options_(std::move(options)) {
  std::filesystem::create_directories(options_.directory);
  const std::string secret = options_.directory + "/secret";
  std::ofstream(secret) << "a secret that is long enough for a test\n";
  std::filesystem::permissions(secret, std::filesystem::perms::owner_read);
  for (std::size_t i = 0; i < options_.nodes; ++i) {
    NodeProcess node;
    node.name = "n" + std::to_string(i + 1);
    node.directory = options_.directory + "/" + node.name;
    node.client_port = free_port();
    node.peer_port = free_port();
    node.http_port = free_port();
    nodes_.push_back(std::move(node));
  }
}

ClusterProcesses::~ClusterProcesses() {
  for (std::size_t i = 0; i < nodes_.size(); ++i) kill9(i);
}

void ClusterProcesses::start_all() {
  for (std::size_t i = 0; i < nodes_.size(); ++i) start(i);
}

std::vector<std::string> ClusterProcesses::arguments(std::size_t index) const {
  const NodeProcess& node = nodes_.at(index);
  const auto local = [](std::uint16_t port) { return "127.0.0.1:" + std::to_string(port); };
  std::vector<std::string> arguments{options_.binary,
                                     "--name=" + node.name,
                                     "--data-dir=" + node.directory,
                                     "--listen-client=" + local(node.client_port),
                                     "--listen-peer=" + local(node.peer_port),
                                     "--listen-http=" + local(node.http_port),
                                     "--peer-secret-file=" + options_.directory + "/secret"};
  arguments.insert(arguments.end(), options_.flags.begin(), options_.flags.end());
  return arguments;
}

std::string ClusterProcesses::log_file(std::size_t index) const {
  return options_.directory + "/" + nodes_.at(index).name + ".log";
}

void ClusterProcesses::start(std::size_t index, const std::vector<std::string>& flags) {
  NodeProcess& node = nodes_.at(index);
  ASPEN_ASSERT(node.pid == 0);
  std::vector<std::string> all = arguments(index);
  all.insert(all.end(), flags.begin(), flags.end());
  const pid_t pid = ::fork();
  ASPEN_ASSERT(pid >= 0);
  if (pid == 0) run(all, log_file(index));
  node.pid = pid;
}

std::optional<int> ClusterProcesses::wait_end(std::size_t index,
                                              std::chrono::milliseconds patience) {
  NodeProcess& node = nodes_.at(index);
  ASPEN_ASSERT(node.pid != 0);
  const std::optional<int> status = wait_for(node.pid, patience);
  if (status) node.pid = 0;
  return status;
}

void ClusterProcesses::kill9(std::size_t index) {
  NodeProcess& node = nodes_.at(index);
  if (node.pid == 0) return;
  ::kill(node.pid, SIGKILL);
  wait_for(node.pid);
  node.pid = 0;
}

int ClusterProcesses::terminate(std::size_t index) {
  NodeProcess& node = nodes_.at(index);
  ASPEN_ASSERT(node.pid != 0);
  ::kill(node.pid, SIGTERM);
  const int status = wait_for(node.pid);
  node.pid = 0;
  return status;
}

std::vector<std::string> ClusterProcesses::endpoints() const {
  std::vector<std::string> list;
  for (const NodeProcess& node : nodes_) list.push_back(node.client_address());
  return list;
}

}  // namespace aspen::e2e
