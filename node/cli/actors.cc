#include "node/cli/actors.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <map>
#include <string_view>

#include "node/base/ids.h"

namespace aspen::cli {
namespace {

// "running" of ACTOR_STATE_RUNNING.
std::string state_name(aspen::v1::ActorState state) {
  constexpr std::string_view prefix = "ACTOR_STATE_";
  std::string name = aspen::v1::ActorState_Name(state);
  if (!name.starts_with(prefix)) return std::to_string(static_cast<int>(state));
  name.erase(0, prefix.size());
  std::transform(name.begin(), name.end(), name.begin(), [](char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  });
  return name;
}

// A type's name without its namespaces.
std::string short_kind(const std::string& kind) {
  const std::size_t colon = kind.rfind(':');
  return colon == std::string::npos ? kind : kind.substr(colon + 1);
}

}  // namespace

client::Outcome<Report> actors_tree(client::Client& client) {
  const auto tree = client.actors(0);
  if (!tree) return tl::unexpected(tree.error());
  Report report;
  report.facts.emplace_back("node_id", to_hex(tree->node_id()));
  report.list = "actors";
  report.columns = {"id",    "parent", "level",   "name",        "kind",
                    "state", "worker", "mailbox", "mailbox_max", "restarts"};
  std::map<std::uint64_t, std::uint64_t> levels;  // by id
  for (const auto& actor : tree->actors()) {
    const auto parent = levels.find(actor.parent());
    const std::uint64_t level = parent == levels.end() ? 1 : parent->second + 1;
    levels[actor.id()] = level;
    const std::string name = actor.parent() == 0 ? "root" : actor.name();
    report.rows.push_back({std::uint64_t{actor.id()}, std::uint64_t{actor.parent()}, level, name,
                           short_kind(actor.kind()), state_name(actor.state()),
                           std::uint64_t{actor.worker()}, std::uint64_t{actor.mailbox()},
                           std::uint64_t{actor.mailbox_max()}, std::uint64_t{actor.restarts()}});
  }
  return report;
}

client::Outcome<Report> actors_kill(client::Client& client, const std::string& who, EndAs how) {
  aspen::v1::KillRequest request;
  std::uint64_t id = 0;
  const char* const end = who.data() + who.size();
  const auto parsed = std::from_chars(who.data(), end, id);
  if (parsed.ec == std::errc() && parsed.ptr == end) {
    request.mutable_actor()->set_id(id);
  } else {
    request.mutable_actor()->set_name(who);
  }
  request.set_how(how == EndAs::failed ? aspen::v1::KillRequest::HOW_FAIL
                                       : aspen::v1::KillRequest::HOW_STOP);
  const auto killed = client.kill_actor(0, request);
  if (!killed) return tl::unexpected(killed.error());
  Report report;
  report.facts.emplace_back("id", std::uint64_t{killed->actor().id()});
  report.facts.emplace_back("name", killed->actor().name());
  report.facts.emplace_back("kind", short_kind(killed->actor().kind()));
  report.facts.emplace_back("restarts", std::uint64_t{killed->actor().restarts()});
  return report;
}

}  // namespace aspen::cli
