#include "node/cli/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <memory>
#include <ostream>

#include "node/base/assert.h"
#include "node/cli/commands.h"
#include "node/version.h"

namespace aspen::cli {
namespace {

constexpr int exit_done = 0;
constexpr int exit_refused = 1;
constexpr int exit_usage = 2;
constexpr int exit_unknown = 3;

constexpr const char* default_endpoint = "127.0.0.1:2379";

constexpr const char* footer = R"(Keys of -o json (all ids are 16 hex digits):
  cluster init    cluster_id, members[]: name, node_id, peer_address, client_addresses[]
  cluster status  cluster_id, leader (a name, empty if none is known), members[]: name, node_id,
                  endpoint, role (leader, follower, candidate, learner, -), term, commit_index,
                  applied_index, db_size_bytes, reachable, condition
  member list     cluster_id, members[]: name, node_id, peer_addresses[], client_addresses[], role
  get             revision, count, more, kvs[]: key, value, version, create_revision, mod_revision;
                  a key or value that is not UTF-8 is in key_base64 or value_base64 instead
  put             revision
  del             revision, deleted
Errors go to stderr. Exit status: 0 done, 1 refused, 2 usage, 3 outcome unknown: the request may
have taken effect or may still do so.)";

struct Flags {
  std::string endpoints;
  client::Credentials credentials;
  std::string format = "table";
  double timeout_seconds = 5;
};

using Command = std::function<client::Outcome<Report>()>;

// Everything that parsing fills; commands read it when they run.
struct Parsed {
  Flags flags;
  std::vector<std::string> member_texts;
  InitArguments init;
  GetArguments get;
  std::string key;
  std::string value;
  bool prefix = false;
  bool keys_only = false;
  bool serializable = false;
  Command command;

  [[nodiscard]] client::Options options() const {
    client::Options options;
    options.endpoints = client::split_endpoints(flags.endpoints);
    options.credentials = flags.credentials;
    options.timeout =
        std::chrono::duration_cast<Duration>(std::chrono::duration<double>(flags.timeout_seconds));
    return options;
  }
};

// Runs `verb` with a connected client.
template <class Verb>
Command with_client(const Parsed& parsed, Verb verb) {
  return [&parsed, verb]() -> client::Outcome<Report> {
    const auto client = client::Client::create(parsed.options());
    if (!client) return tl::unexpected(client.error());
    return verb(**client);
  };
}

void add_global_flags(CLI::App& app, Flags& flags) {
  app.add_option("--endpoints", flags.endpoints,
                 "client addresses, host:port separated by commas (environment: ASPEN_ENDPOINTS)");
  app.add_option("--cacert", flags.credentials.ca_file,
                 "CA certificate: connect with TLS (https:// alone trusts the machine's roots)");
  auto* cert = app.add_option("--cert", flags.credentials.cert_file, "client certificate");
  auto* key = app.add_option("--key", flags.credentials.key_file, "key of the client certificate");
  cert->needs(key);
  key->needs(cert);
  app.add_option("-o,--output", flags.format, "table or json")
      ->check(CLI::IsMember({"table", "json"}));
  app.add_option("--timeout", flags.timeout_seconds, "seconds that a command may take")
      ->check(CLI::Range(0.001, 3600.0))
      ->capture_default_str();
}

void add_cluster_commands(CLI::App& app, Parsed& parsed) {
  auto* cluster = app.add_subcommand("cluster", "make and look at a cluster");
  cluster->require_subcommand(1);
  auto* init = cluster->add_subcommand("init", "make a cluster of empty nodes");
  init->add_option("--member", parsed.member_texts,
                   "name=NAME,peer=HOST:PORT,client=HOST:PORT; once for each member")
      ->required()
      ->allow_extra_args(false)
      ->check([](const std::string& text) {
        const auto member = parse_member(text);
        return member ? std::string() : member.error();
      });
  init->add_option("--cluster-id", parsed.init.cluster_id, "default: a random one");
  init->callback([&parsed] {
    for (const std::string& text : parsed.member_texts) {
      parsed.init.members.push_back(*parse_member(text));
    }
    // The first member is asked unless another endpoint was named.
    if (parsed.flags.endpoints.empty()) {
      parsed.flags.endpoints = parsed.init.members.front().clients.front();
    }
    parsed.command = with_client(
        parsed, [&parsed](client::Client& client) { return cluster_init(client, parsed.init); });
  });
  auto* status = cluster->add_subcommand("status", "what every member says about itself");
  status->callback(
      [&parsed] { parsed.command = [&parsed] { return cluster_status(parsed.options()); }; });
  auto* member = app.add_subcommand("member", "members of the cluster");
  member->require_subcommand(1);
  member->add_subcommand("list", "the members as the leader knows them")->callback([&parsed] {
    parsed.command = with_client(parsed, member_list);
  });
}

void add_kv_commands(CLI::App& app, Parsed& parsed) {
  const auto extent = [&parsed] { return parsed.prefix ? Extent::prefix : Extent::one_key; };
  auto* get_command = app.add_subcommand("get", "read a key");
  get_command->add_option("key", parsed.get.key, "the key")->required();
  get_command->add_flag("--prefix", parsed.prefix, "every key with this prefix");
  get_command->add_flag("--keys-only", parsed.keys_only, "leave the values out");
  get_command->add_flag("--serializable", parsed.serializable,
                        "from the node asked, which may lag");
  get_command->add_option("--limit", parsed.get.limit, "at most so many keys")
      ->check(CLI::NonNegativeNumber);
  get_command->add_option("--rev", parsed.get.revision, "as of this revision")
      ->check(CLI::NonNegativeNumber);
  get_command->callback([&parsed, extent] {
    parsed.get.extent = extent();
    parsed.get.values = parsed.keys_only ? Values::keys_only : Values::with;
    parsed.get.reading = parsed.serializable ? Reading::serializable : Reading::linearizable;
    parsed.command =
        with_client(parsed, [&parsed](client::Client& client) { return get(client, parsed.get); });
  });
  auto* put_command = app.add_subcommand("put", "write a key");
  put_command->add_option("key", parsed.key, "the key")->required();
  put_command->add_option("value", parsed.value, "the value")->required();
  put_command->callback([&parsed] {
    parsed.command = with_client(parsed, [&parsed](client::Client& client) {
      return put(client, parsed.key, parsed.value);
    });
  });
  auto* del_command = app.add_subcommand("del", "delete a key");
  del_command->add_option("key", parsed.key, "the key")->required();
  del_command->add_flag("--prefix", parsed.prefix, "every key with this prefix");
  del_command->callback([&parsed, extent] {
    parsed.command = with_client(parsed, [&parsed, extent](client::Client& client) {
      return del(client, parsed.key, extent());
    });
  });
}

int report_failure(const client::Failure& failure, std::ostream& err) {
  err << "aspenctl: " << failure.message;
  if (!failure.endpoint.empty()) err << " (" << failure.endpoint << ")";
  if (failure.conclusion == client::Conclusion::unknown) {
    err << "\naspenctl: the outcome is unknown: the request may have taken effect";
  }
  err << "\n";
  return failure.conclusion == client::Conclusion::unknown ? exit_unknown : exit_refused;
}

}  // namespace

int run(std::vector<std::string> arguments, Environment environment) {
  CLI::App app("Command line of Aspen clusters", "aspenctl");
  Parsed parsed;
  parsed.flags.endpoints = environment.endpoints;
  app.require_subcommand(1);
  app.fallthrough();
  app.footer(footer);
  app.set_version_flag("--version", std::string("aspenctl ") + version);
  add_global_flags(app, parsed.flags);
  add_cluster_commands(app, parsed);
  add_kv_commands(app, parsed);
  // CLI11 takes the arguments from the back.
  std::reverse(arguments.begin(), arguments.end());
  try {
    app.parse(arguments);
  } catch (const CLI::ParseError& error) {
    return app.exit(error, environment.out, environment.err) == 0 ? exit_done : exit_usage;
  }
  ASPEN_ASSERT(parsed.command);
  if (parsed.flags.endpoints.empty()) parsed.flags.endpoints = default_endpoint;
  if (client::split_endpoints(parsed.flags.endpoints).empty()) {
    environment.err << "aspenctl: --endpoints names none, it takes host:port,...\n";
    return exit_usage;
  }
  const auto report = parsed.command();
  if (!report) return report_failure(report.error(), environment.err);
  const Format format = parsed.flags.format == "json" ? Format::json : Format::table;
  environment.out << render(*report, format);
  return exit_done;
}

}  // namespace aspen::cli
