#include "node/config.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>

#include "node/base/limits.h"
#include "node/version.h"

namespace aspen {

namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// Below that, not every entry fits with room to spare.
constexpr std::uint64_t segment_bytes_min = 16 * 1024 * 1024;
static_assert(segment_bytes_min >= 4 * limits::log_record_bytes_max);

struct Unit {
  std::string_view name;
  double factor;
};

// A decimal number and one of the units. Negative and absurd values are refused.
std::optional<double> parse_scaled(std::string_view text, const std::vector<Unit>& units) {
  double number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc() || number < 0) return std::nullopt;
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  for (const Unit& known : units) {
    if (known.name == unit && number * known.factor < 9e18) return number * known.factor;
  }
  return std::nullopt;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

// The flags as text, before they are checked.
struct Raw {
  std::map<std::string, std::string> text;
  std::string config_file;
  bool grpc_reflection = false;
};

struct Flag {
  const char* name;
  const char* help;
  const char* fallback;
};

constexpr Flag flags[] = {
    {"name", "Name of this member, as the membership lists it", ""},
    {"data-dir", "Directory of everything that survives a restart", ""},
    {"listen-client", "host:port for gRPC clients; no host: every address", ":2379"},
    {"listen-peer", "host:port for the other nodes", ":2380"},
    {"listen-http", "host:port for metrics and health", ":2381"},
    {"advertise-client", "host:port that clients reach this node at", ""},
    {"advertise-peer", "host:port that the other nodes reach this node at", ""},
    {"peer-secret-file", "File with the secret that all nodes of the cluster share", ""},
    {"client-tls-cert", "Certificate of the client port, PEM; renewed files need no restart", ""},
    {"client-tls-key", "Its key", ""},
    {"client-tls-ca", "CAs that clients' certificates must come from; none: clients need none", ""},
    {"peer-tls-cert", "Certificate for the other nodes: its names hold this node's host or name",
     ""},
    {"peer-tls-key", "Its key", ""},
    {"peer-tls-ca", "CAs of the nodes' certificates", ""},
    {"election-timeout", "A follower waits between this and twice this for its leader", "1s"},
    {"heartbeat-interval", "Default: a tenth of the election timeout", ""},
    {"memory-limit", "What the process may use; default: from the cgroup", ""},
    {"segment-bytes", "Size of one segment of the log", "64MiB"},
    {"log-format", "text or json", "text"},
    {"log-level", "debug, info, warn or error", "info"},
};

constexpr const char* reflection_key = "grpc-reflection";

std::vector<std::string> known_keys() {
  std::vector<std::string> keys{"config", reflection_key};
  for (const Flag& flag : flags) keys.emplace_back(flag.name);
  return keys;
}

std::string nearest_key(std::string_view key) {
  std::string best;
  std::size_t best_distance = key.size();
  for (const std::string& known : known_keys()) {
    const std::size_t distance = edit_distance(key, known);
    if (distance < best_distance) {
      best_distance = distance;
      best = known;
    }
  }
  return best;
}

std::string unknown_key(const std::string& where, const std::string& key) {
  std::string text = where + ": unknown key '" + key + "'";
  const std::string near = nearest_key(key);
  if (!near.empty()) text += "; did you mean '" + near + "'?";
  return text + " (--help lists all)";
}

std::string variable_name(const std::string& key) {
  std::string name = "ASPEN_" + key;
  std::transform(name.begin(), name.end(), name.begin(), [](char c) {
    if (c == '-') return '_';
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  return name;
}

// Variables that look like a mistyped key. Others may be meant for somebody else: a Kubernetes
// service named aspen gives every pod an ASPEN_SERVICE_HOST.
std::vector<std::string> mistyped_variables(const std::vector<std::string>& environment) {
  constexpr std::size_t distance_max = 2;
  std::vector<std::string> names;
  for (const std::string& key : known_keys()) names.push_back(variable_name(key));
  std::vector<std::string> warnings;
  for (const std::string& variable : environment) {
    const std::string name = variable.substr(0, variable.find('='));
    if (name.rfind("ASPEN_", 0) != 0) continue;
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    const auto near = std::find_if(names.begin(), names.end(), [&name](const std::string& known) {
      return edit_distance(name, known) <= distance_max;
    });
    if (near == names.end()) continue;
    warnings.push_back("the environment variable " + name + " is not known; did you mean " + *near +
                       "?");
  }
  return warnings;
}

// Flags of the environment, as arguments: the command line comes after them and wins.
std::vector<std::string> environment_arguments(const std::vector<std::string>& environment) {
  std::vector<std::string> arguments;
  for (const std::string& key : known_keys()) {
    const std::string name = variable_name(key) + "=";
    for (const std::string& variable : environment) {
      // An empty variable is an absent one.
      if (variable.rfind(name, 0) == 0 && variable.size() > name.size()) {
        arguments.push_back("--" + key + "=" + variable.substr(name.size()));
      }
    }
  }
  return arguments;
}

// CLI11 takes the argument behind `--key=` for its value; behind `--key` an empty one is itself.
std::vector<std::string> split_empty_values(const std::vector<std::string>& arguments) {
  std::vector<std::string> split;
  for (const std::string& argument : arguments) {
    const bool empty = argument.rfind("--", 0) == 0 && argument.back() == '=';
    split.push_back(empty ? argument.substr(0, argument.size() - 1) : argument);
    if (empty) split.emplace_back();
  }
  return split;
}

std::optional<std::string> check_reflection(const std::string& value) {
  if (value == "true" || value == "false") return std::nullopt;
  return std::string(reflection_key) + " '" + value + "': expected true or false";
}

// A switch takes more words for true than this contract.
std::optional<std::string> check_reflection_flags(const std::vector<std::string>& arguments) {
  const std::string flag = std::string("--") + reflection_key + "=";
  for (const std::string& argument : arguments) {
    if (argument.rfind(flag, 0) != 0) continue;
    if (auto wrong = check_reflection(argument.substr(flag.size()))) return "--" + *wrong;
  }
  return std::nullopt;
}

// Takes what the command line and the environment left open from the file.
std::optional<std::string> read_file(const std::string& path, CLI::App& app, Raw& raw) {
  std::ifstream file(path);
  // A folder opens as well as a file does, and reads as an empty one.
  std::error_code unknown;
  if (!file || std::filesystem::is_directory(path, unknown))
    return "--config " + path + ": the file cannot be read";
  for (const CLI::ConfigItem& item : CLI::ConfigTOML().from_config(file)) {
    const std::string key = item.fullname();
    const std::vector<std::string> known = known_keys();
    if (std::find(known.begin(), known.end(), key) == known.end() || key == "config") {
      return unknown_key("--config " + path, key);
    }
    if (item.inputs.size() != 1) return "--config " + path + ": '" + key + "' needs one value";
    if (app.get_option("--" + key)->count() > 0) continue;
    if (key == reflection_key) {
      if (auto wrong = check_reflection(item.inputs[0])) return "--config " + path + ": " + *wrong;
      raw.grpc_reflection = item.inputs[0] == "true";
    } else {
      raw.text[key] = item.inputs[0];
    }
  }
  return std::nullopt;
}

bool valid_listen(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon + 1 == address.size()) return false;
  unsigned port = 0;
  const char* end = address.data() + address.size();
  const auto [stop, code] = std::from_chars(address.data() + colon + 1, end, port);
  return code == std::errc() && stop == end && port <= 65'535;
}

std::optional<std::string> check_addresses(const Raw& raw) {
  for (const char* key :
       {"listen-client", "listen-peer", "listen-http", "advertise-client", "advertise-peer"}) {
    const std::string& value = raw.text.at(key);
    const bool optional = std::string_view(key).rfind("advertise", 0) == 0;
    if (optional && value.empty()) continue;
    if (!valid_listen(value)) {
      return std::string("--") + key + " '" + value +
             "': expected host:port, such as 10.0.0.1:2379";
    }
  }
  return std::nullopt;
}

TlsFiles tls_files(const Raw& raw, const std::string& use) {
  return {raw.text.at(use + "-tls-cert"), raw.text.at(use + "-tls-key"),
          raw.text.at(use + "-tls-ca")};
}

// Half a configuration is never plaintext by accident.
std::optional<std::string> check_tls(const Raw& raw, NodeConfig& config) {
  config.client_tls = tls_files(raw, "client");
  config.peer_tls = tls_files(raw, "peer");
  const TlsFiles& client = config.client_tls;
  const TlsFiles& peer = config.peer_tls;
  if (client.cert.empty() != client.key.empty() || (!client.ca.empty() && client.cert.empty())) {
    return "--client-tls-cert and --client-tls-key: expected both or neither, and --client-tls-ca "
           "only with them";
  }
  const bool any = !peer.cert.empty() || !peer.key.empty() || !peer.ca.empty();
  if (any && (peer.cert.empty() || peer.key.empty() || peer.ca.empty())) {
    return "--peer-tls-cert, --peer-tls-key and --peer-tls-ca: expected all three or none: nodes "
           "check each other's certificates";
  }
  return std::nullopt;
}

std::optional<std::string> check_times(const Raw& raw, NodeConfig& config) {
  const Result<Duration> election = parse_duration(raw.text.at("election-timeout"));
  if (!election || *election < milliseconds(100) || *election > seconds(50)) {
    return "--election-timeout '" + raw.text.at("election-timeout") +
           "': expected a duration from 100ms to 50s, such as 500ms or 1s";
  }
  config.election_timeout = *election;
  config.heartbeat_interval = *election / 10;
  const std::string& heartbeat_text = raw.text.at("heartbeat-interval");
  if (heartbeat_text.empty()) return std::nullopt;
  const Result<Duration> heartbeat = parse_duration(heartbeat_text);
  if (!heartbeat || *heartbeat < milliseconds(10) || *heartbeat * 3 > *election) {
    return "--heartbeat-interval '" + heartbeat_text +
           "': expected a duration from 10ms to a third of the election timeout";
  }
  config.heartbeat_interval = *heartbeat;
  return std::nullopt;
}

std::optional<std::string> check_sizes(const Raw& raw, NodeConfig& config) {
  constexpr std::uint64_t mib = 1024 * 1024;
  const Result<std::uint64_t> segment = parse_size(raw.text.at("segment-bytes"));
  if (!segment || *segment < segment_bytes_min || *segment > limits::log_segment_bytes_max) {
    return "--segment-bytes '" + raw.text.at("segment-bytes") +
           "': expected a size from 16MiB to 256MiB, such as 64MiB";
  }
  config.segment_bytes = *segment;
  const std::string& memory_text = raw.text.at("memory-limit");
  if (memory_text.empty()) return std::nullopt;
  const Result<std::uint64_t> memory = parse_size(memory_text);
  if (!memory || *memory < 256 * mib) {
    return "--memory-limit '" + memory_text + "': expected a size of at least 256MiB";
  }
  config.memory_limit_bytes = *memory;
  return std::nullopt;
}

std::optional<std::string> check_log(const Raw& raw, NodeConfig& config) {
  const std::string& format = raw.text.at("log-format");
  if (format != "text" && format != "json") {
    return "--log-format '" + format + "': expected text or json";
  }
  config.log_format = format == "json" ? LogFormat::json : LogFormat::text;
  config.log_level = raw.text.at("log-level");
  for (const char* level : {"debug", "info", "warn", "error"}) {
    if (config.log_level == level) return std::nullopt;
  }
  return "--log-level '" + config.log_level + "': expected debug, info, warn or error";
}

std::optional<std::string> check(const Raw& raw, NodeConfig& config) {
  config.name = raw.text.at("name");
  config.data_dir = raw.text.at("data-dir");
  if (config.name.empty()) return "--name: expected the name of this member, such as n1";
  if (config.name.size() > 255) return "--name: expected at most 255 bytes";
  if (config.data_dir.empty()) return "--data-dir: expected a directory, such as /var/lib/aspen";
  if (auto wrong = check_addresses(raw)) return wrong;
  if (auto wrong = check_tls(raw, config)) return wrong;
  if (auto wrong = check_times(raw, config)) return wrong;
  if (auto wrong = check_sizes(raw, config)) return wrong;
  config.listen_client = raw.text.at("listen-client");
  config.listen_peer = raw.text.at("listen-peer");
  config.listen_http = raw.text.at("listen-http");
  config.advertise_client = raw.text.at("advertise-client");
  config.advertise_peer = raw.text.at("advertise-peer");
  config.peer_secret_file = raw.text.at("peer-secret-file");
  config.grpc_reflection = raw.grpc_reflection;
  return check_log(raw, config);
}

// A flag that does not exist, if that is what the parser stumbled over.
std::optional<std::string> unknown_flag(const std::vector<std::string>& arguments) {
  const std::vector<std::string> known = known_keys();
  for (const std::string& argument : arguments) {
    if (argument.rfind("--", 0) != 0) continue;
    const std::string key = argument.substr(2, argument.find('=') - 2);
    if (key == "help" || key == "version") continue;
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      return unknown_key("command line", key);
    }
  }
  return std::nullopt;
}

CommandLine refused(const std::string& text) {
  return CommandLine{std::nullopt, "aspen-node: " + text + "\n", {}, 2};
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  const std::optional<double> ns = parse_scaled(
      text, {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}});
  if (!ns) return fail(Code::invalid_argument, "expected a duration, such as 500ms or 1s");
  return Duration(static_cast<std::int64_t>(*ns));
}

Result<std::uint64_t> parse_size(std::string_view text) {
  constexpr double kib = 1024;
  const std::optional<double> bytes = parse_scaled(text, {{"", 1},
                                                          {"B", 1},
                                                          {"K", kib},
                                                          {"KiB", kib},
                                                          {"M", kib * kib},
                                                          {"MiB", kib * kib},
                                                          {"G", kib * kib * kib},
                                                          {"GiB", kib * kib * kib}});
  if (!bytes) return fail(Code::invalid_argument, "expected a size, such as 64MiB");
  return static_cast<std::uint64_t>(*bytes);
}

CommandLine parse_command_line(const std::vector<std::string>& arguments,
                               const std::vector<std::string>& environment) {
  CLI::App app("A node of an Aspen cluster: a Raft replica that serves the etcd v3 API.",
               "aspen-node");
  Raw raw;
  for (const Flag& flag : flags) {
    raw.text[flag.name] = flag.fallback;
    auto* option = app.add_option(std::string("--") + flag.name, raw.text[flag.name], flag.help);
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)->capture_default_str();
  }
  app.add_option("--config", raw.config_file, "File with the same keys, in TOML")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  app.add_flag("--grpc-reflection", raw.grpc_reflection, "Serve gRPC reflection");
  app.set_version_flag("--version", std::string("aspen-node ") + version);
  app.footer(
      "Every flag may come from the environment (ASPEN_ELECTION_TIMEOUT=1s) or the file;\n"
      "the command line wins over the environment, the environment over the file.\n"
      "Exit status: 0 clean, 2 usage, 3 identity or format refused, 4 durability, 5 a supervisor "
      "gave up.");
  std::vector<std::string> all = environment_arguments(environment);
  all.insert(all.end(), arguments.begin(), arguments.end());
  if (auto wrong = check_reflection_flags(all)) return refused(*wrong);
  all = split_empty_values(all);
  std::reverse(all.begin(), all.end());  // CLI11 takes a vector from its back
  try {
    app.parse(all);
  } catch (const CLI::CallForHelp&) {
    return CommandLine{std::nullopt, app.help(), {}, 0};
  } catch (const CLI::CallForVersion&) {
    return CommandLine{std::nullopt, std::string("aspen-node ") + version + "\n", {}, 0};
  } catch (const CLI::ParseError& error) {
    if (auto wrong = unknown_flag(arguments)) return refused(*wrong);
    return refused(error.what());
  }
  try {
    if (!raw.config_file.empty()) {
      if (auto wrong = read_file(raw.config_file, app, raw)) return refused(*wrong);
    }
  } catch (const CLI::Error& error) {
    return refused("--config " + raw.config_file + ": " + error.what());
  }
  NodeConfig config;
  if (auto wrong = check(raw, config)) return refused(*wrong);
  return CommandLine{config, "", mistyped_variables(environment), 0};
}

}  // namespace aspen
