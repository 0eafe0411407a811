// One stream of etcdserverpb.Maintenance.Snapshot: the node's snapshot file in pieces, each sent
// when the client has taken the one before.
//
// Owner: itself; it ends when gRPC has let go of it and no answer of the gateway is awaited.
// Thread: any; a piece is read from the disk on gRPC's. Bound: limits::snapshot_clients_max streams
// at a time, one piece of limits::snapshot_chunk_bytes in each.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "etcd/rpc.pb.h"
#include "node/adapter/grpc/call.h"

namespace aspen::adapter {

class SnapshotStream final : public ::grpc::ServerWriteReactor<etcdserverpb::SnapshotResponse> {
 public:
  // `streams` counts them and outlives them.
  SnapshotStream(Method method, ::grpc::CallbackServerContext& context,
                 std::atomic<std::size_t>& streams);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  enum class Step : std::uint8_t { opening, writing, finished };

  void on_opened(Result<gateway::Reply<gateway::SnapshotResult>>&& opened);
  void write_next();
  // False if somebody else has finished the stream.
  [[nodiscard]] bool claim(Step from, Step to);
  // Precondition: the step is `finished`, set by the caller alone.
  void finish(const Error& error);
  void release() noexcept;

  const Method method_;
  ::grpc::CallbackServerContext& context_;
  std::atomic<std::size_t>& streams_;
  const Instant started_;
  gateway::Header header_;
  std::shared_ptr<gateway::SnapshotReader> reader_;
  std::uint64_t left_bytes_ = 0;
  std::string piece_;  // read, and sent up to offset_
  std::size_t offset_ = 0;
  etcdserverpb::SnapshotResponse response_;
  std::mutex mutex_;  // of the step
  Step step_ = Step::opening;
  std::atomic<int> references_{1};
};

}  // namespace aspen::adapter
