#include "node/wire/cluster_codec.h"

#include <algorithm>

#include "node/base/assert.h"
#include "node/base/limits.h"
#include "node/wire/frame.h"

namespace aspen::wire {

namespace {

void put(Writer& out, const PeerId& peer) {
  out.u64(peer.id.value).u64(peer.incarnation.high).u64(peer.incarnation.low);
}

PeerId take_peer(Reader& in) {
  PeerId peer;
  peer.id = NodeId(in.u64());
  peer.incarnation.high = in.u64();
  peer.incarnation.low = in.u64();
  return peer;
}

std::string_view take_text(Reader& in, std::size_t bytes_max) {
  const std::string_view text = in.bytes();
  if (text.size() > bytes_max) in.fail();
  return in.ok() ? text : std::string_view();
}

LinkError take_link_error(Reader& in) {
  const std::uint8_t v = in.u8();
  // A reason of a newer node is still a reason to end the link.
  return v > link_error_max ? LinkError::malformed : static_cast<LinkError>(v);
}

template <std::size_t N>
void put(Writer& out, const std::array<std::uint8_t, N>& bytes) {
  for (const std::uint8_t byte : bytes) out.u8(byte);
}

template <std::size_t N>
std::array<std::uint8_t, N> take_array(Reader& in) {
  std::array<std::uint8_t, N> bytes{};
  for (std::uint8_t& byte : bytes) byte = in.u8();
  return bytes;
}

}  // namespace

Error to_error(LinkError error, std::uint64_t detail) noexcept {
  switch (error) {
    case LinkError::none:
      return Error{Code::ok, "", detail};
    case LinkError::malformed:
      return Error{Code::invalid_argument, "link: malformed or unexpected frame", detail};
    case LinkError::newer_format:
      return Error{Code::unsupported, "link: the two nodes have no frame format in common", detail};
    case LinkError::unauthenticated:
      return Error{Code::unauthenticated, "link: the peer secrets differ", detail};
    case LinkError::wrong_cluster:
      return Error{Code::wrong_cluster, "link: the peer belongs to another cluster", detail};
    case LinkError::wrong_incarnation:
      return Error{Code::wrong_incarnation,
                   "link: the identity of this member is lost or not its own: replace it", detail};
    case LinkError::wrong_member:
      return Error{Code::wrong_incarnation,
                   "link: the address is that of another member: replace it", detail};
    case LinkError::uninitialised:
      return Error{Code::uninitialised, "link: the node has no cluster yet", detail};
    case LinkError::self:
      return Error{Code::invalid_argument, "link: a node dialled itself", detail};
    case LinkError::duplicate:
      return Error{Code::cancelled, "link: there is a better one to the same node", detail};
    case LinkError::timed_out:
      return Error{Code::connection_lost, "link: the peer went silent", detail};
    case LinkError::overloaded:
      return Error{Code::overloaded, "link: too many at the same time", detail};
    case LinkError::shutting_down:
      return Error{Code::shutting_down, "link: the node is stopping", detail};
    case LinkError::unknown_member:
      return Error{Code::unauthenticated, "link: the node is not a member of the cluster", detail};
    case LinkError::wrong_certificate:
      return Error{Code::unauthenticated,
                   "link: the certificate names neither the member's host nor its name", detail};
  }
  ASPEN_UNREACHABLE();
}

std::string encode(const Hello& hello) {
  ASPEN_ASSERT(hello.format_min <= hello.format_max);
  ASPEN_ASSERT(hello.name.size() <= limits::node_name_bytes_max);
  Writer out;
  out.u8(hello.format_min).u8(hello.format_max).u8(static_cast<std::uint8_t>(hello.use));
  out.u64(hello.cluster.value);
  put(out, hello.self);
  put(out, hello.nonce);
  out.bytes(hello.name);
  return out.take();
}

Result<Hello> decode_hello(std::string_view meta) {
  Reader in(meta);
  Hello hello;
  hello.format_min = in.u8();
  hello.format_max = in.u8();
  if (!in.ok() || hello.format_min == 0 || hello.format_min > hello.format_max) {
    return fail(Code::invalid_argument, "hello: malformed");
  }
  if (hello.format_min > frame_format) return hello;
  const std::uint8_t use = in.u8();
  if (use > static_cast<std::uint8_t>(LinkUse::request)) in.fail();
  hello.use = static_cast<LinkUse>(use);
  hello.cluster = ClusterId(in.u64());
  hello.self = take_peer(in);
  hello.nonce = take_array<32>(in);
  hello.name = take_text(in, limits::node_name_bytes_max);
  // A node with a cluster has an id in it, and one without has none.
  const bool placed = hello.self.id.value != 0;
  if (hello.cluster.value == 0 ? placed : !placed) in.fail();
  if (hello.self.incarnation.empty()) in.fail();
  // A node that also speaks a newer format may say more.
  const bool complete = hello.format_max > frame_format ? in.ok() : in.done();
  if (!complete) return fail(Code::invalid_argument, "hello: malformed");
  return hello;
}

std::string encode(const Proof& proof) {
  Writer out;
  put(out, proof.digest);
  return out.take();
}

Result<Proof> decode_proof(std::string_view meta) {
  Reader in(meta);
  Proof proof{take_array<32>(in)};
  if (!in.done()) return fail(Code::invalid_argument, "proof: malformed");
  return proof;
}

std::string encode(const ErrorFrame& error) {
  Writer out;
  out.u8(static_cast<std::uint8_t>(error.error)).u64(error.detail);
  out.u64(error.incarnation.high).u64(error.incarnation.low);
  return out.take();
}

Result<ErrorFrame> decode_error(std::string_view meta) {
  Reader in(meta);
  ErrorFrame frame;
  frame.error = take_link_error(in);
  frame.detail = in.u64();
  frame.incarnation.high = in.u64();
  frame.incarnation.low = in.u64();
  if (!in.ok() || frame.error == LinkError::none) {
    return fail(Code::invalid_argument, "error frame: malformed");
  }
  return frame;
}

std::string encode(const Heartbeat& heartbeat) {
  Writer out;
  out.u64(heartbeat.time_us);
  return out.take();
}

Result<Heartbeat> decode_heartbeat(std::string_view meta) {
  Reader in(meta);
  const Heartbeat heartbeat{in.u64()};
  if (!in.done()) return fail(Code::invalid_argument, "heartbeat: malformed");
  return heartbeat;
}

std::string encode(const BulkHead& head) {
  ASPEN_ASSERT(head.offset < head.total_bytes);
  ASPEN_ASSERT(head.total_bytes <= limits::frame_payload_bytes_max);
  Writer out;
  out.u16(head.type).u32(head.total_bytes).u32(head.offset);
  return out.take();
}

Result<BulkHead> decode_bulk_head(std::string_view meta) {
  Reader in(meta);
  BulkHead head;
  head.type = in.u16();
  head.total_bytes = in.u32();
  head.offset = in.u32();
  const bool sound = in.done() && head.offset < head.total_bytes &&
                     head.total_bytes <= limits::frame_payload_bytes_max;
  if (!sound) return fail(Code::invalid_argument, "bulk: malformed");
  return head;
}

std::string encode(const BulkCredit& credit) {
  Writer out;
  out.u32(credit.bytes);
  return out.take();
}

Result<BulkCredit> decode_bulk_credit(std::string_view meta) {
  Reader in(meta);
  const BulkCredit credit{in.u32()};
  if (!in.done()) return fail(Code::invalid_argument, "bulk credit: malformed");
  return credit;
}

std::string encode(const ProbeReply& reply) {
  Writer out;
  out.u64(reply.cluster.value);
  put(out, reply.self);
  out.bytes(reply.name);
  // Absent from nodes that were not told, which older nodes understand.
  if (!reply.client_address.empty()) out.bytes(reply.client_address);
  return out.take();
}

Result<ProbeReply> decode_probe_reply(std::string_view meta) {
  Reader in(meta);
  ProbeReply reply;
  reply.cluster = ClusterId(in.u64());
  reply.self = take_peer(in);
  reply.name = take_text(in, limits::node_name_bytes_max);
  if (in.left() > 0) reply.client_address = take_text(in, limits::address_bytes_max);
  if (!in.done() || reply.self.incarnation.empty()) {
    return fail(Code::invalid_argument, "probe reply: malformed");
  }
  return reply;
}

std::string encode(const Assign& assign) {
  Writer out;
  out.u64(assign.cluster.value);
  put(out, assign.self);
  out.bytes(encode(assign.config));
  // Absent in what Init assigns, which older nodes understand.
  if (assign.joining) out.u8(1);
  return out.take();
}

namespace {

// What Init accepts, which the receiver's identity file has room for.
bool within_limits(const Config& config, std::size_t members_max) {
  const auto fits = [](const std::string& address) {
    return address.size() <= limits::address_bytes_max;
  };
  if (config.members.size() > members_max) return false;
  return std::ranges::all_of(config.members, [&fits](const Member& member) {
    return member.name.size() <= limits::node_name_bytes_max && fits(member.peer_address) &&
           std::ranges::all_of(member.client_addresses, fits);
  });
}

}  // namespace

Result<Assign> decode_assign(std::string_view payload) {
  Reader in(payload);
  Assign assign;
  assign.cluster = ClusterId(in.u64());
  assign.self = take_peer(in);
  const std::string_view config_bytes = in.bytes();
  if (in.left() > 0) {
    assign.joining = in.u8() == 1;
    if (!assign.joining) in.fail();
  }
  if (!in.done() || !assign.cluster || !assign.self.id || assign.self.incarnation.empty()) {
    return fail(Code::invalid_argument, "assignment: malformed");
  }
  Result<Config> config = decode_config(config_bytes);
  if (!config) return fail(Code::invalid_argument, "assignment: malformed membership");
  if (!within_limits(*config, assign.joining ? limits::members_max : limits::voters_max)) {
    return fail(Code::invalid_argument,
                "assignment: up to seven members with names of up to 255 "
                "and addresses of up to 300 bytes are accepted");
  }
  assign.config = std::move(*config);
  return assign;
}

std::string encode(const AssignReply& reply) {
  Writer out;
  out.u8(static_cast<std::uint8_t>(reply.error));
  put(out, reply.self);
  return out.take();
}

Result<AssignReply> decode_assign_reply(std::string_view meta) {
  Reader in(meta);
  AssignReply reply;
  reply.error = take_link_error(in);
  reply.self = take_peer(in);
  if (!in.done()) return fail(Code::invalid_argument, "assignment reply: malformed");
  return reply;
}

void encode_cast_head(const CastHead& head, std::string& out) {
  ASPEN_ASSERT(head.target.size() <= limits::cast_target_bytes_max);
  out.clear();
  out.push_back(static_cast<char>(head.type));
  out.push_back(static_cast<char>(head.type >> 8U));
  out.append(head.target);
}

Result<CastHead> decode_cast_head(std::string_view meta) {
  Reader in(meta);
  CastHead head;
  head.type = in.u16();
  head.target = in.rest();
  if (!in.ok() || head.target.size() > limits::cast_target_bytes_max) {
    return fail(Code::invalid_argument, "cast: malformed");
  }
  return head;
}

}  // namespace aspen::wire
