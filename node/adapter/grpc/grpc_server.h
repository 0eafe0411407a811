// The client port, plaintext or TLS: etcd's services, aspen.v1.Cluster and Actors, grpc.health.v1
// and, if wanted, reflection, on one port, over gateway::Service. What is not served answers
// UNIMPLEMENTED.
//
// Owner: the assembly. Thread: start and stop on one thread; calls run on gRPC's threads. Bounds:
// limits::grpc_message_bytes_max a message, limits::grpc_streams_per_connection_max calls a
// connection; requests in progress are the gateway's to bound, answers that are not read yet
// GrpcServerOptions::answers_bytes_max.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "node/base/error.h"
#include "node/base/limits.h"
#include "node/base/time.h"
#include "node/gateway/actors.h"
#include "node/gateway/service.h"
#include "node/port/certificates.h"
#include "node/port/clock.h"
#include "node/port/log.h"
#include "node/port/telemetry.h"

namespace aspen::adapter {

enum class Reflection : std::uint8_t { off, on };

struct GrpcServerOptions {
  // host:port; "[::]:2379" and ":2379" listen on IPv4 and IPv6, port 0 on any free one.
  std::vector<std::string> listen;
  Reflection reflection = Reflection::off;
  std::string version;  // Aspen's own
  // What connections and requests may occupy in gRPC; 0: no bound.
  std::uint64_t memory_bytes = 0;
  // What answers may occupy until their clients have read them.
  std::size_t answers_bytes_max = limits::answers_in_flight_bytes_max;
  // A unix socket beside `listen`, in plaintext, for whoever owns the file (mode 0600); empty:
  // none.
  std::string control_socket = {};
};

// What the server stands on. All of it outlives the server.
struct GrpcServerPorts {
  gateway::Service& service;
  Clock& clock;
  Telemetry& telemetry;
  CertificateSource* certificates = nullptr;  // null: plaintext; staged_certificates.h
  LogSink* log = nullptr;                     // of what gRPC complains about; null: its own
  gateway::Actors* actors = nullptr;          // null: aspen.v1.Actors refuses
};

class GrpcServer {
 public:
  // Postcondition: every address of `listen` accepts connections.
  // Possible errors: invalid_argument (no address), unavailable (an address is malformed, in use or
  // not of this machine; detail: its position in `listen`; or no memory for certificates; or the
  // control socket cannot be made, detail: the number of addresses).
  [[nodiscard]] static Result<std::unique_ptr<GrpcServer>> start(const GrpcServerOptions& options,
                                                                 GrpcServerPorts ports);
  // stop(0) if it was not stopped before.
  ~GrpcServer();
  GrpcServer(const GrpcServer&) = delete;
  GrpcServer& operator=(const GrpcServer&) = delete;

  // Refuses new calls, waits up to `drain` for those that run, and cancels the rest. Blocks. A call
  // that was cancelled ends at once for its client; the gateway's answer to it is dropped whenever
  // it comes, as long as the ports live.
  void stop(Duration drain);

  // In the order of `listen`.
  [[nodiscard]] const std::vector<std::uint16_t>& listening_ports() const;

 private:
  struct State;
  explicit GrpcServer(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace aspen::adapter
