// What a client asks of the key-value store and what it answers: etcd's KV messages as values. The
// fields have etcd's meaning, `range_end` included: empty is one key, a single zero byte is every
// key >= `key`, anything else is [key, range_end). Enumerations are open: a number from outside
// that names nothing is kept and refused by validate().
//
// A response carries the store's revision for its header; cluster, member and term are added by
// whoever answers the client.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace aspen::kv {

// etcd's revisions are signed. An empty store has revision 1, a store without compaction the floor
// -1; the first change gets revision 2.
using Revision = std::int64_t;
inline constexpr Revision revision_initial = 1;
inline constexpr Revision compact_revision_initial = -1;

using LeaseId = std::int64_t;  // 0: no lease

struct KeyValue {
  std::string key;
  Revision create_revision = 0;
  Revision mod_revision = 0;
  std::int64_t version = 0;
  std::string value;
  LeaseId lease = 0;
  friend bool operator==(const KeyValue&, const KeyValue&) = default;
};

// ---- requests

enum class SortOrder : std::int32_t { none = 0, ascend = 1, descend = 2 };
enum class SortTarget : std::int32_t { key = 0, version = 1, create = 2, mod = 3, value = 4 };

struct RangeRequest {
  std::string key;
  std::string range_end;
  std::int64_t limit = 0;  // <= 0: no limit
  Revision revision = 0;   // <= 0: the newest
  SortOrder sort_order = SortOrder::none;
  SortTarget sort_target = SortTarget::key;
  bool serializable = false;  // means nothing to the store: its reader chose the state
  bool keys_only = false;
  bool count_only = false;
  Revision min_mod_revision = 0;  // 0: no filter
  Revision max_mod_revision = 0;
  Revision min_create_revision = 0;
  Revision max_create_revision = 0;
  friend bool operator==(const RangeRequest&, const RangeRequest&) = default;
};

struct PutRequest {
  std::string key;
  std::string value;
  LeaseId lease = 0;
  bool prev_kv = false;
  bool ignore_value = false;
  bool ignore_lease = false;
  friend bool operator==(const PutRequest&, const PutRequest&) = default;
};

struct DeleteRangeRequest {
  std::string key;
  std::string range_end;
  bool prev_kv = false;
  friend bool operator==(const DeleteRangeRequest&, const DeleteRangeRequest&) = default;
};

enum class CompareResult : std::int32_t { equal = 0, greater = 1, less = 2, not_equal = 3 };
enum class CompareTarget : std::int32_t { version = 0, create = 1, mod = 2, value = 3, lease = 4 };

// The operand is `number`, or `value` if the target is the value. If the sender set an operand of
// another target than `target`, it counts as absent: 0 or empty.
struct Compare {
  CompareResult result = CompareResult::equal;
  CompareTarget target = CompareTarget::version;
  std::string key;
  std::string range_end;
  std::int64_t number = 0;
  std::string value;
  friend bool operator==(const Compare&, const Compare&) = default;
};

struct RequestOp;

struct TxnRequest {
  std::vector<Compare> compare;
  std::vector<RequestOp> success;
  std::vector<RequestOp> failure;
};
bool operator==(const TxnRequest& a, const TxnRequest& b);

// An operation that names nothing (monostate) is refused by validate().
struct RequestOp {
  std::variant<std::monostate, RangeRequest, PutRequest, DeleteRangeRequest, TxnRequest> request;
  friend bool operator==(const RequestOp&, const RequestOp&) = default;
};

struct CompactRequest {
  Revision revision = 0;
  bool physical = false;  // the answer waits until Store::cleaned() has reached `revision`
  friend bool operator==(const CompactRequest&, const CompactRequest&) = default;
};

using Request =
    std::variant<PutRequest, DeleteRangeRequest, TxnRequest, CompactRequest, RangeRequest>;

// ---- responses

struct RangeResponse {
  Revision revision = 0;
  std::vector<KeyValue> kvs;
  bool more = false;
  std::int64_t count = 0;  // keys of the whole range, whatever limit and filters
  friend bool operator==(const RangeResponse&, const RangeResponse&) = default;
};

struct PutResponse {
  Revision revision = 0;
  std::optional<KeyValue> prev_kv;
  friend bool operator==(const PutResponse&, const PutResponse&) = default;
};

struct DeleteRangeResponse {
  Revision revision = 0;
  std::int64_t deleted = 0;
  std::vector<KeyValue> prev_kvs;
  friend bool operator==(const DeleteRangeResponse&, const DeleteRangeResponse&) = default;
};

struct ResponseOp;

// A nested transaction's own `revision` is 0, as etcd leaves it.
struct TxnResponse {
  Revision revision = 0;
  bool succeeded = false;
  std::vector<ResponseOp> responses;
};
bool operator==(const TxnResponse& a, const TxnResponse& b);

struct ResponseOp {
  std::variant<RangeResponse, PutResponse, DeleteRangeResponse, TxnResponse> response;
  friend bool operator==(const ResponseOp&, const ResponseOp&) = default;
};

struct CompactResponse {
  Revision revision = 0;
  friend bool operator==(const CompactResponse&, const CompactResponse&) = default;
};

using Response =
    std::variant<PutResponse, DeleteRangeResponse, TxnResponse, CompactResponse, RangeResponse>;

struct HashKvResponse {
  Revision revision = 0;  // the store's
  std::uint32_t hash = 0;
  Revision compact_revision = 0;
  Revision hash_revision = 0;  // the revision that was hashed
  friend bool operator==(const HashKvResponse&, const HashKvResponse&) = default;
};

struct HashResponse {
  Revision revision = 0;
  std::uint32_t hash = 0;
  friend bool operator==(const HashResponse&, const HashResponse&) = default;
};

inline bool operator==(const TxnRequest& a, const TxnRequest& b) {
  return a.compare == b.compare && a.success == b.success && a.failure == b.failure;
}
inline bool operator==(const TxnResponse& a, const TxnResponse& b) {
  return a.revision == b.revision && a.succeeded == b.succeeded && a.responses == b.responses;
}

}  // namespace aspen::kv
