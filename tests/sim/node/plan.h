// What one run of the whole node does, drawn from its seed before the run begins: the cluster, the
// speeds of the model, the workload, and every single fault with its time, so that a minimiser can
// leave out one of them without touching the others. Swarm testing: each family of faults is off in
// half of the runs, else of a strength whose magnitude is uniform.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace aspen::sim::node {

// Virtual time in microseconds.
using Time = std::uint64_t;
inline constexpr Time millisecond = 1000;
inline constexpr Time second = 1'000'000;

inline constexpr std::size_t nodes_max = 7;
// Stands for the node that leads when the fault happens.
inline constexpr std::uint32_t the_leader = 255;

enum class Profile : std::uint8_t {
  swarm,  // `--profile node`, the default of this rung
  storm,  // every family of faults is on
  calm,   // three nodes, 200 operations a second, no faults: the figure of speed
};
[[nodiscard]] std::optional<Profile> profile_named(std::string_view name);
[[nodiscard]] const char* to_string(Profile profile);

enum class Family : std::uint8_t {
  reset,          // all connections of a pair break, in the middle of a frame
  corrupt,        // a bit of what one node sends to another flips on the way
  slow_link,      // one direction of a pair gets slower
  partition,      // shapes: see draw_cut()
  crash,          // a process dies, or its machine loses power
  crash_many,     // of each node with even chances
  crash_all,      //
  crash_at_io,    // power is lost in a chosen call of the file system
  crash_in_turn,  // a process dies between two turns of its actors
  stop,           // an ordered stop
  stall,          // the disk answers nothing for a while
  slow_disk,      // it is many times slower
  full_disk,      // it has no room for a while
  io_error,       // a chosen call of the file system fails
  pause,          // a machine stands still
  clock_jump,     // civil time jumps
  kill_actor,     // an actor of the node fails
  // What an operator does (operator.h).
  add_member,
  promote,
  change_voters,
  remove_member,
  transfer,
  lose_disk,
};
inline constexpr std::size_t families = 23;
[[nodiscard]] const char* to_string(Family family);

struct Fault {
  Family family = Family::reset;
  Time at = 0;  // after the faults begin
  Time duration = 0;
  std::uint32_t node = 0;    // or the_leader
  std::uint32_t peer = 0;    // of a pair: not `node`, once that is resolved
  std::uint64_t detail = 0;  // seeds what else must be drawn
};
[[nodiscard]] std::string describe(const Fault& fault);

struct NetworkPlan {
  Time delay_least = 50;
  Time delay_most = 500;
  std::uint64_t split_one_in = 8;
  Time client_delay = 200;  // mean, each way
};

struct DiskPlan {
  Time log_latency = 500;   // mean: write and sync of the log
  Time state_latency = 50;  // mean: a turn of who applies
  Time read_latency = 100;  // mean: a scan of the state, a read of the log
  Time flush_every = 0;     // mean: the state store makes a part durable by itself; 0: never
  std::uint64_t segment_bytes = 128 * 1024;
  std::uint64_t log_bytes_max = 1024 * 1024;  // kept for members that lag
};

struct WorkloadPlan {
  std::size_t clients = 10;
  std::size_t keys = 4;
  Time think = 50 * millisecond;  // mean between two operations of a client
  Time timeout = 2 * second;      // of an operation, retries included
  std::uint32_t payload_bytes = 64;
  std::uint32_t read_percent = 40;
  std::uint32_t compact_ppm = 2000;
  bool sticky = true;  // a client keeps its node until that fails it
};

struct Plan {
  std::uint64_t seed = 0;
  Profile profile = Profile::swarm;
  std::size_t nodes = 3;           // founders of the cluster
  std::size_t spares = 0;          // further machines, empty
  Time horizon = 30 * second;      // of the faults; then everything heals
  bool faults_from_start = false;  // else from when the cluster has a leader
  Time election_timeout = second;
  Time heartbeat = 100 * millisecond;
  NetworkPlan network;
  DiskPlan disk;
  WorkloadPlan workload;
  bool one_outside = false;  // one node stays broken when all else heals
  std::vector<Fault> faults;

  [[nodiscard]] std::size_t machines() const noexcept { return nodes + spares; }
  [[nodiscard]] Time election_max() const noexcept { return 2 * election_timeout; }
};

[[nodiscard]] Plan draw_plan(std::uint64_t seed, Profile profile, Time horizon);
// Several lines, for people.
[[nodiscard]] std::string describe(const Plan& plan);

// What a minimiser leaves out of a run.
struct Reduction {
  std::set<std::uint64_t> faults;      // by place in the plan
  std::set<std::uint64_t> operations;  // see operation_id()
  // Another course of what is left: other delays, another order of turns.
  std::uint64_t salt = 0;
};
[[nodiscard]] constexpr std::uint64_t operation_id(std::size_t client, std::uint64_t number) {
  return number * 1000 + client;
}
// "3,7-12"
[[nodiscard]] std::string to_ranges(const std::set<std::uint64_t>& numbers);
// Nothing if that is no such list.
[[nodiscard]] std::optional<std::set<std::uint64_t>> parse_ranges(std::string_view text);

}  // namespace aspen::sim::node
