// The rules of Init that need no other node. Pure.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "node/base/error.h"
#include "node/base/membership.h"
#include "node/replica/node_actor.h"

namespace aspen::replica {

// One to seven members with names and addresses that are unique and well-formed.
// Possible errors: invalid_argument, saying what is accepted.
[[nodiscard]] Result<void> validate(const InitCluster& request);

// Which of the members this node is: by name. Possible errors: invalid_argument.
[[nodiscard]] Result<std::size_t> find_self(const InitCluster& request, std::string_view name);

// Whether a cluster was made from this request: the same names and addresses, and the cluster id if
// the request names one.
[[nodiscard]] bool same_cluster(const InitCluster& request, ClusterId cluster,
                                const Config& config);

// host:port with a port from 1 to 65535; an IPv6 host stands in brackets.
[[nodiscard]] bool valid_address(std::string_view address);

}  // namespace aspen::replica
