#include "tests/e2e/chaos_checks.h"

#include <fmt/format.h>

#include <set>

#include "etcd/rpc.grpc.pb.h"
#include "tests/e2e/cluster_client.h"

namespace aspen::e2e {

bool read_writes(const std::shared_ptr<grpc::Channel>& channel, StoredWrites& stored) {
  stored.clear();
  const auto stub = etcdserverpb::KV::NewStub(channel);
  std::string from = "write/";
  for (;;) {
    etcdserverpb::RangeRequest request;
    etcdserverpb::RangeResponse response;
    request.set_key(from);
    request.set_range_end("write0");
    request.set_limit(10'000);
    request.set_keys_only(true);
    if (!stub->Range(context(std::chrono::seconds(5)).get(), request, &response).ok()) return false;
    for (const auto& kv : response.kvs()) stored[kv.key()] = kv.mod_revision();
    if (!response.more()) return true;
    from = response.kvs(response.kvs_size() - 1).key() + '\0';
  }
}

std::vector<std::string> faults_of(const std::vector<WriteRecord>& writes,
                                   const StoredWrites& stored) {
  std::set<std::int64_t> revisions;
  std::size_t lost = 0;
  std::size_t ghosts = 0;
  std::size_t twice = 0;
  for (const WriteRecord& write : writes) {
    const auto found = stored.find(write.key);
    if (write.told == Told::done) {
      if (found == stored.end() || found->second != write.revision) ++lost;
      if (!revisions.insert(write.revision).second) ++twice;
    } else if (write.told == Told::refused && found != stored.end()) {
      ++ghosts;
    }
  }
  std::vector<std::string> faults;
  if (lost > 0) faults.push_back(fmt::format("no acknowledged write is lost ({} are)", lost));
  if (ghosts > 0) faults.push_back(fmt::format("no refused write took effect ({} did)", ghosts));
  if (twice > 0) faults.push_back(fmt::format("no revision is given twice ({} are)", twice));
  return faults;
}

std::string linearizability_of(const std::vector<sim::Operation>& history) {
  const sim::WglVerdict verdict = sim::check_linearizable(history);
  if (verdict.linearizable == sim::Linearizable::yes) return "yes";
  for (const sim::Operation& operation : verdict.blocked) {
    fmt::print("  register {}: {}\n", verdict.key, sim::to_string(operation));
  }
  return verdict.linearizable == sim::Linearizable::no ? "NO" : "undecided";
}

}  // namespace aspen::e2e
