// What the clients of a chaos run were told, against what the cluster holds in the end.
#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/e2e/chaos_clients.h"

namespace aspen::e2e {

using StoredWrites = std::map<std::string, std::int64_t>;  // key -> mod revision

// Every key of the writers, in pages. False if a read failed.
[[nodiscard]] bool read_writes(const std::shared_ptr<grpc::Channel>& channel, StoredWrites& stored);

// Acknowledged writes that are lost, refused ones that took effect, revisions that were given
// twice: a line for each kind that there is.
[[nodiscard]] std::vector<std::string> faults_of(const std::vector<WriteRecord>& writes,
                                                 const StoredWrites& stored);

// "yes", "NO" (after printing the operations that fit nowhere) or "undecided".
[[nodiscard]] std::string linearizability_of(const std::vector<sim::Operation>& history);

}  // namespace aspen::e2e
