// aspen-node: a node of an Aspen cluster.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "node/adapter/log/log_sink.h"
#include "node/assembly.h"
#include "node/config.h"
#include "node/version.h"

namespace {

aspen::LogLevel level_of(const std::string& name) {
  if (name == "debug") return aspen::LogLevel::debug;
  if (name == "warn") return aspen::LogLevel::warn;
  if (name == "error") return aspen::LogLevel::error;
  return aspen::LogLevel::info;
}

// Blocked before any thread starts, so that only the wait below receives them.
sigset_t block_stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return signals;
}

std::vector<std::string> environment_of(char** environment) {
  std::vector<std::string> variables;
  for (char** each = environment; *each != nullptr; ++each) variables.emplace_back(*each);
  return variables;
}

}  // namespace

int main(int argc, char** argv) {
  const sigset_t signals = block_stop_signals();
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const aspen::CommandLine line = aspen::parse_command_line(arguments, environment_of(environ));
  if (!line.config) {
    std::fputs(line.text.c_str(), line.exit_status == 0 ? stdout : stderr);
    return line.exit_status;
  }
  const bool json = line.config->log_format == aspen::LogFormat::json;
  const std::unique_ptr<aspen::LogSink> log = aspen::adapter::make_log_sink(
      {json ? aspen::adapter::LineFormat::json : aspen::adapter::LineFormat::text,
       level_of(line.config->log_level), line.config->name});
  for (const std::string& warning : line.warnings) log->warn("node", warning);
  aspen::Assembly assembly(*line.config, *log);
  if (const auto failure = assembly.start()) {
    log->error("node", failure->text);
    assembly.stop();
    return failure->exit_status;
  }
  log->info("node", "running", {{"version", std::string(aspen::version)}});
  int signal_number = 0;
  sigwait(&signals, &signal_number);
  log->info("node", "stopping", {{"signal", std::to_string(signal_number)}});
  assembly.stop();
  log->info("node", "stopped");
  return aspen::exit_clean;
}
