// What clients were told against what the nodes applied, and against itself.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tests/sim/node/workload.h"
#include "tests/sim/node/world.h"
#include "tests/sim/wgl.h"

namespace aspen::sim::node {

// Real time and revisions agree: what is acknowledged is seen by whatever begins afterwards.
void Workload::check_floor(const Attempt& attempt, AttemptId id) {
  const Kind kind = attempt.operation.kind;
  const Answer& answer = attempt.answer;
  if (kind == Kind::get_local || kind == Kind::compact) return;
  const bool changed =
      writes(kind) && answer.succeeded && (kind != Kind::erase || answer.deleted > 0);
  if (answer.revision > attempt.floor || (!changed && answer.revision == attempt.floor)) return;
  world_.violate("revisions follow real time (witness)",
                 fmt::format("attempt {} ({}) is answered at revision {}, but {} was acknowledged "
                             "before it began",
                             id, to_string(kind), answer.revision, attempt.floor));
}

void Workload::check_end() {
  for (AttemptId id = 1; id < attempts_.size() && !world_.violated(); ++id) {
    const Attempt& attempt = at(id);
    const Revision applied = world_.history().applied_at(id);
    if (attempt.fate == Fate::refused && applied != 0) {
      world_.violate("what is refused is never applied",
                     fmt::format("attempt {} was refused ({}), and is revision {}", id,
                                 attempt.answer.what, applied));
    }
    const bool named = writes(attempt.operation.kind) && attempt.operation.kind != Kind::erase;
    if (attempt.fate == Fate::unknown && named) {
      world_.coverage().hit(applied != 0 ? Site::write_unknown_applied : Site::write_unknown_lost);
    }
    if (attempt.fate != Fate::done || attempt.answer.code != Code::ok) continue;
    if (attempt.operation.kind == Kind::compact) continue;
    if (attempt.answer.revision > world_.history().newest()) {
      world_.violate("what is acknowledged is applied",
                     fmt::format("attempt {} was answered at revision {}, the last one is {}", id,
                                 attempt.answer.revision, world_.history().newest()));
      return;
    }
    writes(attempt.operation.kind) ? check_write(id) : check_seen(id);
  }
  if (!world_.violated()) check_linearizable_history();
}

void Workload::check_write(AttemptId id) {
  const Attempt& attempt = at(id);
  if (attempt.operation.kind == Kind::erase) return check_erase(id);
  if (attempt.operation.kind == Kind::swap) check_swap(id);
  const Revision expected = attempt.answer.succeeded ? attempt.answer.revision : 0;
  const Revision applied = world_.history().applied_at(id);
  if (applied == expected) return;
  world_.violate("what is acknowledged is applied where it was said",
                 fmt::format("attempt {} ({}) should be revision {}, and is {}", id,
                             to_string(attempt.operation.kind), expected, applied));
}

void Workload::check_erase(AttemptId id) {
  const Attempt& attempt = at(id);
  const History& history = world_.history();
  const std::string& key = attempt.operation.keys.front();
  const Revision revision = attempt.answer.revision;
  const bool absent = history.at(key, revision) == nullptr;
  const bool was_there = history.at(key, revision - 1) != nullptr;
  const bool right =
      attempt.answer.deleted > 0 ? absent && was_there && history.changed(key, revision) : absent;
  if (right) return;
  world_.violate("what is acknowledged is applied where it was said",
                 fmt::format("attempt {} deleted {} of {} at revision {}, which is not so", id,
                             attempt.answer.deleted, key, revision));
}

void Workload::check_swap(AttemptId id) {
  const Attempt& attempt = at(id);
  const std::string& key = attempt.operation.keys.front();
  const bool swapped = attempt.answer.succeeded;
  const Revision before = swapped ? attempt.answer.revision - 1 : attempt.answer.revision;
  const Version* found = world_.history().at(key, before);
  const bool equal = (found == nullptr ? 0 : found->attempt) == attempt.operation.expected;
  if (equal != swapped) {
    world_.violate(
        "a swap compares what is there",
        fmt::format("attempt {} expected {} in {} and {}, there was {}", id,
                    attempt.operation.expected, key, swapped ? "swapped" : "did not swap",
                    found == nullptr ? 0 : found->attempt));
  }
  if (!swapped) check_seen(id);
}

bool Workload::is_seen(const Seen* seen, const std::string& key, Revision revision) {
  const Version* there = world_.history().at(key, revision);
  if (there == nullptr || seen == nullptr) return there == nullptr && seen == nullptr;
  return there->attempt == seen->attempt && there->revision == seen->mod &&
         there->create == seen->create && there->version == seen->version;
}

void Workload::check_seen(AttemptId id) {
  const Attempt& attempt = at(id);
  Revision revision = attempt.answer.revision;
  if (attempt.operation.kind == Kind::get_past) revision = attempt.operation.revision;
  for (const std::string& key : keys_of(attempt.operation)) {
    const auto& all = attempt.answer.seen;
    const auto seen =
        std::find_if(all.begin(), all.end(), [&key](const Seen& each) { return each.key == key; });
    if (is_seen(seen == all.end() ? nullptr : &*seen, key, revision)) continue;
    const Version* there = world_.history().at(key, revision);
    return world_.violate(
        "a read sees the state of its revision (witness)",
        fmt::format("attempt {} ({}) saw {} in {} at revision {}, there was {}", id,
                    to_string(attempt.operation.kind), seen == all.end() ? 0 : seen->attempt, key,
                    revision, there == nullptr ? 0 : there->attempt));
  }
}

std::vector<std::string> Workload::keys_of(const Operation& operation) const {
  if (operation.kind != Kind::scan) return operation.keys;
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < last_seen_.size(); ++i) keys.push_back("key" + std::to_string(i));
  return keys;
}

// What a client knows of one attempt at one key.
aspen::sim::Operation Workload::to_register(AttemptId id, const std::string& key) {
  const Attempt& attempt = at(id);
  const Kind kind = attempt.operation.kind;
  aspen::sim::Operation o;
  o.client = attempt.client;
  o.key = static_cast<std::uint64_t>(key.back() - '0');
  o.action = writes(kind) ? RegisterAction::write : RegisterAction::read;
  if (kind == Kind::swap) o.action = RegisterAction::cas;
  o.value = kind == Kind::erase ? 0 : id;
  o.expected = attempt.operation.expected;
  o.invoked = attempt.invoked;
  if (!attempt.client_knows || attempt.answer.code != Code::ok) return o;
  o.answer = attempt.answer.succeeded ? aspen::sim::Answer::done : aspen::sim::Answer::mismatch;
  o.returned = attempt.returned;
  const auto& all = attempt.answer.seen;
  const auto seen =
      std::find_if(all.begin(), all.end(), [&key](const Seen& each) { return each.key == key; });
  const bool sees = !writes(kind) || !attempt.answer.succeeded;
  if (sees) o.seen = seen == all.end() ? 0 : seen->attempt;
  return o;
}

void Workload::check_linearizable_history() {
  std::vector<aspen::sim::Operation> history;
  std::set<std::uint64_t> observed{0};
  for (AttemptId id = 1; id < attempts_.size(); ++id) {
    const Attempt& attempt = at(id);
    const Kind kind = attempt.operation.kind;
    const bool timeless =
        kind == Kind::get_local || kind == Kind::get_past || kind == Kind::compact;
    if (timeless || attempt.fate == Fate::refused) continue;
    for (const std::string& key : keys_of(attempt.operation)) {
      const aspen::sim::Operation o = to_register(id, key);
      const bool known = o.answer != aspen::sim::Answer::unknown;
      if (!known && o.action == RegisterAction::read) continue;
      if (o.seen) observed.insert(*o.seen);
      if (known && o.action == RegisterAction::cas) observed.insert(o.expected);
      history.push_back(o);
    }
  }
  // A write of which nobody knows and which nobody saw may have happened after all others: values
  // are unique, so leaving it out proves the same with less work.
  std::erase_if(history, [&observed](const aspen::sim::Operation& o) {
    return o.answer == aspen::sim::Answer::unknown && !observed.contains(o.value);
  });
  const WglVerdict verdict = check_linearizable(history);
  world_.counters().wgl_steps += verdict.steps;
  if (verdict.linearizable == Linearizable::undecided) ++world_.counters().wgl_undecided;
  if (verdict.linearizable != Linearizable::no) return;
  std::string text = fmt::format("key{}: none of these fits:", verdict.key);
  for (const auto& o : verdict.blocked) text += "\n    " + aspen::sim::to_string(o);
  world_.violate("linearizable history (WGL)", std::move(text));
}

}  // namespace aspen::sim::node
