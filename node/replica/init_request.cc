#include "node/replica/init_request.h"

#include <set>
#include <string>

#include "node/base/assert.h"
#include "node/base/limits.h"

namespace aspen::replica {

namespace {

Result<void> validate_member(const InitMember& member) {
  if (member.name.empty() || member.name.size() > limits::node_name_bytes_max) {
    return fail(Code::invalid_argument, "init: every member needs a name of 1 to 255 bytes");
  }
  if (!valid_address(member.peer_address)) {
    return fail(Code::invalid_argument, "init: a member's peer address must be HOST:PORT");
  }
  if (member.client_addresses.empty() ||
      member.client_addresses.size() > limits::member_addresses_max) {
    return fail(Code::invalid_argument, "init: every member needs 1 to 16 client addresses");
  }
  for (const std::string& address : member.client_addresses) {
    if (!valid_address(address)) {
      return fail(Code::invalid_argument, "init: a member's client address must be HOST:PORT");
    }
  }
  return {};
}

}  // namespace

bool valid_address(std::string_view address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || address.size() > limits::address_bytes_max) return false;
  const std::string_view host = address.substr(0, colon);
  const std::string_view port = address.substr(colon + 1);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (host.empty() || (host.find(':') != std::string_view::npos && !bracketed)) return false;
  if (port.empty() || port.size() > 5) return false;
  unsigned number = 0;
  for (const char digit : port) {
    if (digit < '0' || digit > '9') return false;
    number = number * 10 + static_cast<unsigned>(digit - '0');
  }
  return number >= 1 && number <= 65'535;
}

Result<void> validate(const InitCluster& request) {
  if (request.members.empty() || request.members.size() > limits::voters_max) {
    return fail(Code::invalid_argument, "init: expected one to seven members",
                request.members.size());
  }
  if (request.cluster && request.cluster->value == 0) {
    return fail(Code::invalid_argument, "init: the cluster id must not be 0");
  }
  std::set<std::string> names;
  std::set<std::string> addresses;
  for (const InitMember& member : request.members) {
    if (Result<void> valid = validate_member(member); !valid) return valid;
    if (!names.insert(member.name).second) {
      return fail(Code::invalid_argument, "init: two members have the same name");
    }
    if (!addresses.insert(member.peer_address).second) {
      return fail(Code::invalid_argument, "init: two members have the same peer address");
    }
  }
  ASPEN_ASSERT(names.size() == request.members.size());
  return {};
}

Result<std::size_t> find_self(const InitCluster& request, std::string_view name) {
  for (std::size_t i = 0; i < request.members.size(); ++i) {
    if (request.members[i].name == name) return i;
  }
  return fail(Code::invalid_argument,
              "init: the node that executes it is not among the members: names must equal --name");
}

bool same_cluster(const InitCluster& request, ClusterId cluster, const Config& config) {
  if (request.cluster && *request.cluster != cluster) return false;
  if (request.members.size() != config.members.size()) return false;
  for (const InitMember& asked : request.members) {
    bool found = false;
    for (const Member& member : config.members) {
      found = found || (member.name == asked.name && member.peer_address == asked.peer_address &&
                        member.client_addresses == asked.client_addresses);
    }
    if (!found) return false;
  }
  return true;
}

}  // namespace aspen::replica
