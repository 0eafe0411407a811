#include "node/wire/control_codec.h"

#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"

namespace aspen::wire {

namespace {

// The alternatives in their order; a number is never given to another one.
enum class Ask : std::uint8_t {
  add = 1,
  change_voters = 2,
  remove = 3,
  update = 4,
  promote = 5,
  bind = 6,
  transfer = 7,
};
enum class Answer : std::uint8_t { refusal = 1, membership = 2, transfer = 3 };

constexpr auto refusal_max = static_cast<std::uint8_t>(raft::Refusal::no_target);

void put(Writer& out, const Incarnation& incarnation) {
  out.u64(incarnation.high).u64(incarnation.low);
}
void put(Writer& out, const LogId& id) {
  out.u64(id.term.value).u64(id.index.value);
}
void put(Writer& out, const std::vector<std::string>& addresses) {
  ASPEN_ASSERT(addresses.size() <= limits::member_addresses_max);
  out.varint(addresses.size());
  for (const std::string& address : addresses) out.bytes(address);
}

Incarnation take_incarnation(Reader& in) {
  Incarnation incarnation;
  incarnation.high = in.u64();
  incarnation.low = in.u64();
  return incarnation;
}
LogId take_log_id(Reader& in) {
  LogId id;
  id.term = Term(in.u64());
  id.index = Index(in.u64());
  return id;
}
std::string take_text(Reader& in, std::size_t bytes_max) {
  const std::string_view text = in.bytes();
  if (text.size() > bytes_max) in.fail();
  return in.ok() ? std::string(text) : std::string();
}
std::vector<std::string> take_addresses(Reader& in) {
  const std::uint64_t count = in.varint();
  if (count > limits::member_addresses_max) in.fail();
  std::vector<std::string> addresses;
  for (std::uint64_t i = 0; in.ok() && i < count; ++i) {
    addresses.push_back(take_text(in, limits::address_bytes_max));
  }
  return addresses;
}
// A value from 0 to `max`.
template <class T>
T take_enum(Reader& in, T max) {
  const std::uint8_t value = in.u8();
  if (value > static_cast<std::uint8_t>(max)) in.fail();
  return in.ok() ? static_cast<T>(value) : T{};
}
template <class T>
std::uint8_t number(T value) {
  return static_cast<std::uint8_t>(value);
}

struct PutChange {
  Writer& out;
  void operator()(const AddMember& add) const {
    out.u8(number(Ask::add)).bytes(add.name).bytes(add.peer_address);
    put(out, add.client_addresses);
    out.u8(number(add.role)).u8(number(add.binding));
    put(out, add.incarnation);
  }
  void operator()(const ChangeVoters& change) const {
    ASPEN_ASSERT(change.voters.size() <= limits::members_max);
    out.u8(number(Ask::change_voters)).u8(number(change.leaving)).varint(change.voters.size());
    for (const NodeId id : change.voters) out.u64(id.value);
  }
  void operator()(const RemoveMember& remove) const {
    out.u8(number(Ask::remove)).u64(remove.id.value);
  }
  void operator()(const UpdateMember& update) const {
    out.u8(number(Ask::update)).u64(update.id.value).bytes(update.peer_address);
    put(out, update.client_addresses);
  }
  void operator()(const PromoteMember& promote) const {
    out.u8(number(Ask::promote)).u64(promote.id.value);
  }
  void operator()(const BindMember& bind) const {
    out.u8(number(Ask::bind)).u64(bind.id.value);
    put(out, bind.incarnation);
    out.bytes(bind.name).bytes(bind.client_address);
  }
};

AddMember take_add(Reader& in) {
  AddMember add;
  add.name = take_text(in, limits::node_name_bytes_max);
  add.peer_address = take_text(in, limits::address_bytes_max);
  add.client_addresses = take_addresses(in);
  add.role = take_enum(in, Role::learner);
  add.binding = take_enum(in, Binding::later);
  add.incarnation = take_incarnation(in);
  return add;
}

ChangeVoters take_change_voters(Reader& in) {
  ChangeVoters change;
  change.leaving = take_enum(in, Leaving::learner);
  const std::uint64_t count = in.varint();
  if (count > limits::members_max) in.fail();
  for (std::uint64_t i = 0; in.ok() && i < count; ++i) change.voters.emplace_back(in.u64());
  return change;
}

UpdateMember take_update(Reader& in) {
  UpdateMember update;
  update.id = NodeId(in.u64());
  update.peer_address = take_text(in, limits::address_bytes_max);
  update.client_addresses = take_addresses(in);
  return update;
}

BindMember take_bind(Reader& in) {
  BindMember bind;
  bind.id = NodeId(in.u64());
  bind.incarnation = take_incarnation(in);
  bind.name = take_text(in, limits::node_name_bytes_max);
  bind.client_address = take_text(in, limits::address_bytes_max);
  return bind;
}

decltype(MembershipRequest::what) take_change(Reader& in, Ask ask) {
  switch (ask) {
    case Ask::add:
      return take_add(in);
    case Ask::change_voters:
      return take_change_voters(in);
    case Ask::remove:
      return RemoveMember{NodeId(in.u64())};
    case Ask::update:
      return take_update(in);
    case Ask::promote:
      return PromoteMember{NodeId(in.u64())};
    case Ask::bind:
      return take_bind(in);
    case Ask::transfer:
      break;
  }
  in.fail();
  return {};
}

MembershipResult take_membership(Reader& in) {
  MembershipResult result;
  result.config.id = take_log_id(in);
  result.subject = NodeId(in.u64());
  Result<Config> config = decode_config(in.bytes());
  if (!config) in.fail();
  if (in.ok()) result.config.config = std::move(*config);
  return result;
}

// A reason of a newer node is still a refusal, and nothing is known about its effect.
ControlRefusal take_refusal(Reader& in) {
  const std::uint8_t refusal = in.u8();
  const std::uint8_t objection = in.u8();
  const bool known = refusal <= refusal_max && objection <= objection_max;
  if (refusal == 0 && objection == 0) in.fail();
  if (!known) return {raft::Refusal::none, Objection::outcome_unknown};
  return {static_cast<raft::Refusal>(refusal), static_cast<Objection>(objection)};
}

}  // namespace

Error error_of(Objection objection) noexcept {
  switch (objection) {
    case Objection::none:
      break;
    case Objection::not_leader:
      return {Code::unavailable, "the leader changed before the request reached it, try again"};
    case Objection::busy:
      return {Code::unavailable, "another change of the membership is under way, try again"};
    case Objection::unknown_member:
      return {Code::not_found, "no member has this node id"};
    case Objection::address_taken:
      return {Code::already_exists, "another member has this peer address or data directory"};
    case Objection::not_empty:
      return {Code::already_initialised,
              "the node at this address belongs to a cluster already: start it with an empty "
              "data directory"};
    case Objection::not_reached:
      return {Code::unavailable, "no node answers at this peer address, nothing was changed"};
    case Objection::self:
      return {Code::invalid_argument, "the peer address is that of the node asked"};
    case Objection::bad_member:
      return {Code::invalid_argument,
              "a member: a name of up to 255 bytes, a peer address HOST:PORT, up to 16 client "
              "addresses HOST:PORT"};
    case Objection::voter_unbound:
      return {Code::invalid_argument, "add a learner, and promote it when it has caught up"};
    case Objection::not_learner:
      return {Code::failed_precondition, "only a learner can be promoted"};
    case Objection::last_voter:
      return {Code::failed_precondition, "the last voter cannot be removed"};
    case Objection::stopping:
      return {Code::shutting_down, "the node is stopping"};
    case Objection::draining:
      return {Code::shutting_down, "the node is drained: ask another one"};
    case Objection::outcome_unknown:
      return {Code::leader_lost,
              "the leader was lost meanwhile: read the state before trying again"};
    case Objection::transfer_failed:
      return {Code::timed_out, "the target did not take the leadership over in time"};
  }
  ASPEN_UNREACHABLE();
}

Error error_of(const ControlRefusal& refusal) noexcept {
  ASPEN_ASSERT(refusal.refusal != raft::Refusal::none || refusal.objection != Objection::none);
  if (refusal.objection != Objection::none) return error_of(refusal.objection);
  Error error = raft::error_of(refusal.refusal);
  error.detail = number(refusal.refusal);
  return error;
}

Bytes encode(const Control& control) {
  Writer out;
  out.u64(control.origin).u64(control.sequence).u32(control.wait_ms);
  if (const auto* transfer = std::get_if<TransferRequest>(&control.what)) {
    out.u8(number(Ask::transfer)).u64(transfer->to.value);
    return Bytes(out.view());
  }
  const auto& change = std::get<MembershipRequest>(control.what);
  std::visit(PutChange{out}, change.what);
  out.u8(change.expect.has_value() ? 1 : 0);
  if (change.expect) put(out, *change.expect);
  ASPEN_ASSERT(out.size() <= limits::frame_payload_bytes_max);
  return Bytes(out.view());
}

Bytes encode(const ControlReply& reply) {
  Writer out;
  out.u64(reply.origin).u64(reply.sequence);
  if (const auto* refusal = std::get_if<ControlRefusal>(&reply.what)) {
    out.u8(number(Answer::refusal)).u8(number(refusal->refusal)).u8(number(refusal->objection));
  } else if (const auto* transfer = std::get_if<TransferResult>(&reply.what)) {
    out.u8(number(Answer::transfer)).u64(transfer->leader.value).u64(transfer->term.value);
  } else {
    const auto& membership = std::get<MembershipResult>(reply.what);
    out.u8(number(Answer::membership));
    put(out, membership.config.id);
    out.u64(membership.subject.value).bytes(encode(membership.config.config));
  }
  ASPEN_ASSERT(out.size() <= limits::frame_payload_bytes_max);
  return Bytes(out.view());
}

Result<Control> decode_control(const Bytes& bytes) {
  Reader in(bytes.view());
  Control control;
  control.origin = in.u64();
  control.sequence = in.u64();
  control.wait_ms = in.u32();
  const auto ask = static_cast<Ask>(in.u8());
  if (ask == Ask::transfer) {
    control.what = TransferRequest{NodeId(in.u64())};
  } else {
    MembershipRequest change{take_change(in, ask), {}};
    const std::uint8_t expects = in.u8();
    if (expects > 1) in.fail();
    if (expects == 1) change.expect = take_log_id(in);
    control.what = std::move(change);
  }
  if (!in.done()) return fail(Code::invalid_argument, "control: malformed", bytes.size());
  return control;
}

Result<ControlReply> decode_control_reply(const Bytes& bytes) {
  Reader in(bytes.view());
  ControlReply reply;
  reply.origin = in.u64();
  reply.sequence = in.u64();
  switch (static_cast<Answer>(in.u8())) {
    case Answer::refusal:
      reply.what = take_refusal(in);
      break;
    case Answer::membership:
      reply.what = take_membership(in);
      break;
    case Answer::transfer: {
      TransferResult transfer;
      transfer.leader = NodeId(in.u64());
      transfer.term = Term(in.u64());
      reply.what = transfer;
      break;
    }
    default:
      in.fail();
  }
  if (!in.done()) return fail(Code::invalid_argument, "control reply: malformed", bytes.size());
  return reply;
}

}  // namespace aspen::wire
