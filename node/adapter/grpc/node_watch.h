// One stream of aspen.v1.Cluster.WatchNodes: what the node asked sees of the members, first as it
// is, then whenever it has changed. Changes are looked for every quarter of a second, so those
// between two looks arrive as one.
//
// Owner: itself; it ends when gRPC has let go of it and no answer of the gateway is awaited.
// Thread: any. Bound: limits::node_watches_max streams at a time, one message under way in each.
#pragma once

#include <grpcpp/alarm.h>

#include <atomic>
#include <mutex>
#include <string>

#include "aspen/v1/cluster.pb.h"
#include "node/adapter/grpc/call.h"

namespace aspen::adapter {

class NodeWatch final : public ::grpc::ServerWriteReactor<aspen::v1::WatchNodesResponse> {
 public:
  // `watches` counts the streams and outlives them.
  NodeWatch(Method method, ::grpc::CallbackServerContext& context,
            std::atomic<std::size_t>& watches);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  // Who goes on: the gateway's answer, whoever holds that answer, gRPC's write, the alarm, nobody.
  enum class Step : std::uint8_t { looking, deciding, writing, waiting, finished };

  void look();
  void on_view(Result<gateway::Reply<gateway::NodeView>>&& view);
  void wait();
  // Precondition: the step is `finished` already, set by the caller alone.
  void finish(const Error& error);
  // False if the stream is finished; else it is at `next` now.
  [[nodiscard]] bool go_on(Step next);
  void release() noexcept;

  const Method method_;
  ::grpc::CallbackServerContext& context_;
  std::atomic<std::size_t>& watches_;
  const Instant started_;
  aspen::v1::WatchNodesResponse response_;
  std::string sent_;
  bool first_ = true;
  std::mutex mutex_;  // orders OnCancel with the others
  Step step_ = Step::looking;
  bool cancelled_ = false;
  ::grpc::Alarm alarm_;
  std::atomic<int> references_{1};
};

}  // namespace aspen::adapter
