#include "node/replica/identity.h"

#include "node/base/assert.h"
#include "node/base/bytes.h"
#include "node/base/checksum.h"
#include "node/base/limits.h"

namespace aspen::replica {

namespace {
constexpr std::string_view identity_magic = "ASPENID\n";
// Format 1 has no members that joined or were removed: the byte of flags says `started` alone.
constexpr std::uint32_t format_founders = 1;
constexpr std::uint32_t identity_format = 2;
constexpr unsigned started_flag = 1;
constexpr unsigned joined_flag = 2;
constexpr unsigned removed_flag = 4;
constexpr unsigned all_flags = started_flag | joined_flag | removed_flag;
constexpr std::size_t checksum_bytes = 8;
}  // namespace

std::string encode(const Identity& identity) {
  ASPEN_ASSERT(!identity.self.incarnation.empty());
  ASPEN_ASSERT(identity.initialised() == (identity.self.id.value != 0));
  ASPEN_ASSERT(identity.initialised() || !(identity.started || identity.joined));
  ASPEN_ASSERT(identity.started || !identity.removed);
  ASPEN_ASSERT(identity.name.size() <= limits::node_name_bytes_max);
  Writer out;
  const bool founder = !identity.joined && !identity.removed;
  out.raw(identity_magic).u32(founder ? format_founders : identity_format);
  out.u64(identity.cluster.value).u64(identity.self.id.value);
  out.u64(identity.self.incarnation.high).u64(identity.self.incarnation.low);
  const unsigned flags = (identity.started ? started_flag : 0U) |
                         (identity.joined ? joined_flag : 0U) |
                         (identity.removed ? removed_flag : 0U);
  out.u8(static_cast<std::uint8_t>(flags));
  out.bytes(identity.name).bytes(encode(identity.bootstrap));
  const std::uint64_t sum = checksum64(out.view());
  out.u64(sum);
  return out.take();
}

Result<Identity> decode_identity(std::string_view bytes) {
  Reader in(bytes);
  const bool magic = in.raw(identity_magic.size()) == identity_magic;
  const std::uint32_t format = in.u32();
  if (!in.ok() || !magic) return fail(Code::corrupt, "identity file: not an Aspen identity");
  if (format > identity_format) {
    return fail(Code::unsupported, "identity file: written by a newer version", format);
  }
  Identity identity;
  identity.cluster = ClusterId(in.u64());
  identity.self.id = NodeId(in.u64());
  identity.self.incarnation.high = in.u64();
  identity.self.incarnation.low = in.u64();
  const std::uint8_t flags = in.u8();
  identity.started = (flags & started_flag) != 0;
  identity.joined = (flags & joined_flag) != 0;
  identity.removed = (flags & removed_flag) != 0;
  identity.name = in.bytes();
  const Result<Config> bootstrap = decode_config(in.bytes());
  if (!in.ok() || in.left() != checksum_bytes || !bootstrap) {
    return fail(Code::corrupt, "identity file: malformed");
  }
  if (in.u64() != checksum64(bytes.substr(0, bytes.size() - checksum_bytes))) {
    return fail(Code::corrupt, "identity file: the checksum differs");
  }
  identity.bootstrap = *bootstrap;
  const bool placed = identity.self.id.value != 0;
  if (identity.self.incarnation.empty() || placed != identity.initialised() ||
      flags > (format == format_founders ? started_flag : all_flags) || (flags != 0 && !placed) ||
      (identity.removed && !identity.started)) {
    return fail(Code::corrupt, "identity file: contradicts itself");
  }
  return identity;
}

}  // namespace aspen::replica
