// etcd's semantics in the plainest way there is: every version of every key in memory, every range
// by looking at all keys. Slow, and written without a look at the store.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "node/base/error.h"
#include "node/kv/request.h"

namespace aspen::kv {

class Model {
 public:
  Result<Response> apply(const Request& request);
  [[nodiscard]] Result<RangeResponse> range(const RangeRequest& request) const;
  [[nodiscard]] Revision revision() const { return revision_; }
  [[nodiscard]] Revision compacted() const { return compacted_; }

 private:
  struct Version {
    Revision mod = 0;
    bool deleted = false;
    KeyValue pair;
  };

  [[nodiscard]] Revision now() const { return revision_ + (changed_ ? 1 : 0); }
  [[nodiscard]] std::optional<KeyValue> at(const std::string& key, Revision revision) const;
  [[nodiscard]] std::vector<KeyValue> all(const std::string& key, const std::string& range_end,
                                          Revision revision) const;
  Result<PutResponse> put(const PutRequest& request);
  DeleteRangeResponse del(const DeleteRangeRequest& request);
  Result<CompactResponse> compact(const CompactRequest& request);
  Result<TxnResponse> txn(const TxnRequest& request);
  [[nodiscard]] bool holds(const Compare& compare) const;
  void choose(const TxnRequest& request, std::vector<bool>& path) const;
  Result<void> check(const TxnRequest& request, const std::vector<bool>& path,
                     std::size_t& next) const;
  Result<TxnResponse> execute(const TxnRequest& request, const std::vector<bool>& path,
                              std::size_t& next);

  std::map<std::string, std::vector<Version>> keys_;
  Revision revision_ = 1;
  Revision compacted_ = -1;
  bool changed_ = false;
};

}  // namespace aspen::kv
