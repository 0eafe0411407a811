#include "tests/kv/model.h"

#include <algorithm>
#include <utility>

namespace aspen::kv {
namespace {

tl::unexpected<Error> error(Code code, const char* text) {
  return fail(code, text);
}

tl::unexpected<Error> compacted_error() {
  return error(Code::compacted, "etcdserver: mvcc: required revision has been compacted");
}

tl::unexpected<Error> future_error() {
  return error(Code::future_revision, "etcdserver: mvcc: required revision is a future revision");
}

bool in_range(const std::string& key, const std::string& from, const std::string& range_end) {
  if (range_end.empty()) return key == from;
  if (range_end == std::string(1, '\0')) return key >= from;
  return key >= from && key < range_end;
}

bool outcome(CompareResult result, int order) {
  if (result == CompareResult::equal) return order == 0;
  if (result == CompareResult::not_equal) return order != 0;
  if (result == CompareResult::greater) return order > 0;
  return order < 0;
}

std::int64_t number_of(const KeyValue& pair, CompareTarget target) {
  if (target == CompareTarget::version) return pair.version;
  if (target == CompareTarget::create) return pair.create_revision;
  if (target == CompareTarget::mod) return pair.mod_revision;
  return pair.lease;
}

bool holds_one(const Compare& compare, const KeyValue& pair) {
  if (compare.target == CompareTarget::value) {
    return outcome(compare.result, pair.value.compare(compare.value));
  }
  const std::int64_t number = number_of(pair, compare.target);
  return outcome(compare.result, number < compare.number ? -1 : number > compare.number);
}

}  // namespace

std::optional<KeyValue> Model::at(const std::string& key, Revision revision) const {
  std::optional<KeyValue> found;
  const auto versions = keys_.find(key);
  if (versions == keys_.end()) return found;
  for (const Version& version : versions->second) {
    if (version.mod > revision) break;
    found = version.deleted ? std::nullopt : std::optional(version.pair);
  }
  return found;
}

std::vector<KeyValue> Model::all(const std::string& key, const std::string& range_end,
                                 Revision revision) const {
  std::vector<KeyValue> pairs;
  for (const auto& [name, versions] : keys_) {
    if (!in_range(name, key, range_end)) continue;
    if (auto pair = at(name, revision)) pairs.push_back(*pair);
  }
  return pairs;
}

Result<RangeResponse> Model::range(const RangeRequest& request) const {
  if (request.revision > now()) return future_error();
  const Revision revision = request.revision > 0 ? request.revision : now();
  if (revision < compacted_) return compacted_error();
  std::vector<KeyValue> pairs = all(request.key, request.range_end, revision);
  RangeResponse response;
  response.revision = now();
  response.count = static_cast<std::int64_t>(pairs.size());
  if (request.count_only) return response;
  std::erase_if(pairs, [&](const KeyValue& pair) {
    const auto below = [](Revision v, Revision min) { return min != 0 && v < min; };
    const auto above = [](Revision v, Revision max) { return max != 0 && v > max; };
    return below(pair.mod_revision, request.min_mod_revision) ||
           above(pair.mod_revision, request.max_mod_revision) ||
           below(pair.create_revision, request.min_create_revision) ||
           above(pair.create_revision, request.max_create_revision);
  });
  const bool descending = request.sort_order == SortOrder::descend;
  const auto less = [&](const KeyValue& a, const KeyValue& b) {
    switch (request.sort_target) {
      case SortTarget::version:
        return a.version < b.version;
      case SortTarget::create:
        return a.create_revision < b.create_revision;
      case SortTarget::mod:
        return a.mod_revision < b.mod_revision;
      case SortTarget::value:
        return a.value < b.value;
      case SortTarget::key:
        break;
    }
    return a.key < b.key;
  };
  std::stable_sort(pairs.begin(), pairs.end(), [&](const KeyValue& a, const KeyValue& b) {
    return descending ? less(b, a) : less(a, b);
  });
  if (request.limit > 0 && response.count > 0 &&
      pairs.size() > static_cast<std::size_t>(request.limit)) {
    pairs.resize(static_cast<std::size_t>(request.limit));
    response.more = true;
  }
  if (request.keys_only) {
    for (KeyValue& pair : pairs) pair.value.clear();
  }
  response.kvs = std::move(pairs);
  return response;
}

Result<PutResponse> Model::put(const PutRequest& request) {
  const auto old = at(request.key, now());
  if ((request.ignore_value || request.ignore_lease) && !old) {
    return error(Code::invalid_argument, "etcdserver: key not found");
  }
  KeyValue pair;
  pair.key = request.key;
  pair.value = request.ignore_value ? old->value : request.value;
  pair.mod_revision = revision_ + 1;
  pair.create_revision = old ? old->create_revision : pair.mod_revision;
  pair.version = old ? old->version + 1 : 1;
  keys_[request.key].push_back({pair.mod_revision, false, pair});
  changed_ = true;
  PutResponse response;
  response.revision = now();
  if (request.prev_kv) response.prev_kv = old;
  return response;
}

DeleteRangeResponse Model::del(const DeleteRangeRequest& request) {
  const std::vector<KeyValue> pairs = all(request.key, request.range_end, now());
  for (const KeyValue& pair : pairs) {
    keys_[pair.key].push_back({revision_ + 1, true, {}});
    changed_ = true;
  }
  DeleteRangeResponse response;
  response.revision = now();
  response.deleted = static_cast<std::int64_t>(pairs.size());
  if (request.prev_kv) response.prev_kvs = pairs;
  return response;
}

Result<CompactResponse> Model::compact(const CompactRequest& request) {
  if (request.revision <= compacted_) return compacted_error();
  if (request.revision > revision_) return future_error();
  compacted_ = request.revision;
  return CompactResponse{revision_};
}

bool Model::holds(const Compare& compare) const {
  const std::vector<KeyValue> pairs = all(compare.key, compare.range_end, now());
  if (pairs.empty()) {
    return compare.target != CompareTarget::value && holds_one(compare, KeyValue{});
  }
  return std::all_of(pairs.begin(), pairs.end(),
                     [&](const KeyValue& pair) { return holds_one(compare, pair); });
}

void Model::choose(const TxnRequest& request, std::vector<bool>& path) const {
  const bool success = std::all_of(request.compare.begin(), request.compare.end(),
                                   [this](const Compare& compare) { return holds(compare); });
  path.push_back(success);
  for (const RequestOp& operation : success ? request.success : request.failure) {
    if (const auto* nested = std::get_if<TxnRequest>(&operation.request)) choose(*nested, path);
  }
}

Result<void> Model::check(const TxnRequest& request, const std::vector<bool>& path,
                          std::size_t& next) const {
  for (const RequestOp& operation : path[next++] ? request.success : request.failure) {
    if (const auto* range_request = std::get_if<RangeRequest>(&operation.request)) {
      if (range_request->revision > revision_) return future_error();
      if (range_request->revision != 0 && range_request->revision < compacted_) {
        return compacted_error();
      }
    }
    if (const auto* one = std::get_if<PutRequest>(&operation.request)) {
      if ((one->ignore_value || one->ignore_lease) && !at(one->key, revision_)) {
        return error(Code::invalid_argument, "etcdserver: key not found");
      }
      if (one->lease != 0) {
        return error(Code::not_found, "etcdserver: requested lease not found");
      }
    }
    if (const auto* nested = std::get_if<TxnRequest>(&operation.request)) {
      if (auto sound = check(*nested, path, next); !sound) return sound;
    }
  }
  return {};
}

Result<TxnResponse> Model::execute(const TxnRequest& request, const std::vector<bool>& path,
                                   std::size_t& next) {
  TxnResponse response;
  response.succeeded = path[next++];
  for (const RequestOp& operation : response.succeeded ? request.success : request.failure) {
    if (const auto* range_request = std::get_if<RangeRequest>(&operation.request)) {
      auto one = range(*range_request);
      if (!one) return tl::unexpected(one.error());
      response.responses.emplace_back().response = std::move(*one);
    } else if (const auto* put_request = std::get_if<PutRequest>(&operation.request)) {
      auto one = put(*put_request);
      if (!one) return tl::unexpected(one.error());
      response.responses.emplace_back().response = std::move(*one);
    } else if (const auto* del_request = std::get_if<DeleteRangeRequest>(&operation.request)) {
      response.responses.emplace_back().response = del(*del_request);
    } else {
      auto one = execute(std::get<TxnRequest>(operation.request), path, next);
      if (!one) return tl::unexpected(one.error());
      response.responses.emplace_back().response = std::move(*one);
    }
  }
  return response;
}

Result<TxnResponse> Model::txn(const TxnRequest& request) {
  std::vector<bool> path;
  choose(request, path);
  std::size_t next = 0;
  if (auto sound = check(request, path, next); !sound) return tl::unexpected(sound.error());
  next = 0;
  auto response = execute(request, path, next);
  if (response) response->revision = now();
  return response;
}

Result<Response> Model::apply(const Request& request) {
  const Model before = *this;
  changed_ = false;
  Result<Response> response = error(Code::invalid_argument, "");
  const auto keep = [&response](auto&& one) {
    if (one) {
      response = Response(std::move(*one));
    } else {
      response = tl::unexpected(one.error());
    }
  };
  if (const auto* one = std::get_if<PutRequest>(&request)) {
    if (one->lease != 0) {
      keep(Result<PutResponse>(error(Code::not_found, "etcdserver: requested lease not found")));
    } else {
      keep(put(*one));
    }
  }
  if (const auto* one = std::get_if<DeleteRangeRequest>(&request)) {
    keep(Result<DeleteRangeResponse>(del(*one)));
  }
  if (const auto* one = std::get_if<TxnRequest>(&request)) keep(txn(*one));
  if (const auto* one = std::get_if<CompactRequest>(&request)) keep(compact(*one));
  if (const auto* one = std::get_if<RangeRequest>(&request)) keep(range(*one));
  if (!response) {
    *this = before;
    return response;
  }
  if (changed_) ++revision_;
  changed_ = false;
  return response;
}

}  // namespace aspen::kv
