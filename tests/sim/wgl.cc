#include "tests/sim/wgl.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "node/base/assert.h"

namespace aspen::sim {

namespace {

std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15U;
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31U);
}

// A set of (linearized operations, register value), both as 64-bit numbers; the operations are a
// Zobrist hash. It is asked for membership alone, so that its order decides nothing.
class Configurations {
 public:
  Configurations() : slots_(64) {}

  // False if it was there.
  bool insert(std::uint64_t operations, std::uint64_t value) {
    if (2 * (count_ + 1) > slots_.size()) grow();
    return place({operations | 1U, value});
  }

 private:
  struct Slot {
    std::uint64_t operations = 0;  // 0: free
    std::uint64_t value = 0;
  };

  bool place(Slot slot) {
    std::size_t at = mix(slot.operations ^ mix(slot.value)) & (slots_.size() - 1);
    while (slots_[at].operations != 0) {
      if (slots_[at].operations == slot.operations && slots_[at].value == slot.value) return false;
      at = (at + 1) & (slots_.size() - 1);
    }
    slots_[at] = slot;
    ++count_;
    return true;
  }

  void grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    count_ = 0;
    for (const Slot& slot : old) {
      if (slot.operations != 0) place(slot);
    }
  }

  std::vector<Slot> slots_;
  std::size_t count_ = 0;
};

bool writes(const Operation& o) {
  return o.action != RegisterAction::read && o.answer != Answer::mismatch;
}

// The value that an operation proves to have been in the register.
std::optional<std::uint64_t> observed(const Operation& o) {
  if (o.answer == Answer::unknown) return std::nullopt;
  if (o.action == RegisterAction::cas && o.answer == Answer::done) return o.expected;
  return o.seen;
}

// The reduction below needs every value to have one origin, and every operation that looked at the
// register to say what it saw.
bool values_have_one_origin(const std::vector<Operation>& history, std::uint64_t initial) {
  std::vector<std::uint64_t> values{initial};
  for (const Operation& o : history) {
    if (o.answer == Answer::mismatch && !o.seen) return false;
    if (writes(o)) values.push_back(o.value);
  }
  std::sort(values.begin(), values.end());
  return std::adjacent_find(values.begin(), values.end()) == values.end();
}

// value -> the earliest return of those who saw it
using FirstSeen = std::map<std::uint64_t, std::uint64_t>;

void note_seen(FirstSeen& first_seen, std::uint64_t value, std::uint64_t returned) {
  const auto [at, fresh] = first_seen.try_emplace(value, returned);
  if (!fresh) at->second = std::min(at->second, returned);
}

// True if one more operation of unknown outcome proves to have happened: its value was seen. If it
// is a swap, it saw what it expected, which may prove another one.
bool settle_some(std::vector<Operation>& history, FirstSeen& first_seen) {
  bool settled = false;
  for (Operation& o : history) {
    if (o.answer != Answer::unknown || !first_seen.contains(o.value)) continue;
    o.answer = Answer::done;
    // Seen before it was invoked: keep the order of times, the search finds the contradiction.
    o.returned = std::max(first_seen.at(o.value), o.invoked);
    if (o.action == RegisterAction::cas) note_seen(first_seen, o.expected, o.returned);
    settled = true;
  }
  return settled;
}

// An operation of unknown outcome whose value nobody saw may be taken not to have happened: what
// happened without being seen was overwritten before anybody looked. One whose value was seen did
// happen, before the first who saw it returned. Without this each such operation doubles the work.
void settle_unknown(std::vector<Operation>& history, std::uint64_t initial) {
  std::erase_if(history, [](const Operation& o) {
    return o.answer == Answer::unknown && o.action == RegisterAction::read;
  });
  if (!values_have_one_origin(history, initial)) return;
  FirstSeen first_seen;
  for (const Operation& o : history) {
    if (const auto value = observed(o)) note_seen(first_seen, *value, o.returned);
  }
  while (settle_some(history, first_seen)) {  // Each round settles at least one.
  }
  std::erase_if(history, [](const Operation& o) { return o.answer == Answer::unknown; });
}

// The search over one register. Calls and returns form a list in time; linearizing an operation
// lifts both out of it, going back puts them in again.
class Search {
 public:
  Search(std::vector<Operation> history, WglOptions options)
      : history_(std::move(history)), options_(options), value_(options.initial) {
    link();
  }

  WglVerdict run() {
    WglVerdict verdict;
    std::uint32_t at = next_[head];
    while (definite_left_ > 0) {
      if (++verdict.steps > options_.steps_max) {
        verdict.linearizable = Linearizable::undecided;
        return verdict;
      }
      if (at != tail && is_call(at)) {
        at = try_linearize(at) ? next_[head] : next_[at];
        continue;
      }
      note_blocked(verdict);
      if (path_.empty()) {
        verdict.linearizable = Linearizable::no;
        return verdict;
      }
      at = next_[go_back()];
    }
    verdict.blocked.clear();
    return verdict;
  }

 private:
  static constexpr std::uint32_t head = 0;
  static constexpr std::uint32_t tail = 1;
  struct Step {
    std::uint32_t call;
    std::uint64_t value_before;
  };

  // Node 2 + 2i is the call of operation i, 3 + 2i its return.
  static bool is_call(std::uint32_t node) { return (node & 1U) == 0; }
  static std::uint32_t operation_of(std::uint32_t node) { return (node - 2) / 2; }
  static std::uint64_t zobrist(std::uint32_t operation) {
    return mix(operation + 0x51ed2701U) << 1U;
  }

  void link() {
    struct Point {
      std::uint64_t time;
      std::uint32_t order;  // calls before returns of the same instant: those overlap
      std::uint32_t node;
    };
    std::vector<Point> points;
    for (std::uint32_t i = 0; i < history_.size(); ++i) {
      const Operation& o = history_[i];
      ASPEN_ASSERT(o.invoked <= o.returned);
      points.push_back({o.invoked, 0, 2 + 2 * i});
      if (o.answer == Answer::unknown) continue;
      ASPEN_ASSERT(o.action != RegisterAction::read || o.seen.has_value());
      points.push_back({o.returned, 1, 3 + 2 * i});
      ++definite_left_;
    }
    std::sort(points.begin(), points.end(), [](const Point& a, const Point& b) {
      return std::tie(a.time, a.order, a.node) < std::tie(b.time, b.order, b.node);
    });
    next_.assign(2 + 2 * history_.size(), tail);
    previous_.assign(next_.size(), head);
    std::uint32_t last = head;
    for (const Point& p : points) {
      join(last, p.node);
      last = p.node;
    }
    join(last, tail);
  }

  void join(std::uint32_t a, std::uint32_t b) {
    next_[a] = b;
    previous_[b] = a;
  }
  void lift(std::uint32_t node) { join(previous_[node], next_[node]); }
  void put_back(std::uint32_t node) {
    next_[previous_[node]] = node;
    previous_[next_[node]] = node;
  }

  // The register's value afterwards, or nothing if the operation's answer does not fit.
  std::optional<std::uint64_t> apply(const Operation& o) const {
    const bool equal = value_ == o.expected;
    switch (o.action) {
      case RegisterAction::read:
        return o.seen == value_ ? std::optional(value_) : std::nullopt;
      case RegisterAction::write:
        return o.value;
      case RegisterAction::cas:
        if (o.answer == Answer::unknown) return equal ? o.value : value_;
        if (o.answer == Answer::done) return equal ? std::optional(o.value) : std::nullopt;
        if (equal || (o.seen && *o.seen != value_)) return std::nullopt;
        return value_;
    }
    ASPEN_UNREACHABLE();
  }

  bool try_linearize(std::uint32_t call) {
    const std::uint32_t operation = operation_of(call);
    const auto after = apply(history_[operation]);
    if (!after || !seen_.insert(done_ ^ zobrist(operation), *after)) return false;
    path_.push_back({call, value_});
    value_ = *after;
    done_ ^= zobrist(operation);
    lift(call);
    if (history_[operation].answer == Answer::unknown) return true;
    lift(call + 1);
    --definite_left_;
    return true;
  }

  // Returns the call that was undone.
  std::uint32_t go_back() {
    const Step step = path_.back();
    path_.pop_back();
    const std::uint32_t operation = operation_of(step.call);
    if (history_[operation].answer != Answer::unknown) {
      put_back(step.call + 1);
      ++definite_left_;
    }
    put_back(step.call);
    value_ = step.value_before;
    done_ ^= zobrist(operation);
    return step.call;
  }

  // Keeps the operations that were open where the search came farthest.
  void note_blocked(WglVerdict& verdict) {
    constexpr std::size_t blocked_max = 16;
    if (path_.size() < deepest_) return;
    deepest_ = path_.size();
    verdict.blocked.clear();
    std::uint32_t node = next_[head];
    while (node != tail && is_call(node) && verdict.blocked.size() < blocked_max) {
      verdict.blocked.push_back(history_[operation_of(node)]);
      node = next_[node];
    }
  }

  std::vector<Operation> history_;
  WglOptions options_;
  std::vector<std::uint32_t> next_;
  std::vector<std::uint32_t> previous_;
  std::vector<Step> path_;
  Configurations seen_;
  std::uint64_t value_;
  std::uint64_t done_ = 0;
  std::size_t definite_left_ = 0;
  std::size_t deepest_ = 0;
};

}  // namespace

WglVerdict check_linearizable(const std::vector<Operation>& history, WglOptions options) {
  std::map<std::uint64_t, std::vector<Operation>> by_key;
  for (const Operation& o : history) by_key[o.key].push_back(o);
  WglVerdict total;
  for (auto& [key, operations] : by_key) {
    settle_unknown(operations, options.initial);
    WglVerdict verdict = Search(std::move(operations), options).run();
    total.steps += verdict.steps;
    if (verdict.linearizable == Linearizable::yes) continue;
    total.linearizable = verdict.linearizable;
    total.key = key;
    total.blocked = std::move(verdict.blocked);
    if (verdict.linearizable == Linearizable::no) return total;
  }
  return total;
}

std::string to_string(const Operation& o) {
  std::string text = "client " + std::to_string(o.client);
  const std::string key = " of register " + std::to_string(o.key);
  switch (o.action) {
    case RegisterAction::read:
      text += " reads" + key;
      break;
    case RegisterAction::write:
      text += " writes " + std::to_string(o.value) + key;
      break;
    case RegisterAction::cas:
      text += " swaps " + std::to_string(o.expected) + " for " + std::to_string(o.value) + key;
      break;
  }
  if (o.answer == Answer::unknown) text += ", outcome unknown";
  if (o.answer == Answer::mismatch) text += ", refused";
  if (o.seen) text += ", sees " + std::to_string(*o.seen);
  text += " [" + std::to_string(o.invoked) + ", ";
  return text + (o.returned == never ? "never" : std::to_string(o.returned)) + "]";
}

}  // namespace aspen::sim
