// What one run does, drawn from its seed before the run begins: size of the cluster, Tuning, the
// model's speeds, the workload, and which faults happen how often. Swarm testing: every family of
// faults is off in half of the runs, else of a strength whose magnitude is uniform; a run with few
// families reaches states that a run with all of them never does.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "node/raft/core.h"

namespace aspen::sim {

// Virtual time in microseconds.
using Time = std::uint64_t;
inline constexpr Time millisecond = 1000;
inline constexpr Time second = 1'000'000;
inline constexpr Time tick_period = 10 * millisecond;

inline constexpr std::size_t nodes_max = 7;
// Ids of nodes are given by place and generation; a place has at most so many neighbours.
inline constexpr std::uint64_t id_stride = 8;

enum class Profile : std::uint8_t {
  swarm,  // the default
  storm,  // every family of faults is on
  calm,   // three nodes, 200 operations a second, no faults: the figure of speed
};
[[nodiscard]] std::optional<Profile> profile_named(std::string_view name);
[[nodiscard]] const char* to_string(Profile profile);

enum class Family : std::uint8_t {
  crash_one,
  crash_many,
  crash_all,
  crash_armed,  // at a given place of the driver: within a turn, at a sync, at a reply, ...
  pause,        // a process stops for a while (VM stop)
  partition,
  disk_stall,
  disk_slow,
  link_hint,   // PeerLink that is wrong
  campaign,    // somebody asks for an election
  membership,  // somebody changes the configuration
  transfer,    // somebody hands the leadership over
  lost_disk,   // a node comes back without its data, and is replaced later
};
inline constexpr std::size_t families = 13;
[[nodiscard]] const char* to_string(Family family);
// A set of families, a bit for each.
using Families = std::uint32_t;
// "crash-one,partition"; nothing if that names no families.
[[nodiscard]] std::string to_names(Families families);
[[nodiscard]] std::optional<Families> parse_families(std::string_view names);

// Off if every == 0.
struct FaultRate {
  Time every = 0;     // mean time between two
  Time duration = 0;  // mean
};

struct NetworkPlan {
  Time delay_least = 50;
  Time delay_mean = 300;
  std::uint32_t loss_ppm = 0;
  std::uint32_t duplicate_ppm = 0;
  std::uint32_t tail_ppm = 0;  // messages that take up to `tail` longer
  Time tail = 0;
  std::uint32_t skew = 0;  // some links are up to this many times slower
  bool ordered = true;     // a link keeps the order of its messages, as TCP does
  bool encoded = false;    // messages travel as bytes
};

struct DiskPlan {
  Time latency = 500;
  bool merged = true;              // one fsync for all that waits, else one for each LogIo
  std::uint32_t torn_percent = 0;  // crashes that leave a part of a LogIo
};

struct DriverPlan {
  Time turn = 0;                  // from an input's arrival to the turn that takes it; 0: at once
  Time apply = 200;               // latency of applying a range
  Time state_every = 2 * second;  // between two times that the state becomes durable
  Time completion_late = 0;       // LogDurable reaches the core up to this much later
  std::uint32_t durable_twice_ppm = 0;
  std::uint32_t append_late_ppm = 0;   // the log is read for an append later than asked
  std::uint32_t append_short_ppm = 0;  // and fewer entries are sent than asked for
  std::uint32_t tick_skew_ppm = 0;     // clocks run apart by up to this much
  std::uint32_t purge_percent = 100;   // how many permissions to purge are used
};

struct SnapshotPlan {
  Time transfer = 100 * millisecond;  // mean time that one takes
  std::uint32_t fail_percent = 0;     // break off
  std::uint32_t permit_percent = 0;   // of the times that the state becomes durable: PurgeUpTo
};

struct WorkloadPlan {
  std::size_t clients = 4;
  Time think = 20 * millisecond;  // mean time between two operations of a client
  Time timeout = second;
  std::uint32_t read_percent = 40;
  std::uint32_t cas_percent = 20;
  std::uint32_t payload_bytes = 0;  // padding, up to this
  std::size_t registers = 3;
  std::uint32_t burst = 0;  // writes that nobody waits for, up to so many beside each write
};

struct Plan {
  std::uint64_t seed = 0;
  Profile profile = Profile::swarm;
  std::size_t nodes = 3;            // places
  std::size_t members = 3;          // of them members from the start; the others are added later
  bool initialised_by_one = false;  // one node boots with the configuration and campaigns
  Time horizon = 60 * second;       // then everything heals
  raft::Tuning tuning;
  NetworkPlan network;
  DiskPlan disk;
  DriverPlan driver;
  WorkloadPlan workload;
  SnapshotPlan snapshots;
  std::array<FaultRate, families> faults{};

  [[nodiscard]] const FaultRate& rate(Family family) const noexcept {
    return faults[static_cast<std::size_t>(family)];
  }
  [[nodiscard]] bool changes_members() const noexcept { return rate(Family::membership).every > 0; }
  // Whether entries may be purged that somebody still needs.
  [[nodiscard]] bool purges_early() const noexcept {
    return changes_members() || tuning.keep_entries < (std::uint64_t{1} << 40U) ||
           snapshots.permit_percent > 0;
  }
  [[nodiscard]] Time election_max() const noexcept {
    return 2 * tuning.election_ticks_min * tick_period;
  }
};

[[nodiscard]] Plan draw_plan(std::uint64_t seed, Profile profile, Time horizon);
// Faults of these families do not happen. Without changes of the membership no disk is lost either,
// as nobody would replace it.
void leave_out(Plan& plan, Families families);
// Several lines, for people.
[[nodiscard]] std::string describe(const Plan& plan);

}  // namespace aspen::sim
