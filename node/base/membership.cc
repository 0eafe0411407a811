#include "node/base/membership.h"

#include "node/base/assert.h"
#include "node/base/bytes.h"
#include "node/base/limits.h"

namespace aspen {

namespace {
// Format 1 has no joint configurations: the byte of flags is the role alone.
constexpr std::uint8_t format_at_rest = 1;
constexpr std::uint8_t format_joint = 2;
constexpr std::uint8_t role_bits = 3;
constexpr std::uint8_t outgoing_bit = 4;

std::uint8_t flags_of(const Member& member) {
  const unsigned outgoing = member.outgoing ? outgoing_bit : 0U;
  ASPEN_ASSERT(member.outgoing || member.role != Role::leaving);
  return static_cast<std::uint8_t>(static_cast<unsigned>(member.role) | outgoing);
}

void read_flags(Reader& in, std::uint8_t format, Member& member) {
  ASPEN_ASSERT(format == format_at_rest || format == format_joint);
  const std::uint8_t flags = in.u8();
  const std::uint8_t role = flags & role_bits;
  if (flags > (role_bits | outgoing_bit) || role > static_cast<std::uint8_t>(Role::leaving)) {
    in.fail();
    return;
  }
  member.role = static_cast<Role>(role);
  member.outgoing = (flags & outgoing_bit) != 0;
  if (member.role == Role::leaving && !member.outgoing) in.fail();
  if (format == format_at_rest && member.outgoing) in.fail();
}

Member read_member(Reader& in, std::uint8_t format) {
  Member member;
  member.peer.id = NodeId(in.u64());
  member.peer.incarnation.high = in.u64();
  member.peer.incarnation.low = in.u64();
  read_flags(in, format, member);
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

bool Config::joint() const noexcept {
  for (const Member& member : members) {
    if (member.outgoing) return true;
  }
  return false;
}

std::string encode(const Config& config) {
  ASPEN_ASSERT(config.members.size() <= limits::members_max);
  Writer out;
  out.u8(config.joint() ? format_joint : format_at_rest).varint(config.members.size());
  NodeId previous;
  for (const Member& member : config.members) {
    ASPEN_ASSERT(previous < member.peer.id);
    previous = member.peer.id;
    out.u64(member.peer.id.value);
    out.u64(member.peer.incarnation.high).u64(member.peer.incarnation.low);
    out.u8(flags_of(member));
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
  if (in.ok() && format > format_joint) {
    return fail(Code::unsupported, "membership entry of a newer format", format);
  }
  const std::uint64_t count = in.varint();
  if (!in.ok() || format < format_at_rest || count > limits::members_max) {
    return fail(Code::corrupt, "malformed membership entry");
  }
  Config config;
  for (std::uint64_t i = 0; i < count; ++i) {
    Member member = read_member(in, format);
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
