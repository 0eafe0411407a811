#include "node/base/membership.h"

#include "node/base/assert.h"
#include "node/base/bytes.h"
#include "node/base/limits.h"

namespace aspen {

namespace {
constexpr std::uint8_t config_format = 1;

Member read_member(Reader& in) {
  Member member;
  member.peer.id = NodeId(in.u64());
  member.peer.incarnation.high = in.u64();
  member.peer.incarnation.low = in.u64();
  const std::uint8_t role = in.u8();
  if (role > static_cast<std::uint8_t>(Role::learner)) in.fail();
  member.role = static_cast<Role>(role);
  member.name = in.bytes();
  member.peer_address = in.bytes();
  const std::uint64_t addresses = in.varint();
  if (addresses > limits::member_addresses_max) in.fail();
  for (std::uint64_t i = 0; in.ok() && i < addresses; ++i) {
    member.client_addresses.emplace_back(in.bytes());
  }
  return member;
}
}  // namespace

const Member* Config::find(NodeId id) const noexcept {
  for (const Member& member : members) {
    if (member.peer.id == id) return &member;
  }
  return nullptr;
}

std::string encode(const Config& config) {
  ASPEN_ASSERT(config.members.size() <= limits::members_max);
  Writer out;
  out.u8(config_format).varint(config.members.size());
  NodeId previous;
  for (const Member& member : config.members) {
    ASPEN_ASSERT(previous < member.peer.id);
    previous = member.peer.id;
    out.u64(member.peer.id.value);
    out.u64(member.peer.incarnation.high).u64(member.peer.incarnation.low);
    out.u8(static_cast<std::uint8_t>(member.role));
    out.bytes(member.name).bytes(member.peer_address);
    ASPEN_ASSERT(member.client_addresses.size() <= limits::member_addresses_max);
    out.varint(member.client_addresses.size());
    for (const std::string& address : member.client_addresses) out.bytes(address);
  }
  return out.take();
}

Result<Config> decode_config(std::string_view bytes) {
  Reader in(bytes);
  const std::uint8_t format = in.u8();
  if (in.ok() && format > config_format) {
    return fail(Code::unsupported, "membership entry of a newer format", format);
  }
  const std::uint64_t count = in.varint();
  if (!in.ok() || format != config_format || count > limits::members_max) {
    return fail(Code::corrupt, "malformed membership entry");
  }
  Config config;
  for (std::uint64_t i = 0; i < count; ++i) {
    Member member = read_member(in);
    const NodeId previous = config.members.empty() ? NodeId() : config.members.back().peer.id;
    if (!in.ok() || member.peer.id <= previous) {
      return fail(Code::corrupt, "malformed membership entry");
    }
    config.members.push_back(std::move(member));
  }
  if (!in.done()) return fail(Code::corrupt, "malformed membership entry");
  ASPEN_ASSERT(config.members.size() == count);
  return config;
}

}  // namespace aspen
