#include "tests/sim/node/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>

#include "node/base/assert.h"
#include "tests/sim/dice.h"

namespace aspen::sim::node {

namespace {

constexpr std::size_t faults_of_family_max = 150;

struct Range {
  Time every_least;
  Time every_most;
  Time duration_least;
  Time duration_most;
};

constexpr std::array<Range, families> ranges{{
    {second / 5, 10 * second, 0, 0},                            // reset
    {second / 2, 20 * second, 0, 0},                            // corrupt
    {second, 20 * second, 100 * millisecond, 10 * second},      // slow_link
    {second / 2, 20 * second, 20 * millisecond, 10 * second},   // partition
    {second / 2, 20 * second, millisecond, 5 * second},         // crash
    {2 * second, 30 * second, millisecond, 5 * second},         // crash_many
    {3 * second, 30 * second, millisecond, 3 * second},         // crash_all
    {second / 2, 15 * second, millisecond, 3 * second},         // crash_at_io
    {second / 2, 15 * second, millisecond, 3 * second},         // crash_in_turn
    {2 * second, 30 * second, millisecond, 5 * second},         // stop
    {second / 2, 15 * second, 10 * millisecond, 10 * second},   // stall
    {second, 20 * second, 100 * millisecond, 20 * second},      // slow_disk
    {2 * second, 30 * second, 100 * millisecond, 10 * second},  // full_disk
    {second, 20 * second, millisecond, 2 * second},             // io_error
    {second / 2, 15 * second, 50 * millisecond, 10 * second},   // pause
    {second / 2, 15 * second, 0, 0},                            // clock_jump
    {second / 2, 20 * second, 0, 0},                            // kill_actor
    {second, 20 * second, 0, 0},                                // add_member
    {second, 10 * second, 0, 0},                                // promote
    {second, 20 * second, 0, 0},                                // change_voters
    {2 * second, 30 * second, 0, 0},                            // remove_member
    {second / 2, 20 * second, 0, 0},                            // transfer
    {3 * second, 30 * second, 0, 0},                            // lose_disk
}};

void draw_faults(Plan& plan, const Prng& root) {
  for (std::size_t i = 0; i < families; ++i) {
    Dice dice(root.split("fault", i));
    if (plan.profile == Profile::swarm && dice.percent(50)) continue;
    const Range& range = ranges[i];
    const Time every = dice.log_uniform(range.every_least, range.every_most);
    const Time mean =
        range.duration_least == 0 ? 0 : dice.log_uniform(range.duration_least, range.duration_most);
    Time at = 0;
    for (std::size_t k = 0; k < faults_of_family_max; ++k) {
      at += dice.exponential(every) + 1;
      Fault fault{static_cast<Family>(i), at, mean == 0 ? 0 : dice.exponential(mean) + 1, 0, 0, 0};
      // Half of what strikes one node strikes the leader.
      const bool leader = dice.percent(50);
      const std::uint64_t node = dice.below(plan.machines());
      fault.node = leader ? the_leader : static_cast<std::uint32_t>(node);
      fault.peer = static_cast<std::uint32_t>(dice.below(plan.machines()));
      fault.detail = dice.next();
      if (at >= plan.horizon) break;
      plan.faults.push_back(fault);
    }
  }
  std::stable_sort(plan.faults.begin(), plan.faults.end(),
                   [](const Fault& a, const Fault& b) { return a.at < b.at; });
}

WorkloadPlan draw_workload(Dice& dice) {
  WorkloadPlan w;
  w.clients = dice.between(1, 12);
  const std::uint64_t per_second = dice.log_uniform(10, 300);
  w.think = w.clients * second / per_second;
  w.keys = dice.between(1, 6);
  w.timeout = dice.log_uniform(300 * millisecond, 6 * second);
  w.payload_bytes =
      static_cast<std::uint32_t>(dice.log_uniform(1, dice.percent(20) ? 20'000 : 500));
  w.read_percent = static_cast<std::uint32_t>(dice.between(5, 70));
  w.compact_ppm = dice.percent(50) ? 0 : static_cast<std::uint32_t>(dice.log_uniform(500, 30'000));
  w.sticky = dice.percent(70);
  return w;
}

void draw_swarm(Plan& plan, const Prng& root) {
  Dice shape(root.split("shape"));
  constexpr std::array<std::uint8_t, 10> sizes{1, 2, 3, 3, 3, 3, 3, 4, 5, 5};
  plan.nodes = sizes[shape.below(sizes.size())];
  if (shape.percent(60))
    plan.spares = shape.between(1, std::min<std::size_t>(3, nodes_max - plan.nodes));
  plan.faults_from_start = shape.percent(20);
  plan.election_timeout = shape.log_uniform(150, 2000) * millisecond;
  plan.heartbeat = std::max(20 * millisecond, plan.election_timeout / shape.between(4, 12));
  plan.one_outside = plan.nodes >= 3 && shape.percent(40);
  Dice network(root.split("plan.network"));
  plan.network.delay_least = network.log_uniform(10, 500);
  plan.network.delay_most =
      plan.network.delay_least + network.log_uniform(10, plan.election_timeout / 50);
  plan.network.split_one_in = network.log_uniform(2, 64);
  plan.network.client_delay = network.log_uniform(20, 5 * millisecond);
  Dice disk(root.split("plan.disk"));
  plan.disk.log_latency = disk.log_uniform(20, plan.election_timeout / 30);
  plan.disk.state_latency = disk.log_uniform(5, 5 * millisecond);
  plan.disk.read_latency = disk.log_uniform(10, 20 * millisecond);
  if (disk.percent(60)) plan.disk.flush_every = disk.log_uniform(20 * millisecond, 10 * second);
  plan.disk.segment_bytes = disk.log_uniform(64, 1024) * 1024;
  plan.disk.log_bytes_max = plan.disk.segment_bytes * disk.between(1, 8);
  Dice workload(root.split("plan.workload"));
  plan.workload = draw_workload(workload);
  draw_faults(plan, root);
}

}  // namespace

std::optional<Profile> profile_named(std::string_view name) {
  if (name == "node") return Profile::swarm;
  for (const Profile p : {Profile::storm, Profile::calm}) {
    if (name == to_string(p)) return p;
  }
  return std::nullopt;
}

const char* to_string(Profile profile) {
  switch (profile) {
    case Profile::swarm:
      return "node";
    case Profile::storm:
      return "node-storm";
    case Profile::calm:
      return "node-calm";
  }
  ASPEN_UNREACHABLE();
}

const char* to_string(Family family) {
  constexpr std::array<const char*, families> names{
      "reset",     "corrupt",       "slow link",     "partition",  "crash",      "crash many",
      "crash all", "crash at io",   "crash in turn", "stop",       "stall",      "slow disk",
      "full disk", "io error",      "pause",         "clock jump", "kill actor", "add member",
      "promote",   "change voters", "remove member", "transfer",   "lose disk"};
  return names[static_cast<std::size_t>(family)];
}

std::string describe(const Fault& fault) {
  const std::string node =
      fault.node == the_leader ? "the leader" : "n" + std::to_string(fault.node + 1);
  return fmt::format("{:10.6f} {} at {} for {:.6f} s", static_cast<double>(fault.at) / second,
                     to_string(fault.family), node, static_cast<double>(fault.duration) / second);
}

Plan draw_plan(std::uint64_t seed, Profile profile, Time horizon) {
  Plan plan;
  plan.seed = seed;
  plan.profile = profile;
  plan.horizon = horizon;
  if (profile == Profile::calm) return plan;
  draw_swarm(plan, Prng(seed).split("plan"));
  return plan;
}

std::string describe(const Plan& plan) {
  std::string text;
  auto out = std::back_inserter(text);
  fmt::format_to(out, "seed {}, profile {}: {} nodes, {} spare, {:.0f} s, faults from {}{}\n",
                 plan.seed, to_string(plan.profile), plan.nodes, plan.spares,
                 static_cast<double>(plan.horizon) / second,
                 plan.faults_from_start ? "the start" : "the first leader",
                 plan.one_outside ? ", one node stays broken" : "");
  fmt::format_to(out, "  raft      election {} us, heartbeat {} us\n", plan.election_timeout,
                 plan.heartbeat);
  const auto& n = plan.network;
  fmt::format_to(out, "  network   delay {} to {} us, 1 piece in {} is split, clients {} us\n",
                 n.delay_least, n.delay_most, n.split_one_in, n.client_delay);
  const auto& d = plan.disk;
  fmt::format_to(out, "  disk      log {} us, state {} us, reads {} us, flush every {} us, ",
                 d.log_latency, d.state_latency, d.read_latency, d.flush_every);
  fmt::format_to(out, "segments {} B\n", d.segment_bytes);
  const auto& w = plan.workload;
  fmt::format_to(out, "  workload  {} clients, {} keys, think {} us, timeout {} us, values {} B, ",
                 w.clients, w.keys, w.think, w.timeout, w.payload_bytes);
  fmt::format_to(out, "reads {} %, compactions {} ppm{}\n", w.read_percent, w.compact_ppm,
                 w.sticky ? ", sticky" : "");
  std::array<std::size_t, families> counts{};
  for (const Fault& fault : plan.faults) ++counts[static_cast<std::size_t>(fault.family)];
  for (std::size_t i = 0; i < families; ++i) {
    if (counts[i] == 0) continue;
    fmt::format_to(out, "  fault     {} {} times\n", to_string(static_cast<Family>(i)), counts[i]);
  }
  return text;
}

std::string to_ranges(const std::set<std::uint64_t>& numbers) {
  std::string text;
  for (auto at = numbers.begin(); at != numbers.end();) {
    const std::uint64_t first = *at;
    std::uint64_t last = first;
    while (++at != numbers.end() && *at == last + 1) ++last;
    if (!text.empty()) text += ',';
    text += std::to_string(first);
    if (last != first) text += '-' + std::to_string(last);
  }
  return text;
}

std::optional<std::set<std::uint64_t>> parse_ranges(std::string_view text) {
  constexpr std::uint64_t longest = 1'000'000;
  std::set<std::uint64_t> numbers;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    std::uint64_t first = 0;
    auto parsed = std::from_chars(at, end, first);
    if (parsed.ec != std::errc()) return std::nullopt;
    std::uint64_t last = first;
    if (parsed.ptr != end && *parsed.ptr == '-') {
      parsed = std::from_chars(parsed.ptr + 1, end, last);
      if (parsed.ec != std::errc() || last < first || last - first > longest) return std::nullopt;
    }
    for (std::uint64_t i = first; i <= last; ++i) numbers.insert(i);
    at = parsed.ptr;
    if (at == end) break;
    if (*at++ != ',') return std::nullopt;
  }
  return numbers;
}

}  // namespace aspen::sim::node
