// A small client of a cluster: endpoints in turn, deadlines, and for every failure the one thing a
// caller must know, whether the request may have taken effect. It speaks etcd's KV and Cluster
// services, aspen.v1.Cluster and aspen.v1.Actors.
//
// Owner: the caller. Thread: any; calls block until answered or until their deadline.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "aspen/v1/actors.pb.h"
#include "aspen/v1/cluster.pb.h"
#include "etcd/rpc.pb.h"
#include "node/base/error.h"
#include "node/base/time.h"

namespace aspen::client {

struct Credentials {
  std::string ca_file;    // empty: the machine's roots
  std::string cert_file;  // with key_file: the client's own certificate
  std::string key_file;
};

struct Options {
  // host:port, also http://host:port, https://host:port or unix:PATH. At least one. TLS is spoken
  // with https:// and, without a scheme, when a credentials file is given.
  std::vector<std::string> endpoints;
  Credentials credentials;
  Duration timeout = std::chrono::seconds(5);  // of a call, all endpoints together
};

enum class Conclusion {
  refused,      // certainly not applied, or a definite answer about the stored state
  unknown,      // may have been applied, or may still be
  unreachable,  // no endpoint answered, nothing was sent
};

struct Failure {
  Conclusion conclusion = Conclusion::refused;
  std::string message;   // the server's own where it gave one
  std::string endpoint;  // the last one tried
  Code code = Code::ok;  // as the server named it; ok if it did not
  int status = 0;        // gRPC's code; 0 if there was no answer
};

template <class T>
using Outcome = tl::expected<T, Failure>;

// Endpoints from a comma-separated list; empty parts are dropped.
[[nodiscard]] std::vector<std::string> split_endpoints(std::string_view list);

class Client {
 public:
  // Fails if a credentials file cannot be read, a certificate lacks its key or the reverse, files
  // are given for http://, or no endpoint is given; connects to nothing yet.
  [[nodiscard]] static Outcome<std::unique_ptr<Client>> create(const Options& options);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Any endpoint serves these; one that is down or has no leader is passed over as long as the
  // request has certainly not been applied. Reads are repeated freely.
  [[nodiscard]] Outcome<etcdserverpb::RangeResponse> range(
      const etcdserverpb::RangeRequest& request);
  [[nodiscard]] Outcome<etcdserverpb::PutResponse> put(const etcdserverpb::PutRequest& request);
  [[nodiscard]] Outcome<etcdserverpb::DeleteRangeResponse> delete_range(
      const etcdserverpb::DeleteRangeRequest& request);
  [[nodiscard]] Outcome<etcdserverpb::MemberListResponse> member_list();

  // The state of the first node that knows of a leader; if none does, of the first that answers.
  [[nodiscard]] Outcome<aspen::v1::StateResponse> any_state();
  // Changes of the cluster. Any endpoint serves them; one whose outcome is unknown is not repeated.
  [[nodiscard]] Outcome<aspen::v1::AddLearnerResponse> add_learner(
      const aspen::v1::AddLearnerRequest& request);
  [[nodiscard]] Outcome<aspen::v1::RemoveNodeResponse> remove_node(
      const aspen::v1::RemoveNodeRequest& request);
  [[nodiscard]] Outcome<etcdserverpb::MemberPromoteResponse> promote(std::uint64_t node_id);
  [[nodiscard]] Outcome<aspen::v1::TransferLeadershipResponse> transfer_leadership(
      std::uint64_t node_id);

  // To one endpoint: 0 <= endpoint < endpoints().size().
  [[nodiscard]] Outcome<aspen::v1::InitResponse> init(std::size_t endpoint,
                                                      const aspen::v1::InitRequest& request);
  [[nodiscard]] Outcome<aspen::v1::StateResponse> state(std::size_t endpoint);
  [[nodiscard]] Outcome<aspen::v1::DrainResponse> drain(std::size_t endpoint);
  [[nodiscard]] Outcome<aspen::v1::TreeResponse> actors(std::size_t endpoint);
  // Served on control sockets alone.
  [[nodiscard]] Outcome<aspen::v1::KillResponse> kill_actor(std::size_t endpoint,
                                                            const aspen::v1::KillRequest& request);
  [[nodiscard]] Outcome<aspen::v1::MetricsResponse> metrics(std::size_t endpoint);
  [[nodiscard]] Outcome<etcdserverpb::StatusResponse> status(std::size_t endpoint);

  // The endpoint's snapshot file, piece by piece, until `take` gives false; there is no deadline.
  using TakePiece = std::function<bool(std::string_view piece)>;
  [[nodiscard]] Outcome<etcdserverpb::SnapshotResponse> snapshot(std::size_t endpoint,
                                                                 const TakePiece& take);

  // Asks the endpoints who leads and tries the leader first from now on, if it is one of them.
  void prefer_leader();

  // Without a scheme.
  [[nodiscard]] const std::vector<std::string>& endpoints() const noexcept;

 private:
  struct State;

 public:
  // For create() alone.
  explicit Client(std::unique_ptr<State> state);

 private:
  std::unique_ptr<State> state_;
};

}  // namespace aspen::client
