#include "node/cli/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <memory>
#include <ostream>

#include "node/base/assert.h"
#include "node/cli/actors.h"
#include "node/cli/commands.h"
#include "node/cli/membership.h"
#include "node/cli/snapshot.h"
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
  member add, promote, remove
                  node_id, name, role (voter, learner, removed)
  cluster transfer-leader
                  leader (a name), node_id, term
  node drain      node_id, name, role (drained)
  snapshot save, verify
                  file, cluster_id, revision, term, index, state_bytes
  snapshot restore
                  cluster_id, node_id, name, revision (of the new cluster)
  actors tree     node_id, actors[]: id, parent, level, name, kind, state, worker, mailbox,
                  mailbox_max, restarts (ids of actors are decimal; the root's parent is 0)
  actors kill     id, name, kind, restarts (before this one)
  get             revision, count, more, kvs[]: key, value, version, create_revision, mod_revision;
                  a key or value that is not UTF-8 is in key_base64 or value_base64 instead
  put             revision
  del             revision, deleted
Errors go to stderr, and with tables lines of progress too. Exit status: 0 done, 1 refused, 2 usage,
3 outcome unknown: the request may have taken effect or may still do so.)";

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
  AddArguments add;
  std::string who;
  bool stays_learner = false;
  double wait_seconds = 300;
  std::string data_directory;
  std::string file;
  std::string end_as = "failed";
  Progress progress;
  Command command;

  [[nodiscard]] Duration wait() const {
    return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(wait_seconds));
  }
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
  auto* transfer = cluster->add_subcommand("transfer-leader", "hand the leadership over");
  transfer->add_option("member", parsed.who,
                       "name or id of a voter; default: the one whose log is the longest");
  transfer->callback([&parsed] {
    parsed.command = with_client(
        parsed, [&parsed](client::Client& client) { return transfer_leader(client, parsed.who); });
  });
}

void add_wait_flag(CLI::App& app, Parsed& parsed) {
  app.add_option("--wait", parsed.wait_seconds, "seconds that catching up may take")
      ->check(CLI::Range(0.0, 86400.0))
      ->capture_default_str();
}

void add_member_commands(CLI::App& app, Parsed& parsed) {
  auto* member = app.add_subcommand("member", "members of the cluster");
  member->require_subcommand(1);
  member->add_subcommand("list", "the members as the leader knows them")->callback([&parsed] {
    parsed.command = with_client(parsed, member_list);
  });
  auto* add = member->add_subcommand(
      "add", "add an empty node: it learns, and votes once it has caught up");
  add->add_option("--member", parsed.member_texts, "name=NAME,peer=HOST:PORT,client=HOST:PORT")
      ->required()
      ->expected(1)
      ->check([](const std::string& text) {
        const auto spec = parse_member(text);
        return spec ? std::string() : spec.error();
      });
  add->add_flag("--learner", parsed.stays_learner, "it stays a learner");
  add_wait_flag(*add, parsed);
  add->callback([&parsed] {
    parsed.add.member = *parse_member(parsed.member_texts.front());
    parsed.add.joining = parsed.stays_learner ? Joining::learner : Joining::voter;
    parsed.add.wait = parsed.wait();
    parsed.command = with_client(parsed, [&parsed](client::Client& client) {
      return member_add(client, parsed.add, parsed.progress);
    });
  });
  auto* promote = member->add_subcommand("promote", "let a learner vote once it has caught up");
  promote->add_option("member", parsed.who, "its name or id")->required();
  add_wait_flag(*promote, parsed);
  promote->callback([&parsed] {
    parsed.command = with_client(parsed, [&parsed](client::Client& client) {
      return member_promote(client, parsed.who, parsed.wait(), parsed.progress);
    });
  });
  auto* remove = member->add_subcommand("remove", "remove a member, dead or alive");
  remove->add_option("member", parsed.who, "its name or id")->required();
  remove->callback([&parsed] {
    parsed.command = with_client(parsed, [&parsed](client::Client& client) {
      return member_remove(client, parsed.who, parsed.progress);
    });
  });
}

void use_control_socket(Parsed& parsed) {
  parsed.flags.endpoints = "unix:" + parsed.data_directory + "/control.sock";
  parsed.flags.credentials = {};  // the folder's permissions protect the socket
}

void add_node_commands(CLI::App& app, Parsed& parsed) {
  auto* node = app.add_subcommand("node", "the node on this machine");
  node->require_subcommand(1);
  auto* drain = node->add_subcommand(
      "drain", "hand over what it leads and refuse new requests, as before a stop");
  drain->add_option("--data-dir", parsed.data_directory, "the node's, for its control.sock")
      ->required();
  drain->callback([&parsed] {
    use_control_socket(parsed);
    parsed.command = with_client(parsed, node_drain);
  });
}

void add_snapshot_commands(CLI::App& app, Parsed& parsed) {
  auto* snapshot = app.add_subcommand("snapshot", "the state of a cluster as a file");
  snapshot->require_subcommand(1);
  auto* save = snapshot->add_subcommand("save", "write what the first endpoint's node holds");
  auto* verify = snapshot->add_subcommand("verify", "check a file from end to end");
  auto* restore =
      snapshot->add_subcommand("restore", "make a new cluster of one member from a file");
  for (CLI::App* each : {save, verify, restore}) {
    each->add_option("file", parsed.file, "the snapshot file")->required();
  }
  save->callback([&parsed] {
    parsed.command = with_client(
        parsed, [&parsed](client::Client& client) { return snapshot_save(client, parsed.file); });
  });
  verify->callback(
      [&parsed] { parsed.command = [&parsed] { return snapshot_verify(parsed.file); }; });
  restore->add_option("--data-dir", parsed.data_directory, "of the new node: absent or empty")
      ->required();
  restore->add_option("--member", parsed.member_texts, "name=NAME,peer=HOST:PORT,client=HOST:PORT")
      ->required()
      ->expected(1)
      ->check([](const std::string& text) {
        const auto spec = parse_member(text);
        return spec ? std::string() : spec.error();
      });
  restore->callback([&parsed] {
    parsed.command = [&parsed] {
      return snapshot_restore(
          {parsed.file, parsed.data_directory, *parse_member(parsed.member_texts.front())});
    };
  });
}

void add_actor_commands(CLI::App& app, Parsed& parsed) {
  auto* actors = app.add_subcommand("actors", "the actors of one node");
  actors->require_subcommand(1);
  actors->add_subcommand("tree", "who supervises whom, at the first endpoint")->callback([&parsed] {
    parsed.command = with_client(parsed, actors_tree);
  });
  auto* kill = actors->add_subcommand(
      "kill", "end an actor of the node on this machine, to see how the tree heals");
  kill->add_option("actor", parsed.who, "its name or id")->required();
  kill->add_option("--data-dir", parsed.data_directory, "the node's, for its control.sock")
      ->required();
  kill->add_option("--as", parsed.end_as, "failed: as if its handler had failed; stopped: in order")
      ->check(CLI::IsMember({"failed", "stopped"}))
      ->capture_default_str();
  kill->callback([&parsed] {
    use_control_socket(parsed);
    parsed.command = with_client(parsed, [&parsed](client::Client& client) {
      const EndAs how = parsed.end_as == "failed" ? EndAs::failed : EndAs::stopped;
      return actors_kill(client, parsed.who, how);
    });
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
  add_member_commands(app, parsed);
  add_node_commands(app, parsed);
  add_snapshot_commands(app, parsed);
  add_actor_commands(app, parsed);
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
  const Format format = parsed.flags.format == "json" ? Format::json : Format::table;
  parsed.progress = [&environment, format](const std::string& line) {
    if (format == Format::table) environment.err << line << std::endl;
  };
  const auto report = parsed.command();
  if (!report) return report_failure(report.error(), environment.err);
  environment.out << render(*report, format);
  return exit_done;
}

}  // namespace aspen::cli
