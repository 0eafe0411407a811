#include "node/adapter/grpc/status.h"

#include <gtest/gtest.h>

namespace aspen::adapter {
namespace {

using ::grpc::StatusCode;

struct Row {
  Error error;
  StatusCode code;
  const char* text;
};

// Goal: clients compare texts byte by byte. Method: the table of etcd's errors, written out again.
TEST(EtcdStatus, HasEtcdsCodeAndText) {
  const Row rows[] = {
      {Error{Code::invalid_argument, "etcdserver: key is not provided"},
       StatusCode::INVALID_ARGUMENT, "etcdserver: key is not provided"},
      {Error{Code::invalid_argument, "etcdserver: request is too large"},
       StatusCode::INVALID_ARGUMENT, "etcdserver: request is too large"},
      {Error{Code::compacted, "etcdserver: mvcc: required revision has been compacted"},
       StatusCode::OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted"},
      {Error{Code::future_revision, "etcdserver: mvcc: required revision is a future revision"},
       StatusCode::OUT_OF_RANGE, "etcdserver: mvcc: required revision is a future revision"},
      {Error{Code::not_found, "etcdserver: requested lease not found"}, StatusCode::NOT_FOUND,
       "etcdserver: requested lease not found"},
      {{Code::no_leader, "nobody leads"}, StatusCode::UNAVAILABLE, "etcdserver: no leader"},
      {{Code::not_leader, ""}, StatusCode::FAILED_PRECONDITION, "etcdserver: not leader"},
      {{Code::overloaded, "the table is full"},
       StatusCode::RESOURCE_EXHAUSTED,
       "etcdserver: too many requests"},
      {Error{Code::no_space, "etcdserver: mvcc: database space exceeded"},
       StatusCode::RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded"},
      {{Code::shutting_down, "x"}, StatusCode::UNAVAILABLE, "etcdserver: server stopped"},
      {{Code::timed_out, "x"}, StatusCode::UNAVAILABLE, "etcdserver: request timed out"},
      {{Code::deadline_before_send, "x"}, StatusCode::UNAVAILABLE, "etcdserver: request timed out"},
      {{Code::leader_lost, "x"},
       StatusCode::UNAVAILABLE,
       "etcdserver: request timed out, possibly due to previous leader failure"},
      {{Code::connection_lost, "x"},
       StatusCode::UNAVAILABLE,
       "etcdserver: request timed out, possibly due to connection lost"},
      {{Code::overwritten, "x"}, StatusCode::UNAVAILABLE, "etcdserver: leader changed"},
      {{Code::unsupported, "leases"}, StatusCode::UNIMPLEMENTED, "leases"},
      {{Code::uninitialised, "x"},
       StatusCode::FAILED_PRECONDITION,
       "aspen: this node has no cluster yet, run `aspenctl cluster init`"},
  };
  for (const Row& row : rows) {
    const auto status = etcd_status(row.error);
    EXPECT_EQ(status.error_code(), row.code) << row.text;
    EXPECT_EQ(status.error_message(), row.text);
  }
}

// Go clients retry on Unavailable whatever cannot take effect twice; nothing else may claim
// success.
TEST(EtcdStatus, EveryCodeHasAStatusThatIsNotOk) {
  for (int code = 1; code <= static_cast<int>(Code::corrupt); ++code) {
    const auto status = etcd_status(Error{static_cast<Code>(code), "some text"});
    EXPECT_FALSE(status.ok()) << code;
    EXPECT_FALSE(status.error_message().empty()) << code;
  }
}

TEST(AspenStatus, AnUnknownOutcomeIsUnknown) {
  for (int code = 1; code <= static_cast<int>(Code::corrupt); ++code) {
    const Error error{static_cast<Code>(code), "the reason"};
    const auto status = aspen_status(error);
    if (outcome_unknown(error.code)) {
      EXPECT_EQ(status.error_code(), StatusCode::UNKNOWN) << code;
    }
    EXPECT_EQ(status.error_message(), "the reason");
  }
}

}  // namespace
}  // namespace aspen::adapter
