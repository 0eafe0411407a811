// Large answers that their clients do not read.
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <thread>

#include "etcd/rpc.grpc.pb.h"
#include "node/wire/etcd_names.h"
#include "tests/adapter/grpc/server_fixture.h"

namespace aspen::adapter {
namespace {

using ::grpc::StatusCode;

constexpr std::size_t large = 3 * 1024 * 1024;

// Calls KV.Range and leaves the answer where it is until it is destroyed.
class SlowReader {
 public:
  explicit SlowReader(const std::string& address) : stub_(connect(address)) {
    call_ = stub_.PrepareCall(&context_, "/etcdserverpb.KV/Range", &queue_);
    call_->StartCall(nullptr);
    wait();
    const ::grpc::Slice request("");
    call_->WriteLast(::grpc::ByteBuffer(&request, 1), {}, nullptr);
    wait();
  }
  ~SlowReader() {
    context_.TryCancel();
    ::grpc::Status status;
    call_->Finish(&status, nullptr);
    wait();
    queue_.Shutdown();
  }
  SlowReader(const SlowReader&) = delete;
  SlowReader& operator=(const SlowReader&) = delete;

 private:
  // The client's side of the connection takes in little more than was asked for.
  static std::shared_ptr<::grpc::Channel> connect(const std::string& address) {
    ::grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 64 * 1024);
    return ::grpc::CreateCustomChannel(address, ::grpc::InsecureChannelCredentials(), arguments);
  }
  void wait() {
    void* tag = nullptr;
    bool ok = false;
    ASSERT_TRUE(queue_.Next(&tag, &ok));
  }

  ::grpc::GenericStub stub_;
  ::grpc::ClientContext context_;
  ::grpc::CompletionQueue queue_;
  std::unique_ptr<::grpc::GenericClientAsyncReaderWriter> call_;
};

// Room for one large answer and no second. A key says how large its value is.
class Answers : public ServerFixture {
 protected:
  Answers() { options.answers_bytes_max = large + large / 2; }

  void SetUp() override {
    ServerFixture::SetUp();
    kv = etcdserverpb::KV::NewStub(channel);
    service.on_range = [](kv::RangeRequest request, gateway::Deadline, auto done) {
      kv::RangeResponse body;
      const std::size_t bytes = request.key == "small" ? 1 : large;
      body.kvs.push_back({request.key, 1, 1, 1, std::string(bytes, 'v'), 0});
      done(reply(std::move(body)));
    };
    service.on_put = [](kv::PutRequest request, gateway::Deadline, auto done) {
      kv::PutResponse body{42, std::nullopt};
      if (request.prev_kv) body.prev_kv = kv::KeyValue{"k", 1, 1, 1, std::string(large, 'v'), 0};
      done(reply(std::move(body)));
    };
  }
  // The refusal's Code goes to `code`.
  ::grpc::Status range(const std::string& key) {
    ::grpc::ClientContext context;
    etcdserverpb::RangeRequest request;
    request.set_key(key);
    etcdserverpb::RangeResponse response;
    const auto status = kv->Range(&context, request, &response);
    note_code(context);
    return status;
  }
  // Room returns when gRPC has let go of a call, a moment after its client did.
  ::grpc::Status range_when_there_is_room() {
    for (;;) {
      ::grpc::Status status = range("large");
      if (status.error_code() != StatusCode::RESOURCE_EXHAUSTED) return status;
    }
  }
  ::grpc::Status put_with_previous() {
    ::grpc::ClientContext context;
    etcdserverpb::PutRequest request;
    request.set_key("k");
    request.set_prev_kv(true);
    etcdserverpb::PutResponse response;
    const auto status = kv->Put(&context, request, &response);
    note_code(context);
    return status;
  }
  void note_code(const ::grpc::ClientContext& context) {
    const auto& metadata = context.GetServerTrailingMetadata();
    const auto found = metadata.find(wire::code_metadata);
    code = found == metadata.end() ? "" : std::string(found->second.data(), found->second.size());
  }
  // Returns when the server has made the answer of a first range.
  void wait_until_answered() {
    const std::string series =
        "aspen_grpc_server_handled_total grpc_service=etcdserverpb.KV grpc_method=Range "
        "grpc_code=OK";
    while (telemetry.value(series) < 1) std::this_thread::yield();
  }

  std::unique_ptr<etcdserverpb::KV::Stub> kv;
  std::string code;
};

TEST_F(Answers, ThatNobodyReadsLeaveNoRoomForOthers) {
  {
    const SlowReader slow(address());
    wait_until_answered();
    const auto refused = range("large");
    EXPECT_EQ(refused.error_code(), StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_EQ(refused.error_message(), "etcdserver: too many requests");
    EXPECT_EQ(code, "overloaded");
    EXPECT_TRUE(range("small").ok());
  }
  EXPECT_TRUE(range_when_there_is_room().ok());
}

// A write happened before its answer found no room: it must not be called refused.
TEST_F(Answers, OfAWriteWithoutRoomBecomeAnUnknownOutcome) {
  const SlowReader slow(address());
  wait_until_answered();
  EXPECT_EQ(put_with_previous().error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(code, "timed_out");
}

TEST_F(Answers, OfAnySizeAreGivenWhereTheyAreAlone) {
  server.reset();
  options.answers_bytes_max = 1;
  SetUp();
  for (int i = 0; i < 3; ++i) {
    const auto status = range_when_there_is_room();
    EXPECT_TRUE(status.ok()) << status.error_message();
  }
}

}  // namespace
}  // namespace aspen::adapter
