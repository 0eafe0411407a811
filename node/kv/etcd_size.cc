#include <cstdint>
#include <variant>

#include "node/base/assert.h"
#include "node/kv/validate.h"

// How many bytes a request is in etcd's protobuf encoding, where a field of its default value takes
// none and every other one a tag of one byte (two from field 16 on).
namespace aspen::kv {
namespace {

constexpr std::size_t tag = 1;
constexpr std::size_t wide_tag = 2;

constexpr std::size_t varint_bytes(std::uint64_t v) noexcept {
  std::size_t bytes = 1;
  for (; v >= 0x80U; v >>= 7U) ++bytes;
  return bytes;
}

std::size_t number(std::int64_t v) noexcept {
  return v == 0 ? 0 : tag + varint_bytes(static_cast<std::uint64_t>(v));
}

template <class Enum>
std::size_t choice(Enum v) noexcept {
  return number(static_cast<std::int32_t>(v));
}

std::size_t flag(bool v) noexcept {
  return v ? tag + 1 : 0;
}

// What is said although it may be empty: a message, or the member of a oneof.
std::size_t nested(std::size_t size_bytes) noexcept {
  return tag + varint_bytes(size_bytes) + size_bytes;
}

std::size_t text(const std::string& v) noexcept {
  return v.empty() ? 0 : nested(v.size());
}

std::size_t size_of(const RangeRequest& m) noexcept {
  return text(m.key) + text(m.range_end) + number(m.limit) + number(m.revision) +
         choice(m.sort_order) + choice(m.sort_target) + flag(m.serializable) + flag(m.keys_only) +
         flag(m.count_only) + number(m.min_mod_revision) + number(m.max_mod_revision) +
         number(m.min_create_revision) + number(m.max_create_revision);
}

std::size_t size_of(const PutRequest& m) noexcept {
  return text(m.key) + text(m.value) + number(m.lease) + flag(m.prev_kv) + flag(m.ignore_value) +
         flag(m.ignore_lease);
}

std::size_t size_of(const DeleteRangeRequest& m) noexcept {
  return text(m.key) + text(m.range_end) + flag(m.prev_kv);
}

std::size_t size_of(const CompactRequest& m) noexcept {
  return number(m.revision) + flag(m.physical);
}

// Clients set the operand that their target has.
std::size_t size_of(const Compare& m) noexcept {
  std::size_t bytes = choice(m.result) + choice(m.target) + text(m.key);
  if (!m.range_end.empty()) bytes += nested(m.range_end.size()) + wide_tag - tag;
  if (m.target == CompareTarget::value) return bytes + nested(m.value.size());
  return bytes + tag + varint_bytes(static_cast<std::uint64_t>(m.number));
}

std::size_t size_of(const TxnRequest& m);

std::size_t size_of(const std::vector<RequestOp>& operations) {
  std::size_t bytes = 0;
  for (const RequestOp& operation : operations) {
    std::size_t one = 0;
    if (const auto* range = std::get_if<RangeRequest>(&operation.request)) {
      one = nested(size_of(*range));
    } else if (const auto* put = std::get_if<PutRequest>(&operation.request)) {
      one = nested(size_of(*put));
    } else if (const auto* erase = std::get_if<DeleteRangeRequest>(&operation.request)) {
      one = nested(size_of(*erase));
    } else if (const auto* txn = std::get_if<TxnRequest>(&operation.request)) {
      one = nested(size_of(*txn));
    }
    bytes += nested(one);
  }
  ASPEN_ASSERT(bytes >= 2 * operations.size());
  return bytes;
}

// Depth: that of the request, which its decoder bounds.
std::size_t size_of(const TxnRequest& m) {
  std::size_t bytes = size_of(m.success) + size_of(m.failure);
  for (const Compare& compare : m.compare) bytes += nested(size_of(compare));
  ASPEN_ASSERT(bytes >= m.compare.size());
  return bytes;
}

}  // namespace

std::size_t etcd_size_bytes(const Request& request) {
  const std::size_t bytes = std::visit([](const auto& one) { return size_of(one); }, request);
  ASPEN_ASSERT(bytes < SIZE_MAX / 2);
  return bytes;
}

}  // namespace aspen::kv
