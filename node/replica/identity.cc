#include "node/replica/identity.h"

#include "node/base/assert.h"
#include "node/base/bytes.h"
#include "node/base/checksum.h"
#include "node/base/limits.h"

namespace aspen::replica {

namespace {
constexpr std::string_view identity_magic = "ASPENID\n";
constexpr std::uint32_t identity_format = 1;
constexpr std::size_t checksum_bytes = 8;
}  // namespace

std::string encode(const Identity& identity) {
  ASPEN_ASSERT(!identity.self.incarnation.empty());
  ASPEN_ASSERT(identity.initialised() == (identity.self.id.value != 0));
  ASPEN_ASSERT(identity.initialised() || !identity.started);
  ASPEN_ASSERT(identity.name.size() <= limits::node_name_bytes_max);
  Writer out;
  out.raw(identity_magic).u32(identity_format);
  out.u64(identity.cluster.value).u64(identity.self.id.value);
  out.u64(identity.self.incarnation.high).u64(identity.self.incarnation.low);
  out.u8(identity.started ? 1 : 0);
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
  const std::uint8_t started = in.u8();
  identity.started = started != 0;
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
  if (identity.self.incarnation.empty() || placed != identity.initialised() || started > 1 ||
      (identity.started && !placed)) {
    return fail(Code::corrupt, "identity file: contradicts itself");
  }
  return identity;
}

}  // namespace aspen::replica
