// The other nodes, as a replica needs them: casts to its peers, and the two requests of Init. The
// assembly connects it to the cluster layer.
//
// Owner: the assembly; it outlives its users. Thread: the actor that calls; nothing blocks. A
// `done` is called exactly once, from any thread, and only posts a message.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "node/base/bytes.h"
#include "node/base/error.h"
#include "node/base/ids.h"
#include "node/base/membership.h"
#include "node/base/time.h"
#include "node/wire/cluster_codec.h"

namespace aspen::replica {

enum class Lane : std::uint8_t {
  normal,
  bulk,  // gives way to all else, and keeps an order of its own
};

struct OutgoingCast {
  NodeId to;
  wire::CastType type = 0;
  Bytes payload;
  Lane lane = Lane::normal;
};

class Peers {
 public:
  virtual ~Peers() = default;

  // Those to one peer keep their order as long as a link lives; a cast may be lost.
  virtual void cast(std::vector<OutgoingCast> casts) = 0;
  // The same for one cast of a snapshot's transfer, from any thread.
  virtual void transfer(OutgoingCast cast) = 0;
  // Whom to link with and to accept. Replaces the former configuration.
  virtual void set_members(ClusterId cluster, const PeerId& self, const Config& config) = 0;

  // Asks the node at an address who it is. Possible errors: unavailable (not reached),
  // unauthenticated, unsupported, timed_out.
  virtual void probe(const std::string& address, Duration timeout,
                     std::function<void(Result<wire::ProbeReply>)> done) = 0;
  // Gives the node at an address its place. Possible errors: as probe(), and what the node refused
  // (already_initialised, wrong_incarnation, io_error, ...).
  virtual void assign(const std::string& address, const wire::Assign& assign, Duration timeout,
                      std::function<void(Result<void>)> done) = 0;
};

}  // namespace aspen::replica
