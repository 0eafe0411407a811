// Goal: Maintenance.Snapshot gives a file whole or says that it did not.
#include <grpcpp/grpcpp.h>

#include <mutex>
#include <optional>
#include <vector>

#include "aspen/v1/cluster.grpc.pb.h"
#include "etcd/rpc.grpc.pb.h"
#include "node/base/limits.h"
#include "tests/adapter/grpc/server_fixture.h"

namespace aspen::adapter {
namespace {

using gateway::SnapshotResult;
using ::grpc::StatusCode;

class Pieces final : public gateway::SnapshotReader {
 public:
  Pieces(std::vector<std::string> pieces, std::optional<Error> end)
      : pieces_(std::move(pieces)), end_(end) {}
  [[nodiscard]] std::uint64_t size_bytes() const override {
    std::uint64_t bytes = 0;
    for (const std::string& piece : pieces_) bytes += piece.size();
    return bytes;
  }
  [[nodiscard]] Result<std::string> next() override {
    if (at_ < pieces_.size()) return pieces_[at_++];
    if (end_) return tl::unexpected<Error>(*end_);
    return std::string();
  }

 private:
  const std::vector<std::string> pieces_;
  const std::optional<Error> end_;
  std::size_t at_ = 0;
};

class SnapshotStreams : public ServerFixture {
 protected:
  void SetUp() override {
    ServerFixture::SetUp();
    maintenance = etcdserverpb::Maintenance::NewStub(channel);
  }
  void serve(std::vector<std::string> pieces, std::optional<Error> end = std::nullopt) {
    service.on_snapshot = [pieces, end](gateway::Done<SnapshotResult> done) {
      done(reply(
          SnapshotResult{{Term(3), Index(77)}, 12'345, std::make_shared<Pieces>(pieces, end)}));
    };
  }

  std::unique_ptr<etcdserverpb::Maintenance::Stub> maintenance;
};

// A piece that is larger than a message may be is cut; what is left counts down to 0.
TEST_F(SnapshotStreams, GiveTheFileAndHowMuchIsLeft) {
  const std::string large(3 * limits::snapshot_chunk_bytes + 5, 'm');
  serve({"head", large, "end"});
  ::grpc::ClientContext context;
  const auto stream = maintenance->Snapshot(&context, {});
  etcdserverpb::SnapshotResponse response;
  std::string file;
  std::uint64_t left = large.size() + 7;
  while (stream->Read(&response)) {
    ASSERT_LE(response.blob().size(), limits::snapshot_chunk_bytes);
    file += response.blob();
    left -= response.blob().size();
    EXPECT_EQ(response.remaining_bytes(), left);
    EXPECT_EQ(response.header().member_id(), test_header().member.value);
  }
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_TRUE(file == "head" + large + "end");
}

TEST_F(SnapshotStreams, EndWithTheErrorThatEndedThem) {
  serve({"head"}, Error{Code::corrupt, "a file of the snapshot has changed"});
  ::grpc::ClientContext context;
  const auto stream = maintenance->Snapshot(&context, {});
  etcdserverpb::SnapshotResponse response;
  EXPECT_TRUE(stream->Read(&response));
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_FALSE(stream->Finish().ok());
}

TEST_F(SnapshotStreams, ARefusalIsTold) {
  service.on_snapshot = [](gateway::Done<SnapshotResult> done) {
    done(refusal<SnapshotResult>(Error{Code::no_space, "the disk is full"}));
  };
  ::grpc::ClientContext context;
  const auto stream = maintenance->Snapshot(&context, {});
  EXPECT_EQ(stream->Finish().error_code(), StatusCode::RESOURCE_EXHAUSTED);
}

// The client goes while the snapshot is made: what is made then is for nobody.
TEST_F(SnapshotStreams, MayBeCancelledBeforeTheyBegin) {
  std::mutex mutex;
  gateway::Done<SnapshotResult> waiting;
  service.on_snapshot = [&](gateway::Done<SnapshotResult> done) {
    const std::lock_guard lock(mutex);
    waiting = std::move(done);
  };
  ::grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(200));
  const auto stream = maintenance->Snapshot(&context, {});
  EXPECT_EQ(stream->Finish().error_code(), StatusCode::DEADLINE_EXCEEDED);
  const std::lock_guard lock(mutex);
  ASSERT_TRUE(waiting);
  waiting(reply(SnapshotResult{
      {}, 0, std::make_shared<Pieces>(std::vector<std::string>{"late"}, std::nullopt)}));
}

TEST_F(SnapshotStreams, TriggerSnapshotTellsWhatItHolds) {
  serve({"file"});
  const auto cluster = aspen::v1::Cluster::NewStub(channel);
  ::grpc::ClientContext context;
  aspen::v1::TriggerSnapshotResponse response;
  ASSERT_TRUE(cluster->TriggerSnapshot(&context, {}, &response).ok());
  EXPECT_EQ(response.through().index(), 77U);
  EXPECT_EQ(response.through().term(), 3U);
  EXPECT_EQ(response.bytes(), 12'345U);
}

}  // namespace
}  // namespace aspen::adapter
