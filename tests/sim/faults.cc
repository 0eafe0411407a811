#include "tests/sim/faults.h"

#include <algorithm>

#include "node/base/assert.h"
#include "tests/sim/operator.h"
#include "tests/sim/replica.h"

namespace aspen::sim {

Faults::Faults(World& world) : world_(world) {
  for (std::size_t i = 0; i < families; ++i) {
    dice_.emplace_back(world.stream("fault", i));
  }
}

void Faults::start() {
  for (std::size_t i = 0; i < families; ++i) schedule_next(static_cast<Family>(i));
}

void Faults::schedule_next(Family family) {
  const Time every = world_.plan().faults[static_cast<std::size_t>(family)].every;
  if (every == 0) return;
  world_.schedule(world_.now() + dice(family).exponential(every) + 1, Task::fault,
                  static_cast<std::uint64_t>(family));
}

Time Faults::duration(Family family) {
  return dice(family).exponential(world_.plan().faults[static_cast<std::size_t>(family)].duration) +
         1;
}

void Faults::record(Family family, std::uint64_t detail, Time time) {
  world_.record(
      {.what = What::fault, .values = {static_cast<std::uint64_t>(family), detail, time}});
}

void Faults::on_fault(Family family) {
  if (world_.healed()) return;
  schedule_next(family);
  Dice& d = dice(family);
  // Half of what strikes one node strikes the leader.
  const std::size_t node = d.percent(50) ? world_.leader() : d.below(world_.nodes());
  Replica& replica = world_.replica(node);
  switch (family) {
    case Family::crash_one:
      return crash(node, family);
    case Family::crash_many:
    case Family::crash_all:
      return crash_many(family);
    case Family::crash_armed: {
      const std::uint64_t point = 1 + d.below(crash_points);
      record(family, node * 10 + point);
      return replica.arm(static_cast<CrashPoint>(point));
    }
    case Family::pause:
      ++world_.counters().pauses;
      return replica.pause(duration(family));
    case Family::partition:
      return partition();
    case Family::disk_stall: {
      const Time time = duration(family);
      ++world_.counters().stalls;
      record(family, node, time);
      return replica.disk().stall(world_.now() + time);
    }
    case Family::disk_slow: {
      const Time time = duration(family);
      const std::uint64_t factor = d.log_uniform(2, 100);
      ++world_.counters().stalls;
      record(family, node, time);
      replica.disk().slow_down(factor);
      lasting_.push_back({family, node, {}, false, world_.now() + time, 0});
      return world_.schedule(world_.now() + time, Task::fault_end, 0, lasting_.size() - 1);
    }
    case Family::link_hint: {
      const std::size_t peer = d.below(world_.nodes());
      if (peer == node) return;
      ++world_.counters().hints;
      return replica.link(peer, d.percent(50));
    }
    case Family::campaign:
      record(family, node);
      return replica.campaign();
    case Family::membership:
      return world_.operators().change_membership();
    case Family::transfer:
      return world_.operators().transfer();
    case Family::lost_disk:
      return world_.operators().lose_disk(node, duration(family));
  }
}

void Faults::crash(std::size_t node, Family family) {
  Replica& replica = world_.replica(node);
  if (!replica.up()) return;
  replica.crash();
  Dice& d = dice(family);
  for (std::size_t i = 0; i < world_.nodes(); ++i) {
    if (i != node && d.percent(50)) world_.replica(i).link(node, false);
  }
  world_.schedule(world_.now() + duration(family), Task::restart, node, replica.boots());
}

void Faults::crash_many(Family family) {
  Dice& d = dice(family);
  for (std::size_t i = 0; i < world_.nodes(); ++i) {
    if (family == Family::crash_all || d.percent(50)) crash(i, family);
  }
}

// ---- partitions

void Faults::partition() {
  Dice& d = dice(Family::partition);
  const auto shape = static_cast<CutShape>(d.below(cut_shapes));
  const Time time = duration(Family::partition);
  Lasting l;
  l.cut = draw_cut(shape, world_.nodes(), world_.leader(), d);
  l.until = world_.now() + time;
  const Time election = world_.plan().election_max() / 2;
  if (d.percent(25)) l.flap = d.log_uniform(election / 4, election * 4);
  ++world_.counters().cuts;
  record(Family::partition, static_cast<std::uint64_t>(shape), time);
  world_.network().add(l.cut);
  hint_about(l.cut, false);
  lasting_.push_back(l);
  const Time first = l.flap == 0 ? time : std::min(time, d.exponential(l.flap) + 1);
  world_.schedule(world_.now() + first, Task::fault_end, 0, lasting_.size() - 1);
}

void Faults::on_end(std::size_t place) {
  if (world_.healed()) return;
  Lasting& l = lasting_[place];
  if (l.family == Family::disk_slow) {
    world_.replica(l.node).disk().slow_down(1);
    return;
  }
  if (l.open && world_.now() < l.until) {
    world_.network().add(l.cut);
  } else if (!l.open) {
    world_.network().remove(l.cut);
  }
  l.open = !l.open;
  hint_about(l.cut, l.open);
  if (world_.now() >= l.until) return;
  const Time next = dice(Family::partition).exponential(l.flap) + 1;
  world_.schedule(std::min(l.until, world_.now() + next), Task::fault_end, 0, place);
}

// The transport may notice a cut, at either end.
void Faults::hint_about(const Cut& cut, bool up) {
  Dice& d = dice(Family::partition);
  for (std::size_t i = 0; i < world_.nodes(); ++i) {
    for (std::size_t j = 0; j < world_.nodes(); ++j) {
      if (((cut[i] >> j) & 1U) == 0) continue;
      if (d.percent(40)) world_.replica(i).link(j, up);
      if (d.percent(40)) world_.replica(j).link(i, up);
    }
  }
}

}  // namespace aspen::sim
