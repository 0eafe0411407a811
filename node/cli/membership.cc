#include "node/cli/membership.h"

#include <grpcpp/support/status_code_enum.h>

#include <chrono>
#include <thread>

#include "node/base/ids.h"

namespace aspen::cli {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

// What passes by itself is tried again so often, and after so long.
constexpr int attempts_max = 20;
constexpr Duration pause = std::chrono::milliseconds(500);

constexpr const char* lags =
    "etcdserver: can only promote a learner member which is in sync with leader";

// Nothing took effect, and the same request may succeed soon: the node asked knew an older
// membership, another change is under way, or a leader is being elected.
bool passes(const client::Failure& failure) {
  if (failure.conclusion != client::Conclusion::refused) return false;
  return failure.status == ::grpc::StatusCode::ABORTED ||
         (failure.status == ::grpc::StatusCode::UNAVAILABLE &&
          (failure.code == Code::unavailable || failure.code == Code::no_leader));
}

tl::unexpected<client::Failure> refused(const std::string& message) {
  return tl::unexpected(client::Failure{client::Conclusion::refused, message, "", Code::ok});
}

// The name if it has one, else the id.
std::string called(const aspen::v1::Member& member) {
  return member.name().empty() ? to_hex(member.node_id()) : member.name();
}

// Null if no member is called so.
const aspen::v1::Member* find(const aspen::v1::StateResponse& state, const std::string& who) {
  for (const auto& member : state.members()) {
    if (member.name() == who || to_hex(member.node_id()) == who) return &member;
  }
  return nullptr;
}

tl::unexpected<client::Failure> unknown_member(const std::string& who) {
  return refused("no member has the name or id '" + who + "', see `aspenctl member list`");
}

// `attempt(state)` builds its request on the state it is given.
template <class Response, class Attempt>
client::Outcome<Response> on_newest_state(client::Client& client, const Progress& progress,
                                          const Attempt& attempt) {
  std::string told;
  for (int attempts = 1;; ++attempts) {
    const auto state = client.any_state();
    if (!state) return tl::unexpected(state.error());
    client::Outcome<Response> outcome = attempt(*state);
    if (outcome || !passes(outcome.error()) || attempts == attempts_max) return outcome;
    if (outcome.error().message != told) progress("waiting: " + outcome.error().message);
    told = outcome.error().message;
    std::this_thread::sleep_for(pause);
  }
}

// A learner that lags is waited for.
client::Outcome<etcdserverpb::MemberPromoteResponse> promote(client::Client& client,
                                                             const aspen::v1::Member& member,
                                                             SteadyTime until,
                                                             const Progress& progress) {
  std::string told;
  for (;;) {
    auto outcome = client.promote(member.node_id());
    if (outcome) return outcome;
    const bool waits = outcome.error().message == lags;
    if (!waits && !passes(outcome.error())) return outcome;
    if (std::chrono::steady_clock::now() >= until) {
      outcome.error().message = called(member) +
                                " has not caught up in time and stays a learner; " +
                                "run `aspenctl member promote " + called(member) + "` later";
      return outcome;
    }
    const std::string line = waits ? "waiting for " + called(member) + " to catch up"
                                   : "waiting: " + outcome.error().message;
    if (line != told) progress(line);
    told = line;
    std::this_thread::sleep_for(pause);
  }
}

Report report_of(std::uint64_t node_id, const std::string& name, const std::string& role) {
  Report report;
  report.facts.emplace_back("node_id", to_hex(node_id));
  report.facts.emplace_back("name", name);
  report.facts.emplace_back("role", role);
  return report;
}

}  // namespace

client::Outcome<Report> member_add(client::Client& client, const AddArguments& arguments,
                                   const Progress& progress) {
  aspen::v1::AddLearnerRequest request;
  auto& spec = *request.mutable_member();
  spec.set_name(arguments.member.name);
  spec.set_peer_address(arguments.member.peer);
  for (const auto& address : arguments.member.clients) spec.add_client_addresses(address);
  progress("adding " + arguments.member.name + " as a learner");
  const auto added = on_newest_state<aspen::v1::AddLearnerResponse>(
      client, progress, [&](const aspen::v1::StateResponse& state) {
        *request.mutable_expect() = state.config_id();
        return client.add_learner(request);
      });
  if (!added) return tl::unexpected(added.error());
  const auto& member = added->member();
  if (member.role() == aspen::v1::MEMBER_ROLE_VOTER) {
    progress(called(member) + " is a member already and votes");
    return report_of(member.node_id(), member.name(), "voter");
  }
  progress(called(member) + " is a learner, its id is " + to_hex(member.node_id()));
  if (arguments.joining == Joining::learner) {
    return report_of(member.node_id(), member.name(), "learner");
  }
  const auto until = std::chrono::steady_clock::now() + arguments.wait;
  const auto promoted = promote(client, member, until, progress);
  if (!promoted) return tl::unexpected(promoted.error());
  progress(called(member) + " votes");
  return report_of(member.node_id(), member.name(), "voter");
}

client::Outcome<Report> member_promote(client::Client& client, const std::string& who,
                                       Duration wait, const Progress& progress) {
  const auto state = client.any_state();
  if (!state) return tl::unexpected(state.error());
  const aspen::v1::Member* member = find(*state, who);
  if (member == nullptr) return unknown_member(who);
  const auto promoted = promote(client, *member, std::chrono::steady_clock::now() + wait, progress);
  if (!promoted) return tl::unexpected(promoted.error());
  progress(called(*member) + " votes");
  return report_of(member->node_id(), member->name(), "voter");
}

client::Outcome<Report> member_remove(client::Client& client, const std::string& who,
                                      const Progress& progress) {
  aspen::v1::Member member;
  const auto removed = on_newest_state<aspen::v1::RemoveNodeResponse>(
      client, progress,
      [&](const aspen::v1::StateResponse& state) -> client::Outcome<aspen::v1::RemoveNodeResponse> {
        const aspen::v1::Member* found = find(state, who);
        if (found == nullptr) return unknown_member(who);
        member = *found;
        aspen::v1::RemoveNodeRequest request;
        *request.mutable_expect() = state.config_id();
        request.set_node_id(member.node_id());
        return client.remove_node(request);
      });
  if (!removed) return tl::unexpected(removed.error());
  progress(called(member) + " is no member any more");
  return report_of(member.node_id(), member.name(), "removed");
}

client::Outcome<Report> transfer_leader(client::Client& client, const std::string& who) {
  std::uint64_t to = 0;
  if (!who.empty()) {
    const auto state = client.any_state();
    if (!state) return tl::unexpected(state.error());
    const aspen::v1::Member* member = find(*state, who);
    if (member == nullptr) return unknown_member(who);
    to = member->node_id();
  }
  const auto response = client.transfer_leadership(to);
  if (!response) return tl::unexpected(response.error());
  Report report;
  report.facts.emplace_back("leader", response->leader().name());
  report.facts.emplace_back("node_id", to_hex(response->leader().node_id()));
  report.facts.emplace_back("term", std::uint64_t{response->term()});
  return report;
}

client::Outcome<Report> node_drain(client::Client& client) {
  const auto before = client.state(0);
  if (!before) return tl::unexpected(before.error());
  const auto drained = client.drain(0);
  if (!drained) return tl::unexpected(drained.error());
  return report_of(before->node_id(), before->name(), "drained");
}

}  // namespace aspen::cli
