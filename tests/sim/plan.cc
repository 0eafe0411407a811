#include "tests/sim/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "node/base/assert.h"
#include "tests/sim/dice.h"

namespace aspen::sim {

namespace {

struct FamilyRange {
  Time every_least;
  Time every_most;
  Time duration_least;
  Time duration_most;
};

constexpr FamilyRange range_of(Family family) {
  switch (family) {
    case Family::crash_one:
      return {second / 4, 30 * second, millisecond, 5 * second};
    case Family::crash_many:
      return {2 * second, 60 * second, millisecond, 5 * second};
    case Family::crash_all:
      return {3 * second, 60 * second, millisecond, second};
    case Family::crash_armed:
      return {second / 4, 30 * second, millisecond, 2 * second};
    case Family::pause:
      return {second, 30 * second, 100 * millisecond, 10 * second};
    case Family::partition:
      return {second / 3, 30 * second, 100 * millisecond, 10 * second};
    case Family::disk_stall:
      return {second / 2, 30 * second, 10 * millisecond, 5 * second};
    case Family::disk_slow:
      return {2 * second, 30 * second, 100 * millisecond, 20 * second};
    case Family::link_hint:
      return {second / 10, 10 * second, millisecond, millisecond};
    case Family::campaign:
    case Family::transfer:
      return {second / 2, 30 * second, millisecond, millisecond};
    case Family::membership:
      return {second / 5, 10 * second, millisecond, millisecond};
    case Family::lost_disk:
      return {3 * second, 30 * second, 100 * millisecond, 5 * second};
  }
  ASPEN_UNREACHABLE();
}

raft::Tuning draw_tuning(Dice& dice) {
  raft::Tuning t;
  t.election_ticks_min = static_cast<std::uint32_t>(dice.log_uniform(10, 100));
  t.heartbeat_ticks =
      static_cast<std::uint32_t>(dice.between(1, std::max(1U, t.election_ticks_min / 5)));
  t.purge_entries = dice.log_uniform(1, 1000);
  t.read_rounds = static_cast<std::uint32_t>(dice.log_uniform(1, 16));
  if (dice.percent(50)) t.keep_entries = dice.log_uniform(1, 2000);
  t.promotion_lag = dice.log_uniform(1, 1000);
  if (dice.percent(50)) return t;
  if (dice.percent(50)) t.append_bytes = dice.log_uniform(64, t.append_bytes);
  if (dice.percent(50)) t.window_bytes = dice.log_uniform(t.append_bytes, t.window_bytes);
  if (dice.percent(50)) t.window_appends = static_cast<std::uint32_t>(dice.log_uniform(1, 16));
  if (dice.percent(50)) t.uncommitted_bytes = dice.log_uniform(256, t.uncommitted_bytes);
  if (dice.percent(50)) t.tail_bytes = dice.percent(30) ? 0 : dice.log_uniform(64, t.tail_bytes);
  return t;
}

// Messages take far less than an election timeout while nothing is broken; else nobody could lead.
NetworkPlan draw_network(Dice& dice, Time election_min) {
  NetworkPlan n;
  n.delay_least = dice.log_uniform(10, 500);
  n.delay_mean = dice.log_uniform(20, election_min / 50);
  if (dice.percent(50)) n.loss_ppm = static_cast<std::uint32_t>(dice.log_uniform(1000, 300'000));
  if (dice.percent(50)) {
    n.duplicate_ppm = static_cast<std::uint32_t>(dice.log_uniform(1000, 500'000));
  }
  if (dice.percent(50)) {
    n.tail_ppm = static_cast<std::uint32_t>(dice.log_uniform(100, 50'000));
    n.tail = dice.log_uniform(10 * millisecond, 5 * second);
  }
  if (dice.percent(30)) n.skew = static_cast<std::uint32_t>(dice.between(2, 10));
  n.ordered = dice.percent(50);
  n.encoded = dice.percent(25);
  return n;
}

DiskPlan draw_disk(Dice& dice, Time election_min) {
  DiskPlan d;
  d.latency = dice.log_uniform(20, election_min / 30);
  d.merged = dice.percent(75);
  d.torn_percent = dice.percent(50) ? static_cast<std::uint32_t>(dice.between(10, 100)) : 0;
  return d;
}

DriverPlan draw_driver(Dice& dice, Time election_min) {
  DriverPlan d;
  d.turn = dice.percent(50) ? 0 : dice.log_uniform(5, 2 * millisecond);
  d.apply = dice.log_uniform(10, 20 * millisecond);
  d.state_every = dice.log_uniform(20 * millisecond, 20 * second);
  if (dice.percent(30)) d.completion_late = dice.log_uniform(100, election_min / 10);
  if (dice.percent(30)) {
    d.durable_twice_ppm = static_cast<std::uint32_t>(dice.log_uniform(1000, 300'000));
  }
  if (dice.percent(30)) {
    d.append_late_ppm = static_cast<std::uint32_t>(dice.log_uniform(1000, 300'000));
  }
  if (dice.percent(30)) d.append_short_ppm = 500'000;
  if (dice.percent(40)) {
    d.tick_skew_ppm = static_cast<std::uint32_t>(dice.percent(50) ? dice.log_uniform(100, 100'000)
                                                                  : dice.between(200'000, 600'000));
  }
  d.purge_percent = static_cast<std::uint32_t>(dice.percent(30) ? 0 : dice.log_uniform(5, 100));
  return d;
}

WorkloadPlan draw_workload(Dice& dice) {
  WorkloadPlan w;
  w.clients = dice.between(1, 8);
  const std::uint64_t per_second = dice.log_uniform(5, 200);
  w.think = w.clients * second / per_second;
  w.timeout = dice.log_uniform(200 * millisecond, 5 * second);
  w.read_percent = static_cast<std::uint32_t>(dice.between(5, 70));
  w.cas_percent = static_cast<std::uint32_t>(dice.between(0, 30));
  if (dice.percent(30)) {
    w.payload_bytes = static_cast<std::uint32_t>(dice.log_uniform(16, 4096));
  }
  w.registers = dice.between(1, 5);
  if (dice.percent(25)) w.burst = static_cast<std::uint32_t>(dice.log_uniform(1, 16));
  return w;
}

// The node that executed Init owns the configuration alone at first, so it must survive the start.
void draw_swarm(Plan& plan, const Prng& root) {
  Dice shape(root.split("shape"));
  constexpr std::array<std::uint8_t, 10> sizes{1, 2, 3, 3, 3, 3, 4, 5, 5, 7};
  plan.nodes = sizes[shape.below(sizes.size())];
  plan.initialised_by_one = shape.percent(30);
  Dice tuning(root.split("tuning"));
  plan.tuning = draw_tuning(tuning);
  ASPEN_ASSERT(plan.tuning.validate().has_value());
  const Time election_min = plan.tuning.election_ticks_min * tick_period;
  Dice network(root.split("plan.network"));
  plan.network = draw_network(network, election_min);
  Dice disk(root.split("plan.disk"));
  plan.disk = draw_disk(disk, election_min);
  Dice driver(root.split("plan.driver"));
  plan.driver = draw_driver(driver, election_min);
  Dice workload(root.split("plan.workload"));
  plan.workload = draw_workload(workload);
  Dice snapshots(root.split("plan.snapshots"));
  plan.snapshots.transfer = snapshots.log_uniform(millisecond, 3 * second);
  if (snapshots.percent(50)) {
    plan.snapshots.fail_percent = static_cast<std::uint32_t>(snapshots.between(1, 50));
  }
  if (snapshots.percent(30)) plan.snapshots.permit_percent = 20;
  for (std::size_t i = 0; i < families; ++i) {
    Dice dice(root.split("plan.fault", i));
    if (plan.profile == Profile::swarm && dice.percent(50)) continue;
    const FamilyRange range = range_of(static_cast<Family>(i));
    plan.faults[i] = {dice.log_uniform(range.every_least, range.every_most),
                      dice.log_uniform(range.duration_least, range.duration_most)};
  }
  plan.members = plan.nodes;
  if (!plan.changes_members()) {
    // Nobody would replace it.
    plan.faults[static_cast<std::size_t>(Family::lost_disk)] = {};
  } else {
    plan.members = std::min(plan.members, nodes_max - 1);
    plan.nodes = std::min(nodes_max, plan.members + shape.between(1, 3));
  }
}

}  // namespace

std::optional<Profile> profile_named(std::string_view name) {
  for (const Profile p : {Profile::swarm, Profile::storm, Profile::calm}) {
    if (name == to_string(p)) return p;
  }
  return std::nullopt;
}

const char* to_string(Profile profile) {
  switch (profile) {
    case Profile::swarm:
      return "swarm";
    case Profile::storm:
      return "storm";
    case Profile::calm:
      return "calm";
  }
  ASPEN_UNREACHABLE();
}

const char* to_string(Family family) {
  constexpr std::array<const char*, families> names{
      "crash one", "crash many", "crash all", "crash armed", "pause",    "partition", "disk stall",
      "disk slow", "link hint",  "campaign",  "membership",  "transfer", "lost disk"};
  return names[static_cast<std::size_t>(family)];
}

Plan draw_plan(std::uint64_t seed, Profile profile, Time horizon) {
  Plan plan;
  plan.seed = seed;
  plan.profile = profile;
  plan.horizon = horizon;
  if (profile == Profile::calm) {
    plan.workload.think = plan.workload.clients * second / 200;
    return plan;
  }
  draw_swarm(plan, Prng(seed));
  return plan;
}

void leave_out(Plan& plan, Families out) {
  for (std::size_t i = 0; i < families; ++i) {
    if (((out >> i) & 1U) != 0) plan.faults[i] = {};
  }
  if (!plan.changes_members()) plan.faults[static_cast<std::size_t>(Family::lost_disk)] = {};
}

std::string to_names(Families set) {
  std::string text;
  for (std::size_t i = 0; i < families; ++i) {
    if (((set >> i) & 1U) == 0) continue;
    if (!text.empty()) text += ',';
    text += to_string(static_cast<Family>(i));
  }
  std::replace(text.begin(), text.end(), ' ', '-');
  return text;
}

std::optional<Families> parse_families(std::string_view names) {
  Families set = 0;
  while (!names.empty()) {
    const std::size_t comma = std::min(names.find(','), names.size());
    const std::string_view name = names.substr(0, comma);
    names.remove_prefix(std::min(comma + 1, names.size()));
    bool known = false;
    for (std::size_t i = 0; i < families; ++i) {
      if (to_names(Families{1} << i) != name) continue;
      set |= Families{1} << i;
      known = true;
    }
    if (!known) return std::nullopt;
  }
  return set;
}

std::string describe(const Plan& plan) {
  std::string text;
  auto out = std::back_inserter(text);
  const auto& t = plan.tuning;
  fmt::format_to(out, "seed {}, profile {}: {} of {} nodes{}, {:.0f} s\n", plan.seed,
                 to_string(plan.profile), plan.members, plan.nodes,
                 plan.initialised_by_one ? ", initialised by one" : "",
                 static_cast<double>(plan.horizon) / second);
  fmt::format_to(
      out, "  tuning    election {} ticks, heartbeat {}, append {} B, window {} B / {}, ",
      t.election_ticks_min, t.heartbeat_ticks, t.append_bytes, t.window_bytes, t.window_appends);
  fmt::format_to(out, "uncommitted {} B, tail {} B, purge by {}, keep {}, promote at {}\n",
                 t.uncommitted_bytes, t.tail_bytes, t.purge_entries, t.keep_entries,
                 t.promotion_lag);
  const auto& s = plan.snapshots;
  fmt::format_to(out, "  snapshots take {} us, fail {} %, permit {} %\n", s.transfer,
                 s.fail_percent, s.permit_percent);
  const auto& n = plan.network;
  fmt::format_to(out,
                 "  network   delay {} + {} us, loss {} ppm, twice {} ppm, tail {} ppm to {} us, ",
                 n.delay_least, n.delay_mean, n.loss_ppm, n.duplicate_ppm, n.tail_ppm, n.tail);
  fmt::format_to(out, "skew {}, {}{}\n", n.skew, n.ordered ? "ordered" : "unordered",
                 n.encoded ? ", encoded" : "");
  const auto& d = plan.driver;
  fmt::format_to(out, "  disk      {} us, {}, torn {} %\n", plan.disk.latency,
                 plan.disk.merged ? "merged" : "one by one", plan.disk.torn_percent);
  fmt::format_to(out,
                 "  driver    turn {} us, apply {} us, state every {} us, completion + {} us, ",
                 d.turn, d.apply, d.state_every, d.completion_late);
  fmt::format_to(out, "durable twice {} ppm, append late {} ppm, short {} ppm, clock skew {} ppm, ",
                 d.durable_twice_ppm, d.append_late_ppm, d.append_short_ppm, d.tick_skew_ppm);
  fmt::format_to(out, "purge {} %\n", d.purge_percent);
  const auto& w = plan.workload;
  fmt::format_to(out,
                 "  workload  {} clients, think {} us, timeout {} us, reads {} %, swaps {} %, ",
                 w.clients, w.think, w.timeout, w.read_percent, w.cas_percent);
  fmt::format_to(out, "padding {} B, {} registers, bursts {}\n", w.payload_bytes, w.registers,
                 w.burst);
  for (std::size_t i = 0; i < families; ++i) {
    if (plan.faults[i].every == 0) continue;
    fmt::format_to(out, "  fault     {} every {} us for {} us\n", to_string(static_cast<Family>(i)),
                   plan.faults[i].every, plan.faults[i].duration);
  }
  return text;
}

}  // namespace aspen::sim
