#include "node/replica/log_reads.h"

#include <algorithm>

#include "node/base/assert.h"
#include "node/base/limits.h"

namespace aspen::replica {

namespace {

constexpr Duration lost_after = std::chrono::seconds(10);

bool same_entries(const raft::AppendSpec& a, const raft::AppendSpec& b) {
  return a.term == b.term && a.prev == b.prev && a.lo == b.lo && a.hi == b.hi &&
         a.term_hi == b.term_hi;
}

}  // namespace

bool LogReads::begin(NodeId to, const raft::AppendSpec& spec, Instant now) {
  ASPEN_ASSERT(spec.lo <= spec.hi);
  const bool known = reads_.contains(to);
  if (!known && reads_.size() >= limits::members_max) return false;
  std::vector<Read>& reads = reads_[to];
  std::erase_if(reads, [now](const Read& read) { return now - read.begun >= lost_after; });
  for (Read& read : reads) {
    if (!same_entries(read.spec, spec)) continue;
    read.spec = spec;
    return false;
  }
  if (reads.size() >= limits::log_reads_per_peer_max) return false;
  reads.push_back({spec, now});
  ASPEN_ASSERT(reads_.size() <= limits::members_max);
  return true;
}

std::optional<raft::AppendSpec> LogReads::finish(NodeId to, const raft::AppendSpec& spec) {
  const auto found = reads_.find(to);
  if (found == reads_.end()) return std::nullopt;
  std::vector<Read>& reads = found->second;
  const auto read = std::find_if(reads.begin(), reads.end(),
                                 [&](const Read& each) { return same_entries(each.spec, spec); });
  if (read == reads.end()) return std::nullopt;
  const raft::AppendSpec newest = read->spec;
  ASPEN_ASSERT(newest.term == spec.term);
  ASPEN_ASSERT(newest.lo == spec.lo);
  reads.erase(read);
  if (reads.empty()) reads_.erase(found);
  return newest;
}

}  // namespace aspen::replica
