#include "tests/sim/node/faults.h"

#include <algorithm>

#include "node/base/assert.h"
#include "tests/sim/node/operator.h"
#include "tests/sim/node/world.h"

namespace aspen::sim::node {

namespace {

// How far ahead a call of the file system is chosen: an append and its sync are two, the start of
// a log a few dozen.
constexpr std::uint64_t calls_ahead_max = 60;
constexpr std::uint64_t turns_ahead_max = 200;

void cut_one(Cut& cut, std::size_t from, std::size_t to) {
  if (from != to) cut[from] = static_cast<std::uint8_t>(cut[from] | (1U << to));
}

}  // namespace

// Isolation of one, two sides, a bridge between them, a ring, one way out or in of a node, a pair,
// and anything.
Cut draw_cut(std::size_t nodes, std::size_t leader, Dice& dice) {
  Cut cut{};
  const std::uint64_t shape = dice.below(8);
  const std::size_t one = dice.percent(50) ? leader : dice.below(nodes);
  const std::uint64_t sides = dice.next();
  for (std::size_t from = 0; from < nodes; ++from) {
    for (std::size_t to = 0; to < nodes; ++to) {
      const bool split = ((sides >> from) & 1U) != ((sides >> to) & 1U);
      const std::size_t apart = (from + nodes - to) % nodes;
      const bool neighbours = apart == 1 || apart == nodes - 1;
      const bool pair =
          (from == one && to == (one + 1) % nodes) || (to == one && from == (one + 1) % nodes);
      const std::array<bool, 8> shapes{from == one || to == one,
                                       split,
                                       split && from != one && to != one,
                                       !neighbours,
                                       from == one,
                                       to == one,
                                       pair,
                                       dice.percent(30)};
      if (shapes[shape]) cut_one(cut, from, to);
    }
  }
  return cut;
}

void Faults::start() {
  const std::vector<Fault>& faults = world_.plan().faults;
  for (std::size_t i = 0; i < faults.size(); ++i) {
    if (world_.reduction().faults.contains(i)) continue;
    world_.after(faults[i].at, [this, i] {
      if (!over_) happen(world_.plan().faults[i]);
    });
  }
}

void Faults::happen(const Fault& fault) {
  const std::size_t nodes = world_.nodes();
  const std::size_t node =
      fault.node == the_leader ? world_.leader().value_or(fault.peer) : fault.node;
  const std::size_t peer = fault.peer == node ? (node + 1) % nodes : fault.peer;
  ++world_.counters().faults;
  world_.trace(node, "FAULT " + describe(fault));
  Dice dice{Prng(fault.detail)};
  Host& host = world_.host(node);
  switch (fault.family) {
    case Family::reset:
    case Family::corrupt:
    case Family::slow_link:
      return strike_pair(fault, node, peer);
    case Family::partition:
      return partition(fault, node, dice);
    case Family::crash:
      return host.crash(dice.percent(50) ? contract::Crash::power : contract::Crash::process,
                        fault.duration);
    case Family::crash_many:
    case Family::crash_all:
      return crash_some(fault, dice);
    case Family::crash_in_turn:
      return host.crash_after(dice.log_uniform(1, turns_ahead_max), fault.duration);
    case Family::stop:
      return host.stop(fault.duration);
    case Family::pause:
      return host.pause(fault.duration);
    case Family::clock_jump: {
      const auto jump = static_cast<std::int64_t>(dice.log_uniform(1, 4'000'000'000));
      return host.set_clock(std::chrono::microseconds(dice.percent(50) ? jump : -jump));
    }
    case Family::kill_actor:
      return host.kill_actor(dice.next());
    case Family::add_member:
    case Family::promote:
    case Family::change_voters:
    case Family::remove_member:
    case Family::transfer:
    case Family::lose_disk:
      return world_.cluster_operator().act(fault.family, node, dice);
    case Family::crash_at_io:
    case Family::stall:
    case Family::slow_disk:
    case Family::full_disk:
    case Family::io_error:
      return strike_disk(fault, node);
  }
  ASPEN_UNREACHABLE();
}

void Faults::strike_pair(const Fault& fault, std::size_t node, std::size_t peer) {
  if (node == peer) return;
  Dice dice{Prng(fault.detail)};
  const std::string& from = world_.host(node).name();
  const std::string& to = world_.host(peer).name();
  if (fault.family == Family::reset) {
    world_.coverage().hit(Site::link_reset);
    return world_.network().cut(from, to);
  }
  if (fault.family == Family::corrupt) {
    world_.coverage().hit(Site::bytes_corrupted);
    return world_.network().corrupt_next(from, to);
  }
  const Time most = world_.plan().election_timeout * 2;
  world_.network().slow_down(from, to, to_duration(dice.log_uniform(millisecond, most)));
  world_.after(fault.duration, [this, from, to] {
    if (!over_) world_.network().slow_down(from, to, {});
  });
}

void Faults::strike_disk(const Fault& fault, std::size_t node) {
  Dice dice{Prng(fault.detail)};
  Host& host = world_.host(node);
  const std::uint64_t calls = dice.log_uniform(1, calls_ahead_max);
  if (fault.family == Family::crash_at_io) return host.crash_at_io(calls, fault.duration);
  if (fault.family == Family::io_error) return host.fail_at_io(calls, fault.duration);
  if (fault.family == Family::stall) return host.stall(fault.duration);
  if (fault.family == Family::slow_disk) {
    return host.slow_down(dice.log_uniform(2, 100), fault.duration);
  }
  ASPEN_ASSERT(fault.family == Family::full_disk);
  const std::uint64_t segment = world_.plan().disk.segment_bytes;
  host.fill(dice.percent(30) ? 0 : dice.below(4 * segment), fault.duration);
}

void Faults::crash_some(const Fault& fault, Dice& dice) {
  const bool all = fault.family == Family::crash_all;
  // A building loses power; or each dies of its own.
  const bool power = dice.percent(50);
  for (std::size_t i = 0; i < world_.nodes(); ++i) {
    const bool struck = all || dice.percent(50);
    const bool dark = all ? power : dice.percent(50);
    const Time down = fault.duration + dice.below(fault.duration + 1);
    if (!struck) continue;
    world_.host(i).crash(dark ? contract::Crash::power : contract::Crash::process, down);
  }
  if (all) world_.coverage().hit(Site::crash_of_all);
}

// ---- partitions

void Faults::partition(const Fault& fault, std::size_t node, Dice& dice) {
  world_.coverage().hit(Site::partitioned);
  Lasting lasting{draw_cut(world_.nodes(), node, dice), false, world_.now() + fault.duration, 0,
                  dice};
  if (dice.percent(25)) lasting.flap = dice.log_uniform(10 * millisecond, 2 * second);
  cuts_.push_back(lasting);
  toggle(cuts_.size() - 1);
}

void Faults::toggle(std::size_t place) {
  if (over_) return;
  Lasting& lasting = cuts_[place];
  const bool ends = world_.now() >= lasting.until;
  const bool close = !ends && !lasting.closed;
  if (close != lasting.closed) apply(lasting.cut, close);
  lasting.closed = close;
  if (ends) return;
  Time wait = lasting.until - world_.now();
  if (lasting.flap != 0) wait = std::min(wait, lasting.dice.exponential(lasting.flap) + 1);
  world_.after(wait, [this, place] { toggle(place); });
}

void Faults::apply(const Cut& cut, bool closed) {
  for (std::size_t from = 0; from < world_.nodes(); ++from) {
    for (std::size_t to = 0; to < world_.nodes(); ++to) {
      if (((cut[from] >> to) & 1U) == 0) continue;
      closed ? world_.cut(from, to) : world_.join(from, to);
    }
  }
}

void Faults::heal() {
  over_ = true;
  for (Lasting& lasting : cuts_) {
    if (lasting.closed) apply(lasting.cut, false);
    lasting.closed = false;
  }
  for (std::size_t from = 0; from < world_.nodes(); ++from) {
    for (std::size_t to = 0; to < world_.nodes(); ++to) {
      if (from == to) continue;
      world_.network().slow_down(world_.host(from).name(), world_.host(to).name(), {});
    }
  }
}

}  // namespace aspen::sim::node
