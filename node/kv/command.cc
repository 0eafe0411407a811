#include "node/kv/command.h"

#include <utility>
#include <variant>

#include "node/base/assert.h"
#include "node/base/limits.h"

namespace aspen::kv {
namespace {

// Numbers of the format; a number is never given to another request.
enum class Tag : std::uint8_t { put = 1, delete_range = 2, txn = 3, compact = 4, range = 5 };
constexpr std::uint8_t tag_none = 0;  // an operation that names nothing

constexpr std::uint8_t flag_prev_kv = 1;
constexpr std::uint8_t flag_ignore_value = 2;
constexpr std::uint8_t flag_ignore_lease = 4;
constexpr std::uint8_t flag_serializable = 1;
constexpr std::uint8_t flag_keys_only = 2;
constexpr std::uint8_t flag_count_only = 4;
constexpr std::uint8_t flag_physical = 1;

// The least that an operation or a compare takes in a message: a count of more than the rest could
// hold is malformed, and nothing is allocated for it.
constexpr std::size_t item_bytes_min = 1;

std::uint64_t bits(std::int64_t v) {
  return static_cast<std::uint64_t>(v);
}

// Small numbers of either sign stay short.
std::uint64_t zigzag(std::int64_t v) {
  return (bits(v) << 1U) ^ bits(v >> 63U);
}

std::int64_t unzigzag(std::uint64_t v) {
  return static_cast<std::int64_t>((v >> 1U) ^ (~(v & 1U) + 1U));
}

// ---- encoding

std::uint8_t flag(bool on, std::uint8_t bit) {
  return on ? bit : std::uint8_t{0};
}

std::uint8_t joined(std::uint8_t a, std::uint8_t b, std::uint8_t c) {
  return static_cast<std::uint8_t>(a | b | c);
}

void put_tag(Writer& out, Tag tag) {
  out.u8(static_cast<std::uint8_t>(tag));
}

void put_number(Writer& out, std::int64_t v) {
  out.varint(zigzag(v));
}

void encode_one(Writer& out, const PutRequest& m) {
  put_tag(out, Tag::put);
  out.bytes(m.key).bytes(m.value);
  put_number(out, m.lease);
  out.u8(joined(flag(m.prev_kv, flag_prev_kv), flag(m.ignore_value, flag_ignore_value),
                flag(m.ignore_lease, flag_ignore_lease)));
}

void encode_one(Writer& out, const DeleteRangeRequest& m) {
  put_tag(out, Tag::delete_range);
  out.bytes(m.key).bytes(m.range_end).u8(flag(m.prev_kv, flag_prev_kv));
}

void encode_one(Writer& out, const RangeRequest& m) {
  put_tag(out, Tag::range);
  out.bytes(m.key).bytes(m.range_end);
  put_number(out, m.limit);
  put_number(out, m.revision);
  put_number(out, static_cast<std::int32_t>(m.sort_order));
  put_number(out, static_cast<std::int32_t>(m.sort_target));
  out.u8(joined(flag(m.serializable, flag_serializable), flag(m.keys_only, flag_keys_only),
                flag(m.count_only, flag_count_only)));
  put_number(out, m.min_mod_revision);
  put_number(out, m.max_mod_revision);
  put_number(out, m.min_create_revision);
  put_number(out, m.max_create_revision);
}

void encode_one(Writer& out, const CompactRequest& m) {
  put_tag(out, Tag::compact);
  put_number(out, m.revision);
  out.u8(flag(m.physical, flag_physical));
}

void encode_compare(Writer& out, const Compare& m) {
  put_number(out, static_cast<std::int32_t>(m.result));
  put_number(out, static_cast<std::int32_t>(m.target));
  out.bytes(m.key).bytes(m.range_end);
  put_number(out, m.number);
  out.bytes(m.value);
}

void encode_one(Writer& out, const TxnRequest& m);

void encode_branch(Writer& out, const std::vector<RequestOp>& operations) {
  out.varint(operations.size());
  for (const RequestOp& operation : operations) {
    const std::size_t before = out.size();
    if (const auto* range = std::get_if<RangeRequest>(&operation.request)) {
      encode_one(out, *range);
    } else if (const auto* put = std::get_if<PutRequest>(&operation.request)) {
      encode_one(out, *put);
    } else if (const auto* erase = std::get_if<DeleteRangeRequest>(&operation.request)) {
      encode_one(out, *erase);
    } else if (const auto* nested = std::get_if<TxnRequest>(&operation.request)) {
      encode_one(out, *nested);
    } else {
      out.u8(tag_none);
    }
    ASPEN_ASSERT(out.size() >= before + item_bytes_min);
  }
  ASPEN_ASSERT(out.size() > operations.size() * item_bytes_min);
}

// Depth: that of the request, which validate() bounds.
void encode_one(Writer& out, const TxnRequest& m) {
  put_tag(out, Tag::txn);
  out.varint(m.compare.size());
  for (const Compare& compare : m.compare) encode_compare(out, compare);
  encode_branch(out, m.success);
  encode_branch(out, m.failure);
}

// ---- decoding

std::int64_t get_number(Reader& in) {
  return unzigzag(in.varint());
}

std::int32_t get_enum(Reader& in) {
  const std::int64_t v = get_number(in);
  if (v < INT32_MIN || v > INT32_MAX) in.fail();
  return static_cast<std::int32_t>(v);
}

std::string get_text(Reader& in) {
  return std::string(in.bytes());
}

std::uint8_t get_flags(Reader& in, std::uint8_t all) {
  const std::uint8_t flags = in.u8();
  if (flags > all) in.fail();
  return flags;
}

// A count that the rest of the input can hold.
std::size_t get_count(Reader& in) {
  const std::uint64_t count = in.varint();
  if (count > in.left() / item_bytes_min) in.fail();
  return in.ok() ? static_cast<std::size_t>(count) : 0;
}

PutRequest get_put(Reader& in) {
  PutRequest m;
  m.key = get_text(in);
  m.value = get_text(in);
  m.lease = get_number(in);
  const std::uint8_t flags = get_flags(in, flag_prev_kv | flag_ignore_value | flag_ignore_lease);
  m.prev_kv = (flags & flag_prev_kv) != 0;
  m.ignore_value = (flags & flag_ignore_value) != 0;
  m.ignore_lease = (flags & flag_ignore_lease) != 0;
  return m;
}

DeleteRangeRequest get_delete_range(Reader& in) {
  DeleteRangeRequest m;
  m.key = get_text(in);
  m.range_end = get_text(in);
  m.prev_kv = get_flags(in, flag_prev_kv) != 0;
  return m;
}

RangeRequest get_range(Reader& in) {
  RangeRequest m;
  m.key = get_text(in);
  m.range_end = get_text(in);
  m.limit = get_number(in);
  m.revision = get_number(in);
  m.sort_order = static_cast<SortOrder>(get_enum(in));
  m.sort_target = static_cast<SortTarget>(get_enum(in));
  const std::uint8_t flags = get_flags(in, flag_serializable | flag_keys_only | flag_count_only);
  m.serializable = (flags & flag_serializable) != 0;
  m.keys_only = (flags & flag_keys_only) != 0;
  m.count_only = (flags & flag_count_only) != 0;
  m.min_mod_revision = get_number(in);
  m.max_mod_revision = get_number(in);
  m.min_create_revision = get_number(in);
  m.max_create_revision = get_number(in);
  return m;
}

CompactRequest get_compact(Reader& in) {
  CompactRequest m;
  m.revision = get_number(in);
  m.physical = get_flags(in, flag_physical) != 0;
  return m;
}

Compare get_compare(Reader& in) {
  Compare m;
  m.result = static_cast<CompareResult>(get_enum(in));
  m.target = static_cast<CompareTarget>(get_enum(in));
  m.key = get_text(in);
  m.range_end = get_text(in);
  m.number = get_number(in);
  m.value = get_text(in);
  return m;
}

TxnRequest get_txn(Reader& in, std::size_t depth_left);

RequestOp get_operation(Reader& in, std::size_t depth_left) {
  ASPEN_ASSERT(depth_left < limits::txn_depth_max);
  const std::uint8_t tag = in.u8();
  if (tag == tag_none) return {};
  switch (static_cast<Tag>(tag)) {
    case Tag::put:
      return {get_put(in)};
    case Tag::delete_range:
      return {get_delete_range(in)};
    case Tag::range:
      return {get_range(in)};
    case Tag::txn:
      if (depth_left == 0) {
        in.fail();
        return {};
      }
      return {get_txn(in, depth_left)};
    case Tag::compact:
      break;
  }
  ASPEN_ASSERT(tag != static_cast<std::uint8_t>(Tag::put));
  in.fail();
  return {};
}

// Precondition: depth_left > 0.
TxnRequest get_txn(Reader& in, std::size_t depth_left) {
  ASPEN_ASSERT(depth_left > 0);
  ASPEN_ASSERT(depth_left <= limits::txn_depth_max);
  TxnRequest m;
  const std::size_t compares = get_count(in);
  for (std::size_t i = 0; i < compares && in.ok(); ++i) m.compare.push_back(get_compare(in));
  for (auto* branch : {&m.success, &m.failure}) {
    const std::size_t operations = get_count(in);
    for (std::size_t i = 0; i < operations && in.ok(); ++i) {
      branch->push_back(get_operation(in, depth_left - 1));
    }
  }
  return m;
}

Request get_request(Reader& in) {
  switch (static_cast<Tag>(in.u8())) {
    case Tag::put:
      return get_put(in);
    case Tag::delete_range:
      return get_delete_range(in);
    case Tag::txn:
      return get_txn(in, limits::txn_depth_max);
    case Tag::compact:
      return get_compact(in);
    case Tag::range:
      return get_range(in);
  }
  in.fail();
  return {};
}

}  // namespace

std::string encode_request(const Request& request) {
  Writer out;
  if (const auto* put = std::get_if<PutRequest>(&request)) {
    out.reserve(put->key.size() + put->value.size() + 32);
  }
  std::visit([&out](const auto& one) { encode_one(out, one); }, request);
  ASPEN_ASSERT(out.size() > 0);
  return out.take();
}

Result<Request> decode_request(std::string_view text) {
  Reader in(text);
  Request request = get_request(in);
  if (!in.done()) return fail(Code::corrupt, "malformed request in a command");
  return request;
}

Bytes encode_command(const CommandHeader& header, std::string_view encoded_request) {
  ASPEN_ASSERT(!encoded_request.empty());
  Writer head;
  head.u8(command_format).u64(header.origin.boot).u64(header.origin.sequence).u64(header.time_ms);
  ASPEN_ASSERT(head.size() == command_header_bytes);
  BytesBuilder out(command_header_bytes + encoded_request.size());
  out.append(head.view());
  out.append(encoded_request);
  return out.finish();
}

std::optional<Origin> command_origin(const Bytes& bytes) {
  Reader in(bytes.view());
  const std::uint8_t format = in.u8();
  const Origin origin{in.u64(), in.u64()};
  if (!in.ok() || format != command_format) return std::nullopt;
  return origin;
}

Result<Command> decode_command(const Bytes& bytes) {
  Reader in(bytes.view());
  const std::uint8_t format = in.u8();
  if (in.ok() && format > command_format) {
    return fail(Code::unsupported, "a command of a newer format: upgrade this node", format);
  }
  Command command;
  command.header.origin.boot = in.u64();
  command.header.origin.sequence = in.u64();
  command.header.time_ms = in.u64();
  if (!in.ok() || format != command_format) return fail(Code::corrupt, "malformed command header");
  ASPEN_ASSERT(in.left() == bytes.size() - command_header_bytes);
  auto request = decode_request(in.rest());
  if (!request) return tl::unexpected(request.error());
  ASPEN_ASSERT(!in.rest().empty());
  command.request = std::move(*request);
  return command;
}

}  // namespace aspen::kv
