// Client requests on their way through the RaftActor.
#include <algorithm>
#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/kv/command.h"
#include "node/replica/errors.h"
#include "node/replica/gauges.h"
#include "node/replica/raft_actor.h"
#include "node/replica/read_size.h"
#include "node/replica/request_ids.h"

namespace aspen::replica {

namespace {

// What the leader's refusal means to the client. Precondition: certainly_not_applied(code).
Error error_of_refusal(Code code) {
  ASPEN_ASSERT(certainly_not_applied(code));
  if (code == Code::overloaded) return error_overloaded;
  if (code == Code::no_space) return error_no_space;
  if (code == Code::shutting_down) return error_stopping;
  return Error{code, "refused by the leader"};
}

}  // namespace

std::optional<Error> RaftActor::refusal(Instant deadline) const noexcept {
  if (!identity_.initialised()) return error_uninitialised;
  if (identity_.removed) return error_removed;
  if (draining_) return error_drained;
  if (deadline <= ports_.clock.now()) return error_late;
  return std::nullopt;
}

bool RaftActor::applier_lags() const noexcept {
  return distance(applied_, std::max(applied_, handed_over_through_)) >
         limits::apply_backlog_entries_max;
}

void RaftActor::on(Propose&& message, CommandResponder&& responder, Context&) noexcept {
  std::optional<Error> refused = refusal(message.deadline);
  const std::uint64_t bytes = message.request.size();
  if (!refused && disk_full_) refused = error_no_space;
  if (!refused && (proposals_.full(bytes) || applier_lags())) refused = error_overloaded;
  if (refused) {
    gauges_->proposals_failed.add(1);
    return responder.fail(*refused);
  }
  const std::uint64_t sequence =
      proposals_.insert(Proposal{std::move(message.request), message.deadline, std::move(responder),
                                 message.physical, Term()},
                        bytes);
  route(sequence);
}

void RaftActor::on(Read&& message, ReadResponder&& responder, Context&) noexcept {
  std::optional<Error> refused = refusal(message.deadline);
  const std::uint64_t bytes = size_bytes(message.operation);
  if (!refused && reads_.full(bytes)) refused = error_overloaded;
  if (refused) return responder.fail(*refused);
  const std::uint64_t number =
      reads_.insert(PendingLinearizableRead{std::move(message.operation), ports_.clock.now(),
                                            message.deadline, std::move(responder), false},
                    bytes);
  route_read(number);
}

void RaftActor::on(LocalRead&& message, ReadResponder&& responder, Context&) noexcept {
  std::optional<Error> refused = refusal(message.deadline);
  if (!refused && !core_.has_value()) refused = error_starting;
  if (refused) return responder.fail(*refused);
  local_reads_.push_back({std::move(message.operation), std::move(responder), message.deadline});
}

// Gives a proposal to the core, to the leader, or lets it wait for one.
void RaftActor::route(std::uint64_t sequence) noexcept {
  Proposal* proposal = proposals_.find(sequence);
  ASPEN_ASSERT(proposal != nullptr);
  proposal->attempted = Term();
  if (!core_.has_value()) return;  // the log is being opened
  const raft::SoftState soft = core_->soft();
  routed_ = true;
  if (soft.role == raft::RoleState::leader) {
    proposal->attempted = soft.term;
    const auto time_ms = static_cast<std::uint64_t>(ports_.clock.wall().ns / 1'000'000);
    core_->step(
        raft::Propose{request_id(RequestKind::own, sequence), EntryKind::command,
                      kv::encode_command({{boot_, sequence}, time_ms}, proposal->request.view())});
  } else if (soft.leader.value != 0) {
    proposal->attempted = soft.term;
    outgoing_.push_back(
        {soft.leader, wire::cast_forward,
         wire::encode(wire::Forward{soft.term, boot_, sequence, proposal->request})});
  }
}

void RaftActor::route_read(std::uint64_t number) noexcept {
  PendingLinearizableRead* read = reads_.find(number);
  ASPEN_ASSERT(read != nullptr);
  read->waits_for_leader = !core_.has_value() || core_->soft().leader.value == 0;
  routed_ = true;
  if (!read->waits_for_leader) core_->step(raft::Read{request_id(RequestKind::read, number)});
}

void RaftActor::route_waiting() noexcept {
  std::vector<std::uint64_t> numbers;
  proposals_.for_each([&numbers](std::uint64_t sequence, const Proposal& proposal) {
    if (proposal.attempted == Term()) numbers.push_back(sequence);
  });
  for (const std::uint64_t sequence : numbers) route(sequence);
  numbers.clear();
  reads_.for_each([&numbers](std::uint64_t number, const PendingLinearizableRead& read) {
    if (read.waits_for_leader) numbers.push_back(number);
  });
  for (const std::uint64_t number : numbers) route_read(number);
  route_controls();
}

// Safety: an entry of `applied_term` was handed over. A proposal of an earlier term that was not
// is in no log that can still commit it.
void RaftActor::route_overtaken(Term applied_term) noexcept {
  std::vector<std::uint64_t> numbers;
  proposals_.for_each([&](std::uint64_t sequence, const Proposal& proposal) {
    if (proposal.attempted != Term() && proposal.attempted < applied_term) {
      numbers.push_back(sequence);
    }
  });
  for (const std::uint64_t sequence : numbers) route(sequence);
}

void RaftActor::complete(const raft::Completion& completion) noexcept {
  const std::uint64_t number = number_of(completion.request);
  switch (kind_of(completion.request)) {
    case RequestKind::own:
      return complete_own(number, completion);
    case RequestKind::read: {
      // A read has no effect: it waits for the next leader, or for its deadline.
      PendingLinearizableRead* read = reads_.find(number);
      if (read != nullptr) read->waits_for_leader = true;
      return;
    }
    case RequestKind::foreign:
      return complete_foreign(number, completion);
    case RequestKind::control:
      return complete_control(number, completion);
  }
  ASPEN_UNREACHABLE();
}

void RaftActor::complete_own(std::uint64_t sequence, const raft::Completion& completion) noexcept {
  Proposal* proposal = proposals_.find(sequence);
  if (proposal == nullptr) return;  // it timed out
  switch (completion.outcome) {
    case raft::Outcome::committed:  // answered when it is applied
    case raft::Outcome::unknown:    // until an entry of a later term is applied
      return;
    case raft::Outcome::overwritten:
      proposal->attempted = Term();
      return;
    case raft::Outcome::refused:
      break;
  }
  proposal->attempted = Term();
  // Without a leader, or while one hands over to the next, it waits and is proposed again.
  const bool waits = completion.reason == Code::not_leader ||
                     completion.reason == Code::no_leader || completion.reason == Code::unavailable;
  if (waits) return;
  gauges_->proposals_failed.add(1);
  std::optional<Proposal> taken = proposals_.take(sequence);
  const bool full = completion.reason == Code::overloaded;
  taken->responder.fail(full ? error_overloaded : Error{completion.reason, "refused by the log"});
}

void RaftActor::complete_foreign(std::uint64_t number,
                                 const raft::Completion& completion) noexcept {
  const std::optional<Foreign> foreign = foreign_.take(number);
  if (!foreign.has_value()) return;
  const bool refused = completion.outcome == raft::Outcome::refused;
  if (refused) refuse_forward(foreign->from, foreign->refusal, completion.reason);
}

void RaftActor::on(ForwardReceived&& message, Context&) noexcept {
  const wire::Forward& forward = message.forward;
  const wire::ForwardReply reply{forward.term, forward.origin, forward.sequence, Code::ok};
  if (!core_.has_value()) return refuse_forward(message.from.id, reply, Code::uninitialised);
  const raft::SoftState soft = core_->soft();
  // The sender relies on it: proposed in that term or never.
  if (soft.role != raft::RoleState::leader || soft.term != forward.term) {
    return refuse_forward(message.from.id, reply, Code::not_leader);
  }
  if (disk_full_) return refuse_forward(message.from.id, reply, Code::no_space);
  // A request that does not decode must not enter the log, where every member would stumble.
  if (const auto request = kv::decode_request(forward.request.view()); !request) {
    ports_.log.warn("raft", "a malformed forward was refused",
                    {{"from", message.from.id}, {"error", request.error()}});
    return refuse_forward(message.from.id, reply, Code::invalid_argument);
  }
  if (foreign_.full() || applier_lags()) {
    return refuse_forward(message.from.id, reply, Code::overloaded);
  }
  const std::uint64_t number = foreign_.insert(Foreign{message.from.id, reply});
  const auto time_ms = static_cast<std::uint64_t>(ports_.clock.wall().ns / 1'000'000);
  core_->step(raft::Propose{
      request_id(RequestKind::foreign, number), EntryKind::command,
      kv::encode_command({{forward.origin, forward.sequence}, time_ms}, forward.request.view())});
}

void RaftActor::refuse_forward(NodeId to, wire::ForwardReply reply, Code code) noexcept {
  reply.code = certainly_not_applied(code) ? code : Code::unavailable;
  outgoing_.push_back({to, wire::cast_forward_reply, wire::encode(reply)});
}

void RaftActor::on(ForwardRefused&& message, Context&) noexcept {
  const wire::ForwardReply& reply = message.reply;
  if (!core_.has_value() || reply.origin != boot_) return;  // of a former boot
  Proposal* proposal = proposals_.find(reply.sequence);
  // A late refusal of a former attempt says nothing about the present one.
  if (proposal == nullptr || proposal->attempted != reply.term) return;
  proposal->attempted = Term();
  const bool waits = reply.code == Code::not_leader || reply.code == Code::no_leader ||
                     reply.code == Code::uninitialised || reply.code == Code::unavailable;
  if (waits) return;  // routed again when a leader is known, or at the next publication
  gauges_->proposals_failed.add(1);
  std::optional<Proposal> taken = proposals_.take(reply.sequence);
  taken->responder.fail(error_of_refusal(reply.code));
}

std::optional<Waiting> RaftActor::take_if_mine(const Entry& entry) noexcept {
  if (entry.kind != EntryKind::command) return std::nullopt;
  const std::optional<kv::Origin> origin = kv::command_origin(entry.payload);
  if (!origin.has_value() || origin->boot != boot_) return std::nullopt;
  std::optional<Proposal> proposal = proposals_.take(origin->sequence);
  if (!proposal.has_value()) return std::nullopt;  // it timed out
  return Waiting{entry.id.index, std::move(proposal->responder), proposal->deadline,
                 proposal->physical};
}

void RaftActor::grant(const std::vector<raft::ReadGrant>& grants) noexcept {
  if (!local_reads_.empty()) {
    ExecuteReads local{Index(), std::exchange(local_reads_, {}), soft_.term, config_};
    const Result<void> sent = applier_.tell(std::move(local));
    if (!sent) {
      for (PendingRead& read : local.reads) read.responder.fail(error_overloaded);
    }
  }
  ExecuteReads granted{Index(), {}, soft_.term, config_};
  for (const raft::ReadGrant& each : grants) {
    ASPEN_ASSERT(kind_of(each.request) == RequestKind::read);
    std::optional<PendingLinearizableRead> read = reads_.take(number_of(each.request));
    if (!read.has_value()) continue;  // it timed out
    if (ports_.clock.now() - read->arrived > slow_read) gauges_->slow_reads.add(1);
    granted.index = std::max(granted.index, each.index);
    granted.reads.push_back(
        {std::move(read->operation), std::move(read->responder), read->deadline});
  }
  if (granted.reads.empty()) return;
  const Result<void> sent = applier_.tell(std::move(granted));
  if (sent) return;
  for (PendingRead& read : granted.reads) read.responder.fail(error_overloaded);
}

void RaftActor::expire_requests() noexcept {
  const Instant now = ports_.clock.now();
  std::vector<std::uint64_t> late;
  proposals_.for_each([&](std::uint64_t sequence, const Proposal& proposal) {
    if (proposal.deadline <= now) late.push_back(sequence);
  });
  for (const std::uint64_t sequence : late) {
    std::optional<Proposal> proposal = proposals_.take(sequence);
    gauges_->proposals_failed.add(1);
    proposal->responder.fail(proposal->attempted == Term() ? error_no_leader : error_unknown);
  }
  late.clear();
  reads_.for_each([&](std::uint64_t number, const PendingLinearizableRead& read) {
    if (read.deadline <= now) late.push_back(number);
  });
  for (const std::uint64_t number : late) {
    std::optional<PendingLinearizableRead> read = reads_.take(number);
    read->responder.fail(read->waits_for_leader ? error_no_leader : error_late);
  }
  expire_controls();
  if (soft_.leader.value != 0) route_waiting();
}

// Requests that wait for what this replica will not do any more; `certain`: those that certainly
// have no effect.
void RaftActor::fail_requests(const Error& certain) noexcept {
  std::vector<std::uint64_t> numbers;
  proposals_.for_each(
      [&numbers](std::uint64_t sequence, const Proposal&) { numbers.push_back(sequence); });
  for (const std::uint64_t sequence : numbers) {
    std::optional<Proposal> proposal = proposals_.take(sequence);
    proposal->responder.fail(proposal->attempted == Term() ? certain : error_ended);
  }
  numbers.clear();
  reads_.for_each([&numbers](std::uint64_t number, const PendingLinearizableRead&) {
    numbers.push_back(number);
  });
  for (const std::uint64_t number : numbers) reads_.take(number)->responder.fail(certain);
  for (PendingRead& read : local_reads_) read.responder.fail(certain);
  local_reads_.clear();
  fail_controls(certain);
}

void RaftActor::post_stop(Context&) noexcept {
  fail_requests(error_stopping);
  // Handed over and not accepted by the applier: committed, but nobody will say so.
  if (apply_) {
    for (Waiting& waiting : apply_->waiting) waiting.responder.fail(error_ended);
  }
}

}  // namespace aspen::replica
