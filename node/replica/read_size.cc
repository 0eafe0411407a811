#include "node/replica/read_size.h"

namespace aspen::replica {

namespace {

// Beside what the strings hold.
constexpr std::uint64_t request_overhead = 128;

struct Size {
  std::uint64_t operator()(const std::monostate&) const { return 0; }
  std::uint64_t operator()(const kv::RangeRequest& request) const {
    return request_overhead + request.key.size() + request.range_end.size();
  }
  std::uint64_t operator()(const kv::PutRequest& request) const {
    return request_overhead + request.key.size() + request.value.size();
  }
  std::uint64_t operator()(const kv::DeleteRangeRequest& request) const {
    return request_overhead + request.key.size() + request.range_end.size();
  }
  std::uint64_t operator()(const kv::TxnRequest& request) const {
    std::uint64_t bytes = request_overhead;
    for (const kv::Compare& each : request.compare) {
      bytes += request_overhead + each.key.size() + each.range_end.size() + each.value.size();
    }
    for (const kv::RequestOp& each : request.success) bytes += std::visit(*this, each.request);
    for (const kv::RequestOp& each : request.failure) bytes += std::visit(*this, each.request);
    return bytes;
  }
  std::uint64_t operator()(const HashKvRead&) const { return request_overhead; }
  std::uint64_t operator()(const HashRead&) const { return request_overhead; }
  std::uint64_t operator()(const MembersRead&) const { return request_overhead; }
};

}  // namespace

std::uint64_t size_bytes(const ReadOperation& operation) {
  return std::visit(Size{}, operation);
}

}  // namespace aspen::replica
