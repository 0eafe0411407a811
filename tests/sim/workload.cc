#include "tests/sim/workload.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "node/base/assert.h"
#include "tests/sim/replica.h"

namespace aspen::sim {

Workload::Workload(World& world)
    : world_(world),
      dice_(world.stream("workload")),
      clients_(world.plan().workload.clients),
      waiting_(world.plan().nodes),
      last_seen_(registers_max, 0) {}

void Workload::start() {
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    clients_[i].leader = any_node();
    next_turn(i, dice_.exponential(world_.plan().workload.think));
  }
}

// While most is well again, the clients know who is not.
std::size_t Workload::any_node() {
  std::size_t node = dice_.below(world_.nodes());
  while (!world_.in_core(node)) node = (node + 1) % world_.nodes();
  return node;
}

void Workload::next_turn(std::size_t client, Time after) {
  world_.schedule(world_.now() + after + 1, Task::client, client, ++clients_[client].turn);
}

void Workload::on_turn(std::size_t client, std::uint64_t turn) {
  Client& c = clients_[client];
  if (turn != c.turn) return;
  if (c.operation != 0) return give_up(c.operation);
  if (!stopped_) begin(client);
}

void Workload::heal() {
  healing_ = true;
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    if (clients_[i].operation != 0) give_up(clients_[i].operation);
    clients_[i].wrote = false;
    next_turn(i, dice_.below(10 * millisecond));
  }
}

bool Workload::all_wrote() const noexcept {
  return std::all_of(clients_.begin(), clients_.end(), [](const Client& c) { return c.wrote; });
}

void Workload::draw(Record& record) {
  const WorkloadPlan& plan = world_.plan().workload;
  const std::uint64_t kind = dice_.below(100);
  record.target = static_cast<std::uint8_t>(dice_.below(plan.registers));
  record.value = records_.size() + 1;
  record.expected = last_seen_[record.target];
  if (healing_ && !clients_[record.client].wrote) {
    record.action = RegisterAction::write;
  } else if (kind < plan.read_percent) {
    record.action = RegisterAction::read;
  } else if (kind < plan.read_percent + plan.cas_percent) {
    record.action = RegisterAction::cas;
  } else {
    record.action = RegisterAction::write;
  }
}

void Workload::begin(std::size_t client) {
  const WorkloadPlan& plan = world_.plan().workload;
  Client& c = clients_[client];
  Record record;
  record.client = static_cast<std::uint32_t>(client);
  draw(record);
  std::size_t node = c.leader;
  const bool read = record.action == RegisterAction::read;
  if (dice_.percent(read ? 50 : 5)) node = any_node();
  Replica& replica = world_.replica(node);
  if (!replica.up() || !world_.in_core(node)) {
    c.leader = any_node();
    return next_turn(client, dice_.exponential(20 * millisecond));
  }
  record.node = static_cast<std::uint8_t>(node);
  record.boot = replica.boots();
  record.client_waits = true;
  record.invoked = ++clock_;
  record.frontier = frontier_;
  records_.push_back(record);
  const std::uint64_t operation = records_.size();
  c.operation = operation;
  world_.record({.what = What::invoked,
                 .node = record.node,
                 .peer = static_cast<std::uint8_t>(client),
                 .values = {operation, static_cast<std::uint64_t>(record.action), record.target,
                            record.value}});
  // Where windows are small, the last of the clients waits for all others' entries.
  const Time timeout = healing_ ? 2 * world_.plan().election_max() : plan.timeout;
  next_turn(client, timeout);
  if (read) return replica.read(operation);
  if (plan.burst > 0 && !healing_) burst(client, node);
  propose(operation);
}

void Workload::propose(std::uint64_t operation) {
  const Record& record = at(operation);
  const std::uint32_t padding = world_.plan().workload.payload_bytes;
  const Command command{operation, record.action, record.target, record.value, record.expected};
  Bytes payload = encode(command, padding == 0 ? 0 : dice_.below(padding + 1));
  world_.replica(record.node).propose(operation, std::move(payload));
}

// A leader that lost its followers gathers a log of its own by these.
void Workload::burst(std::size_t client, std::size_t node) {
  const std::uint64_t count = dice_.below(world_.plan().workload.burst + 1);
  const std::uint32_t boot = world_.replica(node).boots();
  for (std::uint64_t i = 0; i < count && world_.replica(node).up(); ++i) {
    if (world_.replica(node).boots() != boot) return;
    Record record;
    record.client = static_cast<std::uint32_t>(client);
    record.action = RegisterAction::write;
    record.target = static_cast<std::uint8_t>(dice_.below(world_.plan().workload.registers));
    record.value = records_.size() + 1;
    record.node = static_cast<std::uint8_t>(node);
    record.boot = boot;
    record.invoked = ++clock_;
    records_.push_back(record);
    propose(records_.size());
  }
}

// ---- ends of operations

void Workload::finish(std::uint64_t operation, Answer answer, std::uint64_t seen) {
  Record& record = at(operation);
  ASPEN_ASSERT(record.client_waits);
  record.client_waits = false;
  Client& c = clients_[record.client];
  ASPEN_ASSERT(c.operation == operation);
  c.operation = 0;
  const auto code = record.not_done ? 3U : static_cast<std::uint64_t>(answer);
  world_.record({.what = What::answered,
                 .node = record.node,
                 .peer = static_cast<std::uint8_t>(record.client),
                 .values = {operation, code, seen}});
  const Time think = healing_ ? 20 * millisecond : world_.plan().workload.think;
  if (answer == Answer::unknown) {
    ++(record.not_done ? world_.counters().refused : world_.counters().unknown);
    return next_turn(record.client, dice_.exponential(std::min<Time>(think, 20 * millisecond)));
  }
  record.client_knows = true;
  record.returned = ++clock_;
  record.result = {answer, seen};
  const bool changed = record.action != RegisterAction::read && answer == Answer::done;
  last_seen_[record.target] = changed ? record.value : seen;
  ++(record.action == RegisterAction::read ? world_.counters().reads_done
                                           : world_.counters().writes_done);
  if (record.action != RegisterAction::read) {
    c.wrote = true;
    c.leader = record.node;
  }
  next_turn(record.client, dice_.exponential(think));
}

void Workload::give_up(std::uint64_t operation) {
  Client& c = clients_[at(operation).client];
  finish(operation, Answer::unknown, 0);
  c.leader = any_node();
}

void Workload::refuse(std::uint64_t operation, NodeId leader) {
  Record& record = at(operation);
  record.not_done = true;
  if (!record.client_waits) return;
  clients_[record.client].leader = leader ? place_of(leader) : any_node();
  finish(operation, Answer::unknown, 0);
}

void Workload::try_answer(std::uint64_t operation) {
  Record& record = at(operation);
  if (!record.client_waits || record.fate != Fate::committed || !record.has_result) return;
  advance_frontier(record.acknowledged.index);
  finish(operation, record.result.answer, record.result.seen);
}

// ---- what a node says

void Workload::completed(std::size_t node, const raft::Completion& completion) {
  const std::uint64_t operation = completion.request.value;
  ASPEN_ASSERT(operation > 0 && operation <= records_.size());
  Record& record = at(operation);
  world_.record({.what = What::completed,
                 .node = static_cast<std::uint8_t>(node),
                 .values = {operation, static_cast<std::uint64_t>(completion.outcome),
                            completion.id.index.value, completion.id.term.value}});
  if (record.node != node || record.fate != Fate::open) {
    return world_.oracle().violate(
        "one end for each request",
        fmt::format("n{} completes operation {} again, or it is not its", node, operation));
  }
  switch (completion.outcome) {
    case raft::Outcome::committed:
      record.fate = Fate::committed;
      record.acknowledged = completion.id;
      world_.oracle().acknowledged(node, completion.id, world_.replica(node).core());
      if (record.log != LogId{} && record.log != completion.id) {
        world_.oracle().violate("acknowledged where it is",
                                fmt::format("operation {} is at {}, said to be at {}", operation,
                                            record.log.index.value, completion.id.index.value));
      }
      waiting_[node].push_back(operation);
      return;
    case raft::Outcome::refused:
    case raft::Outcome::overwritten:
      record.fate = Fate::refused;
      if (record.log != LogId{}) {
        world_.oracle().violate("definite refusals are not in the log",
                                fmt::format("operation {} was refused, and is at {}", operation,
                                            record.log.index.value));
      }
      return refuse(operation, completion.leader);
    case raft::Outcome::unknown:
      record.fate = Fate::unknown;
      if (record.client_waits) give_up(operation);
      return;
  }
}

void Workload::granted(std::uint64_t operation, Index index) {
  Record& record = at(operation);
  if (record.fate != Fate::open) {
    world_.oracle().violate("one end for each request",
                            fmt::format("read {} is granted after its end", operation));
  }
  record.fate = Fate::committed;
  if (index >= record.frontier) return;
  world_.oracle().violate(
      "a read sees what was acknowledged before it (witness)",
      fmt::format("read {} at n{} is granted {}, but {} was acknowledged before it began",
                  operation, record.node, index.value, record.frontier.value));
}

void Workload::applied(std::size_t node, const Entry& entry, const CommandResult& result) {
  const auto command = decode_command(entry.payload);
  ASPEN_ASSERT(command && command->operation <= records_.size());
  Record& record = at(command->operation);
  if (record.node != node || record.boot != world_.replica(node).boots()) return;
  if (!record.client_waits) return;
  record.has_result = true;
  record.result = result;
}

void Workload::answer_writes(std::size_t node, Index applied_index) {
  auto& waiting = waiting_[node];
  std::size_t kept = 0;
  const std::uint32_t boots = world_.replica(node).boots();
  for (const std::uint64_t operation : waiting) {
    const Record& record = at(operation);
    if (record.boot != boots) continue;
    if (record.acknowledged.index > applied_index) {
      waiting[kept++] = operation;
    } else {
      try_answer(operation);
    }
  }
  waiting.resize(kept);
}

void Workload::answer_read(std::uint64_t operation, const ModelState& state) {
  Record& record = at(operation);
  if (!record.client_waits) return;
  advance_frontier(state.applied);
  finish(operation, Answer::done, state.registers[record.target]);
}

void Workload::in_log(std::uint64_t operation, LogId id) {
  if (operation == 0) return;
  if (operation > records_.size()) {
    return world_.oracle().violate("only proposals are committed",
                                   fmt::format("entry {} is nobody's", id.index.value));
  }
  Record& record = at(operation);
  if (record.log != LogId{}) {
    world_.oracle().violate("a proposal is committed once",
                            fmt::format("operation {} is at {} and at {}", operation,
                                        record.log.index.value, id.index.value));
  }
  record.log = id;
  if (record.fate == Fate::refused) {
    world_.oracle().violate(
        "definite refusals are not in the log",
        fmt::format("operation {} was refused, and is at {}", operation, id.index.value));
  }
  if (record.fate == Fate::committed && record.acknowledged != id) {
    world_.oracle().violate("acknowledged where it is",
                            fmt::format("operation {} is at {}, said to be at {}", operation,
                                        id.index.value, record.acknowledged.index.value));
  }
}

// ---- the end

void Workload::check_end() {
  for (std::size_t i = 0; i < records_.size(); ++i) {
    const Record& record = records_[i];
    if (record.action == RegisterAction::read || record.fate != Fate::committed) continue;
    if (record.log == record.acknowledged) continue;
    return world_.oracle().violate(
        "no acknowledged write is lost",
        fmt::format("operation {} was acknowledged at {}", i + 1, record.acknowledged.index.value));
  }
  check_history();
}

void Workload::check_history() {
  std::vector<Operation> history;
  history.reserve(records_.size());
  for (const Record& record : records_) {
    if (record.not_done) continue;
    Operation o;
    o.client = record.client;
    o.key = record.target;
    o.action = record.action;
    o.value = record.value;
    o.expected = record.expected;
    o.invoked = record.invoked;
    if (record.client_knows) {
      o.answer = record.result.answer;
      o.returned = record.returned;
      if (o.action != RegisterAction::write) o.seen = record.result.seen;
    }
    history.push_back(o);
  }
  const WglVerdict verdict = check_linearizable(history);
  world_.counters().wgl_steps += verdict.steps;
  if (verdict.linearizable == Linearizable::undecided) ++world_.counters().wgl_undecided;
  if (verdict.linearizable != Linearizable::no) return;
  std::string text = fmt::format("register {}: none of these fits:", verdict.key);
  for (const Operation& o : verdict.blocked) text += "\n    " + to_string(o);
  world_.oracle().violate("linearizable history (WGL)", std::move(text));
}

}  // namespace aspen::sim
