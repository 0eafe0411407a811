// A gateway whose answers the test chooses: each method calls the function of its name, which by
// default refuses with `unsupported`.
#pragma once

#include <chrono>
#include <functional>
#include <mutex>
#include <utility>

#include "node/gateway/service.h"
#include "node/port/clock.h"

namespace aspen::adapter {

class SteadyClock final : public Clock {
 public:
  [[nodiscard]] Instant now() const noexcept override {
    return Instant{std::chrono::steady_clock::now().time_since_epoch() /
                   std::chrono::nanoseconds(1)};
  }
  [[nodiscard]] WallTime wall() const noexcept override {
    return WallTime{std::chrono::system_clock::now().time_since_epoch() /
                    std::chrono::nanoseconds(1)};
  }
};

inline gateway::Header test_header() {
  return {ClusterId(0xc1), NodeId(0xa1), 42, Term(7)};
}

template <class T>
Result<gateway::Reply<T>> reply(T body) {
  return gateway::Reply<T>{test_header(), std::move(body)};
}
template <class T>
Result<gateway::Reply<T>> refusal(Error error) {
  return tl::unexpected(error);
}

class FakeService final : public gateway::Service {
 public:
  template <class Request, class Body>
  using Handler = std::function<void(Request, gateway::Deadline, gateway::Done<Body>)>;

  explicit FakeService(const Clock& clock) : clock_(clock) {}

  Handler<kv::RangeRequest, kv::RangeResponse> on_range;
  Handler<kv::PutRequest, kv::PutResponse> on_put;
  Handler<kv::DeleteRangeRequest, kv::DeleteRangeResponse> on_delete_range;
  Handler<kv::TxnRequest, kv::TxnResponse> on_txn;
  Handler<kv::CompactRequest, kv::CompactResponse> on_compact;
  Handler<std::int64_t, gateway::HashResult> on_hash_kv;
  Handler<gateway::Consistency, Config> on_members;
  Handler<gateway::InitRequest, gateway::InitResult> on_init;
  Handler<gateway::MembershipRequest, gateway::MembershipResult> on_change_membership;
  Handler<NodeId, gateway::TransferResult> on_transfer_leadership;
  std::function<void(gateway::Deadline, gateway::Done<gateway::DrainResult>)> on_drain;
  std::function<void(gateway::Done<gateway::NodeView>)> on_view;
  std::function<void(gateway::Done<gateway::SnapshotResult>)> on_snapshot;
  gateway::HashResult hash_result;
  gateway::NodeView node_view;
  Health node_health;

  [[nodiscard]] gateway::Deadline default_deadline() const override {
    return {clock_.now() + std::chrono::seconds(7)};
  }
  void range(kv::RangeRequest request, gateway::Deadline deadline,
             gateway::Done<kv::RangeResponse> done) override {
    pass(on_range, std::move(request), deadline, std::move(done));
  }
  void put(kv::PutRequest request, gateway::Deadline deadline,
           gateway::Done<kv::PutResponse> done) override {
    pass(on_put, std::move(request), deadline, std::move(done));
  }
  void delete_range(kv::DeleteRangeRequest request, gateway::Deadline deadline,
                    gateway::Done<kv::DeleteRangeResponse> done) override {
    pass(on_delete_range, std::move(request), deadline, std::move(done));
  }
  void txn(kv::TxnRequest request, gateway::Deadline deadline,
           gateway::Done<kv::TxnResponse> done) override {
    pass(on_txn, std::move(request), deadline, std::move(done));
  }
  void compact(kv::CompactRequest request, gateway::Deadline deadline,
               gateway::Done<kv::CompactResponse> done) override {
    pass(on_compact, request, deadline, std::move(done));
  }
  void hash_kv(std::int64_t revision, gateway::Deadline deadline,
               gateway::Done<gateway::HashResult> done) override {
    pass(on_hash_kv, revision, deadline, std::move(done));
  }
  void hash(gateway::Deadline, gateway::Done<gateway::HashResult> done) override {
    done(reply(hash_result));
  }
  void members(gateway::Consistency consistency, gateway::Deadline deadline,
               gateway::Done<Config> done) override {
    pass(on_members, consistency, deadline, std::move(done));
  }
  void view(gateway::Deadline, gateway::Done<gateway::NodeView> done) override {
    if (on_view) return on_view(std::move(done));
    gateway::NodeView view;
    {
      const std::lock_guard lock(mutex_);
      view = node_view;
    }
    done(reply(std::move(view)));
  }
  // Once a stream looks at the view from threads of its own.
  template <class Change>
  void change_view(Change change) {
    const std::lock_guard lock(mutex_);
    change(node_view);
  }
  void init(gateway::InitRequest request, gateway::Deadline deadline,
            gateway::Done<gateway::InitResult> done) override {
    pass(on_init, std::move(request), deadline, std::move(done));
  }
  void change_membership(gateway::MembershipRequest request, gateway::Deadline deadline,
                         gateway::Done<gateway::MembershipResult> done) override {
    pass(on_change_membership, std::move(request), deadline, std::move(done));
  }
  void transfer_leadership(NodeId to, gateway::Deadline deadline,
                           gateway::Done<gateway::TransferResult> done) override {
    pass(on_transfer_leadership, to, deadline, std::move(done));
  }
  void drain(gateway::Deadline deadline, gateway::Done<gateway::DrainResult> done) override {
    if (on_drain) return on_drain(deadline, std::move(done));
    done(refusal<gateway::DrainResult>(Error{Code::unsupported, "not set by the test"}));
  }
  void snapshot(gateway::Done<gateway::SnapshotResult> done) override {
    if (on_snapshot) return on_snapshot(std::move(done));
    done(refusal<gateway::SnapshotResult>(Error{Code::unsupported, "not set by the test"}));
  }
  [[nodiscard]] Health health() const override { return node_health; }

 private:
  template <class Request, class Body>
  static void pass(const Handler<Request, Body>& handler, Request request,
                   gateway::Deadline deadline, gateway::Done<Body> done) {
    if (handler) {
      handler(std::move(request), deadline, std::move(done));
    } else {
      done(refusal<Body>(Error{Code::unsupported, "not set by the test"}));
    }
  }

  const Clock& clock_;
  std::mutex mutex_;
};

}  // namespace aspen::adapter
