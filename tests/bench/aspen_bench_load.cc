#include "tests/bench/aspen_bench_load.h"

#include <absl/synchronization/mutex.h>
#include <grpcpp/alarm.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <deque>
#include <latch>
#include <memory>
#include <mutex>
#include <optional>

#include "etcd/rpc.grpc.pb.h"
#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/base/prng.h"

namespace aspen::bench {
namespace {

using Clock = std::chrono::steady_clock;

std::string key_of(std::uint64_t number) {
  char text[24];
  std::snprintf(text, sizeof text, "k%07llu", static_cast<unsigned long long>(number));
  return text;
}

std::shared_ptr<::grpc::Channel> connect(const std::string& endpoint) {
  ::grpc::ChannelArguments arguments;
  // Each channel is a connection of its own.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(-1);
  return ::grpc::CreateCustomChannel(endpoint, ::grpc::InsecureChannelCredentials(), arguments);
}

// What all clients of a run share.
struct Run {
  const Load& load;
  Clock::time_point count_from;
  Clock::time_point end;
  std::atomic<std::uint64_t> issued{0};
  std::atomic<std::uint64_t> puts{0};
  std::latch running;

  [[nodiscard]] bool over(Clock::time_point now) {
    if (load.operations == 0) return now >= end;
    return issued.fetch_add(1, std::memory_order_relaxed) >= load.operations;
  }
};

// One client: sends its next request when the last one is answered. Its callbacks never overlap.
class LoadClient {
 public:
  LoadClient(Run& run, etcdserverpb::KV::Stub& stub, std::uint64_t number)
      : run_(run), stub_(stub), random_(Prng(run.load.seed).split("client", number)) {
    std::string value(run.load.value_bytes, '\0');
    for (char& byte : value) byte = static_cast<char>('a' + random_.below(26));
    put_.set_value(std::move(value));
    get_.set_serializable(run.load.operation == Operation::get_serializable);
  }

  void next() {
    started_ = Clock::now();
    if (run_.over(started_)) {
      run_.running.count_down();
      return;
    }
    context_.emplace();
    const std::string key = key_of(random_.below(run_.load.keys));
    const auto done = [this](const ::grpc::Status& status) { on_done(status); };
    if (run_.load.operation == Operation::put) {
      put_.set_key(key);
      stub_.async()->Put(&*context_, &put_, &put_response_, done);
    } else {
      get_.set_key(key);
      stub_.async()->Range(&*context_, &get_, &get_response_, done);
    }
  }

  [[nodiscard]] const Latencies& latencies() const { return latencies_; }
  [[nodiscard]] const std::map<std::string, std::uint64_t>& errors() const { return errors_; }

 private:
  void on_done(const ::grpc::Status& status) {
    const auto now = Clock::now();
    if (!status.ok()) {
      ++errors_[std::to_string(status.error_code()) + " " + status.error_message()];
      // A refusal comes at once; repeating it at once would only measure refusals.
      alarm_.Set(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(10, GPR_TIMESPAN)),
                 [this](bool) { next(); });
      return;
    }
    if (now >= run_.count_from) latencies_.add(now - started_);
    if (run_.load.operation == Operation::put && run_.load.compact_every != 0 &&
        (run_.puts.fetch_add(1, std::memory_order_relaxed) + 1) % run_.load.compact_every == 0) {
      compact(put_response_.header().revision());
      return;
    }
    next();
  }

  void compact(std::int64_t revision) {
    context_.emplace();
    compaction_.set_revision(revision);
    stub_.async()->Compact(&*context_, &compaction_, &compaction_response_,
                           [this](const ::grpc::Status& status) {
                             // Another client may have compacted a later revision.
                             const bool late = status.error_code() == ::grpc::OUT_OF_RANGE;
                             if (!status.ok() && !late)
                               ++errors_["compact: " + status.error_message()];
                             next();
                           });
  }

  Run& run_;
  etcdserverpb::KV::Stub& stub_;
  Prng random_;
  std::optional<::grpc::ClientContext> context_;
  etcdserverpb::PutRequest put_;
  etcdserverpb::PutResponse put_response_;
  etcdserverpb::RangeRequest get_;
  etcdserverpb::RangeResponse get_response_;
  etcdserverpb::CompactionRequest compaction_;
  etcdserverpb::CompactionResponse compaction_response_;
  Clock::time_point started_;
  Latencies latencies_;
  std::map<std::string, std::uint64_t> errors_;
  ::grpc::Alarm alarm_;
};

tl::expected<std::vector<std::shared_ptr<::grpc::Channel>>, std::string> connect_all(
    const Load& load) {
  std::vector<std::shared_ptr<::grpc::Channel>> channels;
  const std::size_t count = std::max(load.connections, load.endpoints.size());
  const auto by = std::chrono::system_clock::now() + std::chrono::seconds(10);
  for (std::size_t i = 0; i < count; ++i) {
    const std::string& endpoint = load.endpoints[i % load.endpoints.size()];
    channels.push_back(connect(endpoint));
    if (!channels.back()->WaitForConnected(by)) {
      return tl::unexpected("cannot connect to " + endpoint);
    }
  }
  return channels;
}

}  // namespace

tl::expected<LoadResult, std::string> run_load(const Load& load) {
  ASPEN_ASSERT(!load.endpoints.empty());
  ASPEN_ASSERT(load.clients > 0);
  ASPEN_ASSERT(load.keys > 0);
  // Debian's abseil keeps a graph of all lock orders of gRPC unless it is told not to.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  const auto channels = connect_all(load);
  if (!channels) return tl::unexpected(channels.error());
  std::vector<std::unique_ptr<etcdserverpb::KV::Stub>> stubs;
  for (const auto& channel : *channels) stubs.push_back(etcdserverpb::KV::NewStub(channel));

  const auto start = Clock::now();
  const auto count_from = load.operations == 0 ? start + load.warmup : start;
  Run run{load, count_from, count_from + load.duration,
          {},   {},         std::latch(static_cast<std::ptrdiff_t>(load.clients))};
  std::deque<LoadClient> clients;
  for (std::size_t i = 0; i < load.clients; ++i) {
    clients.emplace_back(run, *stubs[i % stubs.size()], i);
  }
  for (LoadClient& client : clients) client.next();
  run.running.wait();

  LoadResult result;
  result.elapsed = Clock::now() - count_from;
  for (const LoadClient& client : clients) {
    result.latencies.merge(client.latencies());
    for (const auto& [text, number] : client.errors()) result.errors[text] += number;
  }
  return result;
}

tl::expected<void, std::string> fill(const Load& load) {
  const auto stub = etcdserverpb::KV::NewStub(connect(load.endpoints.front()));
  for (std::uint64_t key = 0; key < load.keys;) {
    etcdserverpb::TxnRequest request;
    for (std::size_t i = 0; i < limits::txn_operations_max && key < load.keys; ++i, ++key) {
      auto& put = *request.add_success()->mutable_request_put();
      put.set_key(key_of(key));
      put.set_value(std::string(load.value_bytes, 'v'));
    }
    ::grpc::ClientContext context;
    context.set_wait_for_ready(true);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    etcdserverpb::TxnResponse response;
    const ::grpc::Status status = stub->Txn(&context, request, &response);
    if (!status.ok()) return tl::unexpected("cannot write the keys: " + status.error_message());
  }
  return {};
}

std::string leader_of(const std::vector<std::string>& endpoints) {
  for (const std::string& endpoint : endpoints) {
    const auto stub = etcdserverpb::Maintenance::NewStub(connect(endpoint));
    ::grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(2));
    etcdserverpb::StatusResponse response;
    const ::grpc::Status status = stub->Status(&context, {}, &response);
    if (status.ok() && response.leader() != 0 &&
        response.leader() == response.header().member_id()) {
      return endpoint;
    }
  }
  return "";
}

}  // namespace aspen::bench
