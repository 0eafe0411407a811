#include "tests/sim/node/coverage.h"

namespace aspen::sim::node {

const char* to_string(Site site) {
  constexpr std::array<const char*, sites> names{
      "write acknowledged",
      "write through a follower",
      "write refused",
      "write retried",
      "write unknown, applied",
      "write unknown, lost",
      "swap failed",
      "pair written",
      "key deleted",
      "read at a follower",
      "read local",
      "read local, stale",
      "read at a revision",
      "read compacted",
      "compacted",
      "answer late",
      "refused: no leader",
      "refused: overloaded",
      "refused: no space",
      "refused: stopping",
      "leader elected",
      "leader crashed",
      "crash in Init",
      "crash of all",
      "crash by power",
      "crash at io",
      "crash in turn",
      "crash, state lost",
      "crash while recovering",
      "stopped in order",
      "ended by io error",
      "ended by full disk",
      "ended by supervision",
      "replica restarted",
      "log purged",
      "actor killed",
      "paused",
      "partitioned",
      "link reset",
      "bytes corrupted",
      "disk full and back",
      "disk stalled",
      "one outside at the end",
      "member added",
      "member promoted",
      "voters changed",
      "member removed",
      "member replaced",
      "leadership transferred",
      "disk lost",
      "change refused",
      "change unknown",
      "joint configuration",
      "node sealed",
      "snapshot sent",
      "snapshot installed",
      "snapshot resumed",
  };
  return names[static_cast<std::size_t>(site)];
}

void Counters::add(const Counters& other) {
  simulated_us += other.simulated_us;
  healthy_us += other.healthy_us;
  faults += other.faults;
  boots += other.boots;
  changes += other.changes;
  writes_done += other.writes_done;
  reads_done += other.reads_done;
  refused += other.refused;
  unknown += other.unknown;
  bytes += other.bytes;
  disk_operations += other.disk_operations;
  wgl_steps += other.wgl_steps;
  wgl_undecided += other.wgl_undecided;
}

}  // namespace aspen::sim::node
