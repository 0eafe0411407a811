#include "tests/sim/node/workload.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "node/base/assert.h"
#include "tests/sim/node/slips.h"
#include "tests/sim/node/world.h"

namespace aspen::sim::node {

namespace {

// How long after its deadline a client still waits for the answer.
constexpr Time patience = 300 * millisecond;
constexpr std::uint32_t tries_max = 30;
constexpr Time backoff = 30 * millisecond;

std::string key_of(std::size_t number) {
  return "key" + std::to_string(number);
}

std::size_t padding_of(AttemptId attempt, std::uint32_t most) {
  return attempt * 7919 % (most + 1);
}

}  // namespace

const char* to_string(Kind kind) {
  constexpr std::array<const char*, 10> names{"put",  "pair",      "swap",     "erase", "get",
                                              "scan", "get_local", "get_past", "look",  "compact"};
  return names[static_cast<std::size_t>(kind)];
}

Workload::Workload(World& world)
    : world_(world),
      clients_(world.plan().workload.clients),
      attempts_(1),
      last_seen_(world.plan().workload.keys) {}

Dice Workload::dice_of(std::size_t client, const char* what) const {
  return Dice(world_.stream(what, operation_id(client, clients_[client].number)));
}

void Workload::start() {
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    clients_[i].node = i % world_.nodes();
    next(i, world_.plan().workload.think);
  }
}

void Workload::heal() {
  healing_ = true;
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    clients_[i].wrote = false;
    if (clients_[i].attempt == 0) next(i, 20 * millisecond);
  }
}

bool Workload::all_wrote() const noexcept {
  return std::all_of(clients_.begin(), clients_.end(), [](const Client& c) { return c.wrote; });
}

// ---- operations

void Workload::next(std::size_t client, Time pause) {
  Client& c = clients_[client];
  const std::uint64_t turn = ++c.turn;
  const Time mean = healing_ ? std::min<Time>(pause, 20 * millisecond) : pause;
  Dice dice = dice_of(client, "think");
  world_.after(dice.exponential(mean) + 1, [this, client, turn] {
    if (clients_[client].turn == turn && !stopped_) begin(client);
  });
}

void Workload::begin(std::size_t client) {
  Client& c = clients_[client];
  ++c.number;
  Dice dice = dice_of(client, "operation");
  c.operation = draw(client, dice);
  if (world_.reduction().operations.contains(operation_id(client, c.number))) {
    return next(client, world_.plan().workload.think);
  }
  world_.note_operation(operation_id(client, c.number));
  const Time timeout =
      healing_ ? 4 * world_.plan().election_max() + second : world_.plan().workload.timeout;
  c.deadline = world_.now() + timeout;
  c.tries = 0;
  const bool wander = !world_.plan().workload.sticky || dice.percent(5);
  if (wander) c.node = dice.below(world_.nodes());
  try_once(client);
}

Workload::Operation Workload::draw(std::size_t client, Dice& dice) {
  const WorkloadPlan& plan = world_.plan().workload;
  Operation o;
  const std::uint64_t first = dice.below(plan.keys);
  const std::uint64_t second_key = dice.below(plan.keys);
  const std::uint64_t kind = dice.below(100);
  const bool compacts = dice.ppm(plan.compact_ppm);
  const bool reads = dice.percent(plan.read_percent);
  o.by_revision = dice.percent(50);
  o.revision = std::max<Revision>(
      1, frontier_ - static_cast<Revision>(dice.below(1 + static_cast<std::uint64_t>(30))));
  o.keys.push_back(key_of(first));
  o.expected = last_seen_[first];
  if (healing_ && !clients_[client].wrote) {
    o.kind = Kind::put;
  } else if (compacts && o.revision > 1 && o.revision <= world_.history().newest()) {
    o.kind = Kind::compact;
  } else if (reads) {
    constexpr std::array<Kind, 10> kinds{
        Kind::get,  Kind::get,       Kind::get,       Kind::get,      Kind::scan,
        Kind::scan, Kind::get_local, Kind::get_local, Kind::get_past, Kind::look};
    o.kind = kinds[kind / 10];
  } else {
    constexpr std::array<Kind, 10> kinds{Kind::put,   Kind::put,  Kind::put,  Kind::put,
                                         Kind::put,   Kind::swap, Kind::swap, Kind::swap,
                                         Kind::erase, Kind::pair};
    o.kind = kinds[kind / 10];
  }
  const bool two = o.kind == Kind::pair || o.kind == Kind::look;
  if (two && second_key != first) o.keys.push_back(key_of(second_key));
  return o;
}

// ---- attempts

// When all heals clients know who is well. One that was removed while it was cut off, and has not
// learned of it, keeps a request until its deadline, as does one that stays cut off.
std::size_t Workload::endpoint(std::size_t node) const {
  for (std::size_t i = 0; healing_ && i < world_.nodes(); ++i) {
    const std::size_t at = (node + i) % world_.nodes();
    if (world_.in_core(at)) return at;
  }
  return node;
}

void Workload::try_once(std::size_t client) {
  Client& c = clients_[client];
  c.node = endpoint(c.node);
  ++c.tries;
  const AttemptId id = attempts_.size();
  Attempt attempt;
  attempt.operation = c.operation;
  attempt.client = static_cast<std::uint32_t>(client);
  attempt.node = static_cast<std::uint32_t>(c.node);
  attempt.invoked = ++clock_;
  attempt.floor = frontier_;
  attempts_.push_back(std::move(attempt));
  c.attempt = id;
  world_.trace(c.node, fmt::format("c{} op {} attempt {}: {} {}", client, c.number, id,
                                   to_string(c.operation.kind), c.operation.keys.front()));
  Dice dice(world_.stream("client network", id));
  ++under_way_;
  world_.after(dice.exponential(world_.plan().network.client_delay) + 1,
               [this, id] { arrive(id); });
  const std::uint64_t turn = ++c.turn;
  world_.after(c.deadline - world_.now() + patience, [this, client, turn, id] {
    if (clients_[client].turn == turn && clients_[client].attempt == id) give_up(id);
  });
}

void Workload::arrive(AttemptId id) {
  --under_way_;
  Host& host = world_.host(at(id).node);
  if (!host.serves()) return answered(id, {Code::unavailable, "no connection"});
  owed_.insert(id);
  send(id, host.gateway());
}

gateway::Deadline Workload::deadline_of(const Attempt& attempt) const {
  return {Instant{} + to_duration(clients_[attempt.client].deadline)};
}

template <class T>
gateway::Done<T> Workload::taking(AttemptId id) {
  return [this, id](Result<gateway::Reply<T>>&& reply) {
    // What a process says while it ends reaches nobody.
    if (owed_.erase(id) == 0) return;
    Answer answer;
    if (!reply) {
      answer.code = reply.error().code;
      answer.what = reply.error().what;
    } else {
      answer.revision = reply->header.revision;
      read_into(answer, reply->body);
    }
    answered(id, std::move(answer));
  };
}

void Workload::send(AttemptId id, gateway::Gateway& gateway) {
  if (writes(at(id).operation.kind)) return send_write(id, gateway);
  if (at(id).operation.kind != Kind::compact) return send_read(id, gateway);
  kv::CompactRequest request;
  request.revision = at(id).operation.revision;
  gateway.compact(request, deadline_of(at(id)), taking<kv::CompactResponse>(id));
}

void Workload::send_write(AttemptId id, gateway::Gateway& gateway) {
  const Operation operation = at(id).operation;
  const gateway::Deadline deadline = deadline_of(at(id));
  const std::uint32_t most = world_.plan().workload.payload_bytes;
  const auto put = [&](const std::string& key) {
    kv::PutRequest request;
    request.key = key;
    request.value = value_of(id, padding_of(id, most));
    return request;
  };
  const std::string& key = operation.keys.front();
  if (operation.kind == Kind::put) {
    return gateway.put(put(key), deadline, taking<kv::PutResponse>(id));
  }
  if (operation.kind == Kind::erase) {
    return gateway.delete_range({key, {}, false}, deadline, taking<kv::DeleteRangeResponse>(id));
  }
  kv::TxnRequest txn;
  for (const std::string& each : operation.keys) txn.success.push_back({put(each)});
  if (operation.kind == Kind::swap) {
    kv::Compare compare;
    compare.key = key;
    compare.target = kv::CompareTarget::value;
    compare.value = value_of(operation.expected, padding_of(operation.expected, most));
    if (operation.expected == 0) compare.target = kv::CompareTarget::create;
    const Revision applied = world_.history().applied_at(operation.expected);
    if (operation.by_revision && operation.expected != 0 && applied != 0) {
      compare.target = kv::CompareTarget::mod;
      compare.number = applied;
    }
    txn.compare.push_back(compare);
    kv::RangeRequest get;
    get.key = key;
    txn.failure.push_back({get});
  }
  gateway.txn(std::move(txn), deadline, taking<kv::TxnResponse>(id));
}

void Workload::send_read(AttemptId id, gateway::Gateway& gateway) {
  const Operation operation = at(id).operation;
  const gateway::Deadline deadline = deadline_of(at(id));
  const auto range = [](const std::string& key) {
    kv::RangeRequest request;
    request.key = key;
    return request;
  };
  if (operation.kind == Kind::look) {
    kv::TxnRequest txn;
    for (const std::string& each : operation.keys) txn.success.push_back({range(each)});
    return gateway.txn(std::move(txn), deadline, taking<kv::TxnResponse>(id));
  }
  kv::RangeRequest request = range(operation.keys.front());
  if (operation.kind == Kind::scan) {
    request.key = "key";
    request.range_end = "kez";
  }
  const bool local = operation.kind == Kind::get_local || slips(Slip::local_linearizable);
  request.serializable = local;
  if (operation.kind == Kind::get_past) request.revision = operation.revision;
  gateway.range(std::move(request), deadline, taking<kv::RangeResponse>(id));
}

void Workload::read_into(Answer& answer, const kv::RangeResponse& response) const {
  for (const kv::KeyValue& each : response.kvs) {
    answer.seen.push_back(
        {each.key, attempt_of(each.value), each.mod_revision, each.create_revision, each.version});
  }
}

void Workload::read_into(Answer& answer, const kv::DeleteRangeResponse& response) const {
  answer.deleted = response.deleted;
}

void Workload::read_into(Answer& answer, const kv::TxnResponse& response) const {
  answer.succeeded = response.succeeded;
  for (const kv::ResponseOp& each : response.responses) {
    if (const auto* range = std::get_if<kv::RangeResponse>(&each.response)) {
      read_into(answer, *range);
    }
  }
}

// ---- answers

void Workload::answered(AttemptId id, Answer answer) {
  Attempt& attempt = at(id);
  ASPEN_ASSERT(attempt.fate == Fate::open);
  const bool definite = answer.code == Code::ok || answer.code == Code::compacted ||
                        answer.code == Code::future_revision;
  attempt.fate = definite ? Fate::done : Fate::unknown;
  if (certainly_not_applied(answer.code)) attempt.fate = Fate::refused;
  if (attempt.fate == Fate::unknown && slips(Slip::refusal_invented)) attempt.fate = Fate::refused;
  attempt.answer = std::move(answer);
  Dice dice(world_.stream("client network", ~id));
  world_.after(dice.exponential(world_.plan().network.client_delay) + 1, [this, id] { told(id); });
}

void Workload::on_node_end(std::size_t node) {
  std::vector<AttemptId> broken;
  for (const AttemptId id : owed_) {
    if (at(id).node == node) broken.push_back(id);
  }
  for (const AttemptId id : broken) {
    owed_.erase(id);
    answered(id, {Code::connection_lost, "the connection broke"});
  }
}

void Workload::told(AttemptId id) {
  Attempt& attempt = at(id);
  if (!attempt.client_waits) {
    world_.coverage().hit(Site::answer_late);
    return;
  }
  attempt.client_waits = false;
  const std::size_t client = attempt.client;
  Client& c = clients_[client];
  ASPEN_ASSERT(c.attempt == id);
  c.attempt = 0;
  attempt.returned = ++clock_;
  const Answer& answer = attempt.answer;
  world_.trace(attempt.node,
               fmt::format("c{} attempt {}: {}{}{} at {}", client, id, to_string(answer.code),
                           *answer.what == 0 ? "" : ": ", answer.what, answer.revision));
  if (attempt.fate == Fate::done) {
    attempt.client_knows = true;
    if (answer.code == Code::ok) succeeded(id);
    if (answer.code == Code::compacted) world_.coverage().hit(Site::read_compacted);
    return finish(client);
  }
  const Kind kind = attempt.operation.kind;
  if (attempt.fate == Fate::refused) {
    ++world_.counters().refused;
    count_refusal(answer.code);
    if (writes(kind)) world_.coverage().hit(Site::write_refused);
    return retry(client);
  }
  ++world_.counters().unknown;
  if (writes(kind) && slips(Slip::unknown_repeated)) return repeat(id);
  if (writes(kind)) return finish(client);
  retry(client);
}

void Workload::count_refusal(Code code) {
  Coverage& coverage = world_.coverage();
  if (code == Code::no_leader) coverage.hit(Site::refused_no_leader);
  if (code == Code::overloaded) coverage.hit(Site::refused_overloaded);
  if (code == Code::no_space) coverage.hit(Site::refused_no_space);
  if (code == Code::shutting_down) coverage.hit(Site::refused_stopping);
}

// An answer that comes now comes too late: the client knows nothing.
void Workload::give_up(AttemptId id) {
  Attempt& attempt = at(id);
  attempt.client_waits = false;
  Client& c = clients_[attempt.client];
  c.attempt = 0;
  ++world_.counters().unknown;
  world_.trace(attempt.node, fmt::format("c{} attempt {}: no answer", attempt.client, id));
  c.node = (c.node + 1) % world_.nodes();
  finish(attempt.client);
}

void Workload::retry(std::size_t client) {
  Client& c = clients_[client];
  const std::uint64_t turn = ++c.turn;
  Dice dice(world_.stream("retry", attempts_.size()));
  if (world_.nodes() > 1) c.node = (c.node + dice.between(1, world_.nodes() - 1)) % world_.nodes();
  const Time wait = dice.exponential(backoff) + 1;
  if (c.tries >= tries_max || world_.now() + wait >= c.deadline) return finish(client);
  world_.after(wait, [this, client, turn] {
    if (clients_[client].turn == turn && !stopped_) try_once(client);
  });
}

// The mistake of a client library that takes any error for a refusal.
void Workload::repeat(AttemptId id) {
  const std::size_t node = (at(id).node + 1) % world_.nodes();
  if (world_.host(node).serves()) send(id, world_.host(node).gateway());
  finish(at(id).client);
}

void Workload::finish(std::size_t client) {
  next(client, world_.plan().workload.think);
}

void Workload::succeeded(AttemptId id) {
  Attempt& attempt = at(id);
  Coverage& coverage = world_.coverage();
  Client& c = clients_[attempt.client];
  const Kind kind = attempt.operation.kind;
  check_floor(attempt, id);
  frontier_ = std::max(frontier_, attempt.answer.revision);
  if (kind == Kind::compact) return coverage.hit(Site::compacted);
  const std::size_t key = attempt.operation.keys.front().back() - std::size_t{'0'};
  const bool led = world_.leader() == attempt.node;
  if (writes(kind)) {
    c.wrote = true;
    ++world_.counters().writes_done;
    coverage.hit(Site::write_acknowledged);
    if (!led) coverage.hit(Site::write_through_follower);
    if (c.tries > 1) coverage.hit(Site::write_retried);
    if (kind == Kind::swap && !attempt.answer.succeeded) coverage.hit(Site::swap_failed);
    if (attempt.operation.keys.size() > 1) coverage.hit(Site::pair_written);
    if (attempt.answer.deleted > 0) coverage.hit(Site::key_deleted);
    last_seen_[key] = kind == Kind::erase ? 0 : id;
    if (!attempt.answer.succeeded) {
      last_seen_[key] = attempt.answer.seen.empty() ? 0 : attempt.answer.seen.front().attempt;
    }
    return;
  }
  ++world_.counters().reads_done;
  if (!led && kind == Kind::get) coverage.hit(Site::read_at_follower);
  if (kind == Kind::get_past) coverage.hit(Site::read_at_revision);
  if (kind == Kind::get_local) {
    coverage.hit(Site::read_local);
    if (attempt.answer.revision < attempt.floor) coverage.hit(Site::read_local_stale);
  }
  if (kind == Kind::get) {
    last_seen_[key] = attempt.answer.seen.empty() ? 0 : attempt.answer.seen.front().attempt;
  }
}

}  // namespace aspen::sim::node
