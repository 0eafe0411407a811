#include "tests/e2e/chaos_clients.h"

#include <grpcpp/grpcpp.h>

#include "etcd/rpc.grpc.pb.h"
#include "node/base/assert.h"
#include "node/base/prng.h"

namespace aspen::e2e {

namespace {

using etcdserverpb::KV;
constexpr std::chrono::milliseconds pause{10};
constexpr std::chrono::seconds call_timeout{10};

// A status that says that the request certainly did not take effect.
bool certainly_refused(const grpc::Status& status) {
  const std::string& text = status.error_message();
  return status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED ||
         status.error_code() == grpc::StatusCode::INVALID_ARGUMENT ||
         status.error_code() == grpc::StatusCode::UNIMPLEMENTED ||
         text == "etcdserver: no leader" || text == "etcdserver: server stopped" ||
         text.find("ask another one") != std::string::npos;
}

Told told(const grpc::Status& status) {
  if (status.ok()) return Told::done;
  return certainly_refused(status) ? Told::refused : Told::unknown;
}

// One client: a channel per node, and a node at random for each call.
class Session {
 public:
  Session(const ChaosOptions& options, Prng prng) : targets_(options.targets), prng_(prng) {
    for (const std::string& endpoint : options.endpoints) {
      grpc::ChannelArguments arguments;
      arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 200);
      arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
      arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);
      stubs_.push_back(KV::NewStub(
          grpc::CreateCustomChannel(endpoint, grpc::InsecureChannelCredentials(), arguments)));
    }
  }

  template <class Request, class Response>
  grpc::Status call(grpc::Status (KV::Stub::*method)(grpc::ClientContext*, const Request&,
                                                     Response*),
                    const Request& request, Response& response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + call_timeout);
    return (stubs_[pick()].get()->*method)(&context, request, &response);
  }
  [[nodiscard]] Prng& prng() { return prng_; }

 private:
  std::size_t pick() {
    for (;;) {
      const std::size_t picked = prng_.below(stubs_.size());
      if (targets_ == nullptr || (targets_->load() >> picked & 1U) != 0) return picked;
    }
  }

  std::shared_ptr<const std::atomic<std::uint64_t>> targets_;
  Prng prng_;
  std::vector<std::unique_ptr<KV::Stub>> stubs_;
};

std::uint64_t number(const std::string& value) {
  return value.empty() ? 0 : std::stoull(value);
}

std::string register_key(std::uint64_t index) {
  return "register/" + std::to_string(index);
}

void read_register(Session& session, sim::Operation& operation, grpc::Status& status) {
  etcdserverpb::RangeRequest request;
  etcdserverpb::RangeResponse response;
  request.set_key(register_key(operation.key));
  status = session.call(&KV::Stub::Range, request, response);
  if (!status.ok()) return;
  operation.seen = response.kvs_size() == 0 ? 0 : number(response.kvs(0).value());
}

void write_register(Session& session, sim::Operation& operation, grpc::Status& status) {
  etcdserverpb::PutRequest request;
  etcdserverpb::PutResponse response;
  request.set_key(register_key(operation.key));
  request.set_value(std::to_string(operation.value));
  status = session.call(&KV::Stub::Put, request, response);
}

// value == expected ? put : get
void swap_register(Session& session, sim::Operation& operation, grpc::Status& status) {
  etcdserverpb::TxnRequest request;
  etcdserverpb::TxnResponse response;
  auto& compare = *request.add_compare();
  compare.set_result(etcdserverpb::Compare::EQUAL);
  compare.set_key(register_key(operation.key));
  if (operation.expected == 0) {  // a register that was never written
    compare.set_target(etcdserverpb::Compare::CREATE);
    compare.set_create_revision(0);
  } else {
    compare.set_target(etcdserverpb::Compare::VALUE);
    compare.set_value(std::to_string(operation.expected));
  }
  auto& put = *request.add_success()->mutable_request_put();
  put.set_key(register_key(operation.key));
  put.set_value(std::to_string(operation.value));
  request.add_failure()->mutable_request_range()->set_key(register_key(operation.key));
  status = session.call(&KV::Stub::Txn, request, response);
  if (!status.ok()) return;
  operation.answer = response.succeeded() ? sim::Answer::done : sim::Answer::mismatch;
  if (response.succeeded()) return;
  const auto& range = response.responses(0).response_range();
  operation.seen = range.kvs_size() == 0 ? 0 : number(range.kvs(0).value());
}

}  // namespace

std::uint64_t now_ns() {
  const std::chrono::nanoseconds since = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(since.count());
}

ChaosClients::ChaosClients(ChaosOptions options) : options_(std::move(options)) {}

ChaosClients::~ChaosClients() {
  stop();
}

void ChaosClients::start() {
  for (std::size_t i = 0; i < options_.writers; ++i) {
    threads_.emplace_back([this, i] { write_loop(i); });
  }
  for (std::size_t i = 0; i < options_.register_clients; ++i) {
    threads_.emplace_back([this, i] { register_loop(i); });
  }
}

void ChaosClients::stop() {
  stopping_.store(true);
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

std::uint64_t ChaosClients::first_done_after(std::uint64_t ns) const {
  const std::lock_guard lock(mutex_);
  std::uint64_t first = 0;
  for (auto write = writes_.rbegin(); write != writes_.rend(); ++write) {
    if (write->returned_ns < ns) break;
    if (write->told == Told::done && write->invoked_ns >= ns) first = write->returned_ns;
  }
  return first;
}

void ChaosClients::write_loop(std::size_t client) {
  Session session(options_, Prng(options_.seed).split("writer", client));
  const std::string prefix = "write/" + std::to_string(client) + "/";
  for (std::uint64_t i = 0; !stopping_.load(); ++i) {
    WriteRecord record;
    record.key = prefix + std::to_string(i);
    etcdserverpb::PutRequest request;
    etcdserverpb::PutResponse response;
    request.set_key(record.key);
    request.set_value(std::to_string(i));
    record.invoked_ns = now_ns();
    record.told = told(session.call(&KV::Stub::Put, request, response));
    record.returned_ns = now_ns();
    record.revision = response.header().revision();
    const bool done = record.told == Told::done;
    if (done) done_.fetch_add(1);
    {
      const std::lock_guard lock(mutex_);
      writes_.push_back(std::move(record));
    }
    // A dead node refuses at once: its processors are not for that.
    if (!done) std::this_thread::sleep_for(pause);
  }
}

void ChaosClients::register_loop(std::size_t client) {
  Session session(options_, Prng(options_.seed).split("register", client));
  std::vector<std::uint64_t> last_seen(options_.registers);
  for (std::uint64_t i = 1; !stopping_.load(); ++i) {
    sim::Operation operation;
    operation.client = client;
    operation.key = session.prng().below(options_.registers);
    operation.action = static_cast<sim::RegisterAction>(session.prng().below(3));
    operation.answer = sim::Answer::done;
    operation.value = client << 32U | i;
    operation.expected = last_seen[operation.key];
    operation.invoked = now_ns();
    grpc::Status status;
    switch (operation.action) {
      case sim::RegisterAction::read:
        read_register(session, operation, status);
        break;
      case sim::RegisterAction::write:
        write_register(session, operation, status);
        break;
      case sim::RegisterAction::cas:
        swap_register(session, operation, status);
        break;
    }
    operation.returned = now_ns();
    const Told answer = told(status);
    if (operation.seen) last_seen[operation.key] = *operation.seen;
    if (answer == Told::unknown) {
      operation.answer = sim::Answer::unknown;
      operation.returned = sim::never;
    }
    const bool matters = answer == Told::done ||
                         (answer == Told::unknown && operation.action != sim::RegisterAction::read);
    if (matters) {
      const std::lock_guard lock(mutex_);
      history_.push_back(operation);
    }
    // The history stays checkable at this pace; nothing waits for it.
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace aspen::e2e
