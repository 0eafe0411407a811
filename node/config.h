// The node's configuration: flags, then environment (ASPEN_ELECTION_TIMEOUT), then a file in TOML,
// then defaults. Everything is checked before the node touches its disk or a port.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "node/base/error.h"
#include "node/base/time.h"

namespace aspen {

enum class LogFormat : std::uint8_t { text, json };

// Files in PEM; all empty: plaintext.
struct TlsFiles {
  std::string cert;
  std::string key;
  std::string ca;  // of the client port it may be left out: then clients need no certificate

  [[nodiscard]] bool on() const noexcept { return !cert.empty(); }
};

struct NodeConfig {
  std::string name;
  std::string data_dir;
  std::string listen_client = ":2379";
  std::string listen_peer = ":2380";
  std::string listen_http = ":2381";
  // How this node believes to be reached. Compared with its entry of the membership at Init, and a
  // difference is warned of: the membership has the last word. Empty: nothing is compared.
  std::string advertise_client;
  std::string advertise_peer;
  std::string peer_secret_file;
  TlsFiles client_tls;
  TlsFiles peer_tls;
  Duration election_timeout = std::chrono::seconds(1);
  Duration heartbeat_interval{0};        // 0: a tenth of the election timeout
  std::uint64_t memory_limit_bytes = 0;  // 0: the cgroup's limit, or half of the machine's memory
  std::uint64_t segment_bytes = 64 * 1024 * 1024;
  LogFormat log_format = LogFormat::text;
  std::string log_level = "info";
  bool grpc_reflection = false;
};

// What the command line asks for.
struct CommandLine {
  std::optional<NodeConfig> config;   // absent: print `text` and end with `exit_status`
  std::string text;                   // help, version, or what is wrong and what is accepted
  std::vector<std::string> warnings;  // beside a configuration: what is probably not meant
  int exit_status = 0;
};

// `environment` holds NAME=value, as environ does.
[[nodiscard]] CommandLine parse_command_line(const std::vector<std::string>& arguments,
                                             const std::vector<std::string>& environment);

// 500ms, 1s, 1.5s, 2m, 1h. Possible errors: invalid_argument.
[[nodiscard]] Result<Duration> parse_duration(std::string_view text);
// 65536, 64KiB, 64MiB, 2GiB (also K, M, G for the same). Possible errors: invalid_argument.
[[nodiscard]] Result<std::uint64_t> parse_size(std::string_view text);

}  // namespace aspen
