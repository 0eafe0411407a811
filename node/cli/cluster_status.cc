// cluster status: one row for each member, asked at the same time, so that a dead one costs its
// own deadline only.
#include <algorithm>
#include <map>
#include <thread>

#include "node/base/ids.h"
#include "node/base/limits.h"
#include "node/cli/commands.h"

namespace aspen::cli {
namespace {

// What one endpoint says, or why it says nothing.
struct Seen {
  std::string endpoint;
  client::Outcome<aspen::v1::StateResponse> state = tl::unexpected(client::Failure{});
  client::Outcome<aspen::v1::MetricsResponse> metrics = tl::unexpected(client::Failure{});
  client::Outcome<etcdserverpb::StatusResponse> status = tl::unexpected(client::Failure{});
};

Seen ask(client::Options options, const std::string& endpoint) {
  Seen seen;
  seen.endpoint = endpoint;
  options.endpoints = {endpoint};
  const auto client = client::Client::create(options);
  if (!client) {
    seen.state = tl::unexpected(client.error());
    return seen;
  }
  seen.state = (*client)->state(0);
  if (!seen.state) return seen;
  seen.metrics = (*client)->metrics(0);
  seen.status = (*client)->status(0);
  return seen;
}

// Asks all at once. Precondition: at most limits::members_max endpoints are worth asking.
std::vector<Seen> ask_all(const client::Options& options,
                          const std::vector<std::string>& endpoints) {
  std::vector<Seen> seen(std::min(endpoints.size(), limits::members_max));
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    threads.emplace_back([&, i] { seen[i] = ask(options, endpoints[i]); });
  }
  for (std::thread& thread : threads) thread.join();
  return seen;
}

std::string role_of(const Seen& seen) {
  if (seen.state->role() == aspen::v1::MEMBER_ROLE_LEARNER) return "learner";
  switch (static_cast<int>(seen.state->raft_state())) {
    case aspen::v1::RAFT_STATE_LEADER:
      return "leader";
    case aspen::v1::RAFT_STATE_FOLLOWER:
      return "follower";
    case aspen::v1::RAFT_STATE_CANDIDATE:
    case aspen::v1::RAFT_STATE_PRE_CANDIDATE:
      return "candidate";
    default:
      return "-";
  }
}

std::string condition_of(const Seen& seen) {
  if (!seen.state) {
    const std::string& message = seen.state.error().message;
    return "unreachable" + (message.empty() ? "" : ": " + message);
  }
  const auto& state = *seen.state;
  const bool uninitialised = state.state() == aspen::v1::NODE_STATE_UNINITIALISED;
  const bool ordinary = state.reason().empty() || state.reason().rfind("uninitialised", 0) == 0;
  if (uninitialised && ordinary) return "not initialised, run `aspenctl cluster init`";
  return state.reason().empty() ? "ready" : "not ready: " + state.reason();
}

using Known = std::map<std::string, aspen::v1::Member>;  // by client address

std::vector<Cell> row_of(const Seen& seen, const Known& known) {
  const auto member = known.find(seen.endpoint);
  std::string name = member == known.end() ? "-" : member->second.name();
  std::uint64_t id = member == known.end() ? 0 : member->second.node_id();
  if (seen.state) {
    name = seen.state->name();
    id = seen.state->node_id();
  }
  const std::uint64_t term = seen.state ? seen.state->term() : 0;
  const std::uint64_t commit = seen.metrics ? seen.metrics->commit().index() : 0;
  const std::uint64_t applied = seen.metrics ? seen.metrics->applied().index() : 0;
  const std::int64_t bytes = seen.status ? seen.status->dbsize() : 0;
  return {name,
          id == 0 ? std::string("-") : to_hex(id),
          seen.endpoint,
          seen.state ? role_of(seen) : std::string("-"),
          term,
          commit,
          applied,
          bytes,
          seen.state.has_value(),
          condition_of(seen)};
}

// Endpoints of members that were not asked yet.
std::vector<std::string> missing(const Known& known, const std::vector<Seen>& seen) {
  std::map<std::uint64_t, bool> asked;
  for (const Seen& one : seen) {
    if (one.state) asked[one.state->node_id()] = true;
    const auto member = known.find(one.endpoint);
    if (member != known.end()) asked[member->second.node_id()] = true;
  }
  std::vector<std::string> endpoints;
  for (const auto& [address, member] : known) {
    if (asked.emplace(member.node_id(), true).second) endpoints.push_back(address);
  }
  return endpoints;
}

}  // namespace

client::Outcome<Report> cluster_status(const client::Options& options) {
  std::vector<Seen> seen = ask_all(options, options.endpoints);
  Known known;
  for (const Seen& one : seen) {
    if (!one.state) continue;
    for (const auto& member : one.state->members()) {
      for (const auto& address : member.client_addresses()) known[address] = member;
    }
  }
  for (Seen& one : ask_all(options, missing(known, seen))) seen.push_back(std::move(one));
  std::sort(seen.begin(), seen.end(), [](const Seen& a, const Seen& b) {
    const std::string& left = a.state ? a.state->name() : a.endpoint;
    const std::string& right = b.state ? b.state->name() : b.endpoint;
    return std::tie(left, a.endpoint) < std::tie(right, b.endpoint);
  });
  const auto answered =
      std::find_if(seen.begin(), seen.end(), [](const Seen& one) { return one.state.has_value(); });
  if (answered == seen.end()) return tl::unexpected(seen.front().state.error());

  Report report;
  report.facts.emplace_back("cluster_id", to_hex(answered->state->cluster_id()));
  std::string leader;
  for (const Seen& one : seen) {
    if (one.state && one.state->has_leader()) leader = one.state->leader().name();
  }
  report.facts.emplace_back("leader", leader);
  report.list = "members";
  report.columns = {"name",         "node_id",       "endpoint",      "role",      "term",
                    "commit_index", "applied_index", "db_size_bytes", "reachable", "condition"};
  for (const Seen& one : seen) report.rows.push_back(row_of(one, known));
  return report;
}

}  // namespace aspen::cli
