// Changes of the membership and transfers of the leadership on their way through the RaftActor: of
// this node's clients to the leader, of other nodes to the core of the leader.
#include <algorithm>
#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/replica/errors.h"
#include "node/replica/init_request.h"
#include "node/replica/membership_plan.h"
#include "node/replica/raft_actor.h"
#include "node/replica/request_ids.h"

namespace aspen::replica {

namespace {

using raft::Refusal;
using wire::ControlRefusal;
using wire::Objection;

constexpr Duration probe_time_max = std::chrono::seconds(3);

ControlRefusal objection(Objection why) {
  return {Refusal::none, why};
}

// Reasons that pass without the request having taken effect.
bool passes(const ControlRefusal& refusal, bool expects) {
  if (refusal.objection == Objection::not_leader || refusal.objection == Objection::busy) {
    return true;
  }
  // Whoever expects a configuration would find another one.
  return refusal.refusal == Refusal::leader_is_new || refusal.refusal == Refusal::transferring ||
         (refusal.refusal == Refusal::change_in_flight && !expects);
}

bool expects(const decltype(wire::Control::what)& what) {
  const auto* change = std::get_if<wire::MembershipRequest>(&what);
  return change != nullptr && change->expect.has_value();
}

std::uint32_t to_ms(Duration duration) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(ms, 0, UINT32_MAX));
}

NodeId fresh_id(Entropy& entropy, const Config& config) {
  for (;;) {  // ends at once: few of 2^64 are taken
    const NodeId id(entropy.u64());
    if (id.value != 0 && config.find(id) == nullptr) return id;
  }
}

}  // namespace

// ---- requests of this node's clients

void RaftActor::on(Control&& message, actor::Responder<ControlAnswer>&& responder,
                   Context& context) noexcept {
  std::optional<Error> refused = refusal(message.deadline);
  if (!refused && controls_.full()) refused = error_overloaded;
  if (refused) return responder.fail(*refused);
  const auto* change = std::get_if<wire::MembershipRequest>(&message.what);
  const auto* add = change != nullptr ? std::get_if<wire::AddMember>(&change->what) : nullptr;
  if (add != nullptr && !acceptable(*add)) {
    return responder.fail(wire::error_of(Objection::bad_member));
  }
  const bool probes = add != nullptr && add->binding == wire::Binding::at_once;
  const std::uint64_t sequence = controls_.insert(
      ControlRequest{probes ? ControlRequest::Stage::probing : ControlRequest::Stage::waiting,
                     std::move(message.what),
                     message.deadline,
                     std::move(responder),
                     {}});
  if (probes) return probe_address(sequence, context);
  route_control(sequence);
}

void RaftActor::probe_address(std::uint64_t sequence, Context& context) noexcept {
  ControlRequest* request = controls_.find(sequence);
  ASPEN_ASSERT(request != nullptr);
  ASPEN_ASSERT(request->stage == ControlRequest::Stage::probing);
  const auto& change = std::get<wire::MembershipRequest>(request->what);
  const Duration left = request->deadline - ports_.clock.now();
  ports_.peers.probe(
      std::get<wire::AddMember>(change.what).peer_address, std::min<Duration>(left, probe_time_max),
      [self = context.self(), sequence](Result<wire::ProbeReply> reply) {
        // Lost in a full mailbox, the request ends with its deadline.
        ASPEN_MAYBE(self.tell(AddressProbed{sequence, std::move(reply)}).has_value());
      });
}

void RaftActor::on(AddressProbed&& message, Context&) noexcept {
  ControlRequest* request = controls_.find(message.sequence);
  if (request == nullptr || request->stage != ControlRequest::Stage::probing) return;
  auto& add = std::get<wire::AddMember>(std::get<wire::MembershipRequest>(request->what).what);
  Objection wrong = Objection::none;
  if (!message.reply) {
    wrong = Objection::not_reached;
  } else if (message.reply->self.incarnation == identity_.self.incarnation) {
    wrong = Objection::self;
  } else if (message.reply->cluster.value != 0) {
    // The same request again finds the member that it made.
    const Member* member = config_ ? config_->find(message.reply->self.id) : nullptr;
    const bool ours = message.reply->cluster == identity_.cluster && member != nullptr &&
                      member->peer_address == add.peer_address;
    if (!ours) wrong = Objection::not_empty;
  }
  if (wrong != Objection::none) return settle_control(message.sequence, objection(wrong));
  add.incarnation = message.reply->self.incarnation;
  if (add.name.empty()) add.name = message.reply->name;
  const std::string& client = message.reply->client_address;
  if (add.client_addresses.empty() && valid_address(client)) add.client_addresses = {client};
  route_control(message.sequence);
}

// Gives it to the core, to the leader, or lets it wait for one.
void RaftActor::route_control(std::uint64_t sequence) noexcept {
  ControlRequest* request = controls_.find(sequence);
  ASPEN_ASSERT(request != nullptr);
  request->stage = ControlRequest::Stage::waiting;
  if (!core_.has_value() || identity_.removed) return;
  const raft::SoftState soft = core_->soft();
  if (soft.role == raft::RoleState::leader) {
    request->stage = ControlRequest::Stage::sent;
    return serve(ServedControl{NodeId(), boot_, sequence, NodeId(), false}, request->what);
  }
  if (soft.leader.value == 0) return;
  request->stage = ControlRequest::Stage::sent;
  const wire::Control control{boot_, sequence, to_ms(request->deadline - ports_.clock.now()),
                              request->what};
  outgoing_.push_back({soft.leader, wire::cast_control, wire::encode(control)});
}

void RaftActor::route_controls() noexcept {
  std::vector<std::uint64_t> waiting;
  controls_.for_each([&waiting](std::uint64_t sequence, const ControlRequest& request) {
    if (request.stage == ControlRequest::Stage::waiting) waiting.push_back(sequence);
  });
  for (const std::uint64_t sequence : waiting) route_control(sequence);
}

void RaftActor::on(ControlAnswered&& message, Context&) noexcept {
  if (message.reply.origin != boot_) return;  // of a former boot
  settle_control(message.reply.sequence, std::move(message.reply.what));
}

void RaftActor::settle_control(std::uint64_t sequence, ControlOutcome outcome) noexcept {
  ControlRequest* request = controls_.find(sequence);
  if (request == nullptr) return;  // it timed out
  if (const auto* refusal = std::get_if<ControlRefusal>(&outcome)) {
    if (passes(*refusal, expects(request->what))) {
      // Routed again at the next publication, or when a leader is known.
      request->stage = ControlRequest::Stage::waiting;
      request->last_refusal = *refusal;
      return;
    }
    std::optional<ControlRequest> taken = controls_.take(sequence);
    return taken->responder.fail(wire::error_of(*refusal));
  }
  std::optional<ControlRequest> taken = controls_.take(sequence);
  const bool transfers = std::holds_alternative<wire::TransferRequest>(taken->what);
  if (transfers != std::holds_alternative<wire::TransferResult>(outcome)) {
    return taken->responder.fail(error_control_unknown);  // the answer to something else
  }
  ControlAnswer answer{control_header(), {}};
  if (transfers) {
    answer.result = std::get<wire::TransferResult>(outcome);
  } else {
    answer.result = std::get<wire::MembershipResult>(std::move(outcome));
  }
  taken->responder.reply(std::move(answer));
}

// The answer of a leader that hands over may be lost on its way; the new leader is known all the
// same.
void RaftActor::note_leader_for_transfers() noexcept {
  std::vector<std::uint64_t> done;
  controls_.for_each([&](std::uint64_t sequence, const ControlRequest& request) {
    const auto* transfer = std::get_if<wire::TransferRequest>(&request.what);
    if (transfer != nullptr && soft_.leader.value != 0 && transfer->to == soft_.leader) {
      done.push_back(sequence);
    }
  });
  for (const std::uint64_t sequence : done) {
    settle_control(sequence, wire::TransferResult{soft_.leader, soft_.term});
  }
}

void RaftActor::expire_controls() noexcept {
  const Instant now = ports_.clock.now();
  std::vector<std::uint64_t> late;
  controls_.for_each([&](std::uint64_t sequence, const ControlRequest& request) {
    if (request.deadline <= now) late.push_back(sequence);
  });
  for (const std::uint64_t sequence : late) {
    std::optional<ControlRequest> request = controls_.take(sequence);
    if (request->stage == ControlRequest::Stage::sent) {
      request->responder.fail(error_control_unknown);
    } else if (request->stage == ControlRequest::Stage::probing) {
      request->responder.fail(wire::error_of(Objection::not_reached));
    } else if (request->last_refusal && request->last_refusal->refusal != Refusal::none) {
      request->responder.fail(wire::error_of(*request->last_refusal));
    } else {
      request->responder.fail(error_no_leader);
    }
  }
}

// What was sent may have taken effect; `unsent` is for the others.
void RaftActor::fail_controls(const Error& unsent) noexcept {
  std::vector<std::uint64_t> all;
  controls_.for_each(
      [&all](std::uint64_t sequence, const ControlRequest&) { all.push_back(sequence); });
  for (const std::uint64_t sequence : all) {
    std::optional<ControlRequest> request = controls_.take(sequence);
    const bool sent = request->stage == ControlRequest::Stage::sent;
    request->responder.fail(sent ? error_ended : unsent);
  }
  if (hand_over_) hand_over_->responder.fail(error_ended);
  hand_over_.reset();
}

ReplyHeader RaftActor::control_header() const noexcept {
  return ReplyHeader{identity_.cluster, identity_.self.id, 0, soft_.term};
}

// ---- at the leader

void RaftActor::on(ControlReceived&& message, Context&) noexcept {
  wire::Control& control = message.control;
  const ServedControl origin{message.from.id, control.origin, control.sequence, NodeId(), false};
  if (!core_.has_value() || core_->soft().role != raft::RoleState::leader) {
    return answer_control(origin, objection(Objection::not_leader));
  }
  const auto* change = std::get_if<wire::MembershipRequest>(&control.what);
  if (change != nullptr && std::holds_alternative<wire::BindMember>(change->what)) {
    return answer_control(origin, objection(Objection::bad_member));  // the leader's alone
  }
  serve(origin, control.what);
}

void RaftActor::serve(const ServedControl& origin,
                      const decltype(wire::Control::what)& what) noexcept {
  ASPEN_ASSERT(core_.has_value());
  ASPEN_ASSERT(core_->soft().role == raft::RoleState::leader);
  if (served_controls_.full()) return answer_control(origin, objection(Objection::busy));
  routed_ = true;
  if (const auto* change = std::get_if<wire::MembershipRequest>(&what)) {
    return serve_change(origin, *change);
  }
  serve_transfer(origin, std::get<wire::TransferRequest>(what));
}

void RaftActor::serve_change(ServedControl origin,
                             const wire::MembershipRequest& request) noexcept {
  const raft::Metrics metrics = core_->metrics();
  const Config& in_force = core_->config();
  if (metrics.joint) {
    return answer_control(origin, ControlRefusal{Refusal::change_in_flight, Objection::none});
  }
  const auto plan = plan_change(in_force, request, fresh_id(ports_.entropy, in_force));
  if (!plan) return answer_control(origin, plan.error());
  origin.subject = plan->subject;
  if (!plan->changes) {
    if (metrics.config.index > metrics.commit.index) {
      return answer_control(origin, ControlRefusal{Refusal::change_in_flight, Objection::none});
    }
    return answer_control(origin,
                          wire::MembershipResult{{metrics.config, in_force}, origin.subject});
  }
  const LogId expect = request.expect.value_or(metrics.config);
  const std::uint64_t number = served_controls_.insert(std::move(origin));
  core_->step(raft::ChangeConfig{request_id(RequestKind::control, number), plan->to, expect,
                                 plan->promotion});
}

void RaftActor::serve_transfer(const ServedControl& origin,
                               const wire::TransferRequest& request) noexcept {
  const raft::SoftState soft = core_->soft();
  if (request.to == identity_.self.id) {
    return answer_control(origin, wire::TransferResult{identity_.self.id, soft.term});
  }
  const std::uint64_t number = served_controls_.insert(origin);
  core_->step(raft::Transfer{request_id(RequestKind::control, number), request.to});
}

void RaftActor::complete_control(std::uint64_t number,
                                 const raft::Completion& completion) noexcept {
  const std::optional<ServedControl> served = served_controls_.take(number);
  ASPEN_ASSERT(served.has_value());
  if (served->hands_over) return finish_hand_over(completion);
  const bool transfers = completion.id == LogId{};
  switch (completion.outcome) {
    case raft::Outcome::committed: {
      if (transfers) {
        return answer_control(*served, wire::TransferResult{completion.leader, core_->soft().term});
      }
      raft::LoggedConfig logged = core_->config_at(completion.id.index);
      ASPEN_ASSERT(logged.id == completion.id);
      const Member* member = logged.config.find(served->subject);
      if (member != nullptr && !member->peer.incarnation.empty()) place(*member);
      return answer_control(*served, wire::MembershipResult{std::move(logged), served->subject});
    }
    case raft::Outcome::refused: {
      if (completion.refusal == Refusal::none) break;
      return answer_control(*served, ControlRefusal{completion.refusal, Objection::none});
    }
    case raft::Outcome::overwritten:
      break;
    case raft::Outcome::unknown: {
      const bool late = completion.reason == Code::timed_out;
      return answer_control(
          *served, objection(late ? Objection::transfer_failed : Objection::outcome_unknown));
    }
  }
  answer_control(*served, objection(Objection::not_leader));
}

void RaftActor::answer_control(const ServedControl& origin, ControlOutcome outcome) noexcept {
  if (origin.sequence == 0) return;  // the leader's own
  if (origin.from.value == 0) return settle_control(origin.sequence, std::move(outcome));
  outgoing_.push_back(
      {origin.from, wire::cast_control_reply,
       wire::encode(wire::ControlReply{origin.origin, origin.sequence, std::move(outcome)})});
}

// ---- before this node stops

void RaftActor::on(HandOver&& message, actor::Responder<HandedOver>&& responder,
                   Context&) noexcept {
  if (!core_.has_value() || core_->soft().role != raft::RoleState::leader) {
    if (message.after == AfterHandOver::refuse_requests) draining_ = true;
    publish_health();
    return responder.reply(HandedOver{control_header()});
  }
  if (hand_over_ || served_controls_.full()) {
    return responder.fail(wire::error_of({Refusal::transferring, Objection::none}));
  }
  hand_over_ = PendingHandOver{message.after, std::move(responder)};
  const std::uint64_t number =
      served_controls_.insert(ServedControl{NodeId(), 0, 0, NodeId(), true});
  routed_ = true;
  core_->step(raft::Transfer{request_id(RequestKind::control, number), NodeId()});
}

// Whoever leads now: this node does not, which is what was asked for.
void RaftActor::finish_hand_over(const raft::Completion& completion) noexcept {
  ASPEN_ASSERT(hand_over_.has_value());
  PendingHandOver pending = std::move(*hand_over_);
  hand_over_.reset();
  if (core_->soft().role == raft::RoleState::leader) {
    const bool typed = completion.refusal != Refusal::none;
    return pending.responder.fail(
        wire::error_of(typed ? ControlRefusal{completion.refusal, Objection::none}
                             : objection(Objection::transfer_failed)));
  }
  if (pending.after == AfterHandOver::refuse_requests) draining_ = true;
  publish_health();
  pending.responder.reply(HandedOver{control_header()});
}

}  // namespace aspen::replica
