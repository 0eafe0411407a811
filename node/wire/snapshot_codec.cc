#include "node/wire/snapshot_codec.h"

#include <algorithm>
#include <utility>

#include "node/base/assert.h"
#include "node/base/limits.h"

namespace aspen::wire {
namespace {

constexpr std::uint8_t snapshot_format = 1;
// Numbers of the format; a number is never given to another message.
enum class Kind : std::uint8_t { offer = 1, want = 2, piece = 3, verdict = 4, withdrawn = 5 };

void begin(Writer& out, Kind kind, snapshot::TransferId transfer) {
  out.u8(snapshot_format).u8(static_cast<std::uint8_t>(kind)).u64(transfer.value);
}

struct Encode {
  Writer& out;

  void operator()(const snapshot::Offer& m) const {
    begin(out, Kind::offer, m.transfer);
    out.u64(m.term.value).u64(m.id.term.value).u64(m.id.index.value);
    out.raw(snapshot::view(m.digest)).u64(m.manifest_bytes);
  }
  void operator()(const snapshot::Want& m) const {
    ASPEN_ASSERT(m.numbers.size() <= limits::snapshot_window_chunks);
    begin(out, Kind::want, m.transfer);
    out.u8(static_cast<std::uint8_t>(m.part)).u8(static_cast<std::uint8_t>(m.numbers.size()));
    for (const std::uint32_t number : m.numbers) out.u32(number);
  }
  void operator()(const snapshot::Piece& m) const {
    ASPEN_ASSERT(m.content.size() <= limits::snapshot_chunk_bytes);
    begin(out, Kind::piece, m.transfer);
    out.u8(static_cast<std::uint8_t>(m.part)).u32(m.number);
  }
  void operator()(const snapshot::Verdict& m) const {
    begin(out, Kind::verdict, m.transfer);
    out.u8(static_cast<std::uint8_t>(m.outcome));
  }
  void operator()(const snapshot::Withdrawn& m) const { begin(out, Kind::withdrawn, m.transfer); }
};

snapshot::Part get_part(Reader& in) {
  const std::uint8_t part = in.u8();
  if (part > static_cast<std::uint8_t>(snapshot::Part::content)) in.fail();
  return static_cast<snapshot::Part>(part);
}

snapshot::Offer get_offer(Reader& in) {
  snapshot::Offer m;
  m.term = Term(in.u64());
  m.id.term = Term(in.u64());
  m.id.index = Index(in.u64());
  const std::string_view digest = in.raw(m.digest.size());
  std::copy(digest.begin(), digest.end(), m.digest.begin());
  m.manifest_bytes = in.u64();
  if (m.manifest_bytes > limits::snapshot_manifest_bytes_max) in.fail();
  return m;
}

snapshot::Want get_want(Reader& in) {
  snapshot::Want m;
  m.part = get_part(in);
  const std::uint8_t count = in.u8();
  if (count > limits::snapshot_window_chunks) in.fail();
  for (std::uint8_t i = 0; in.ok() && i < count; ++i) m.numbers.push_back(in.u32());
  return m;
}

snapshot::Piece get_piece(Reader& in, const Bytes& bytes) {
  snapshot::Piece m;
  m.part = get_part(in);
  m.number = in.u32();
  const std::size_t size = in.left();
  if (size > limits::snapshot_chunk_bytes) in.fail();
  if (in.ok()) m.content = bytes.slice(bytes.size() - size, size);
  static_cast<void>(in.raw(in.left()));
  return m;
}

snapshot::Verdict get_verdict(Reader& in) {
  snapshot::Verdict m;
  const std::uint8_t outcome = in.u8();
  if (outcome > static_cast<std::uint8_t>(snapshot::Outcome::failed)) in.fail();
  m.outcome = static_cast<snapshot::Outcome>(outcome);
  return m;
}

template <class M>
snapshot::Message named(M m, snapshot::TransferId transfer) {
  m.transfer = transfer;
  return m;
}

}  // namespace

Bytes encode(const snapshot::Message& message) {
  Writer out;
  std::visit(Encode{out}, message);
  const auto* piece = std::get_if<snapshot::Piece>(&message);
  if (piece == nullptr) return Bytes(out.view());
  BytesBuilder whole(out.size() + piece->content.size());
  whole.append(out.view());
  whole.append(piece->content.view());
  ASPEN_ASSERT(whole.left() == 0);
  return whole.finish();
}

Result<snapshot::Message> decode_snapshot(const Bytes& bytes) {
  Reader in(bytes.view());
  const std::uint8_t format = in.u8();
  if (in.ok() && format > snapshot_format) {
    return fail(Code::unsupported, "snapshot message: a newer format", format);
  }
  const auto kind = static_cast<Kind>(in.u8());
  const snapshot::TransferId transfer(in.u64());
  snapshot::Message message;
  switch (kind) {
    case Kind::offer:
      message = named(get_offer(in), transfer);
      break;
    case Kind::want:
      message = named(get_want(in), transfer);
      break;
    case Kind::piece:
      message = named(get_piece(in, bytes), transfer);
      break;
    case Kind::verdict:
      message = named(get_verdict(in), transfer);
      break;
    case Kind::withdrawn:
      message = named(snapshot::Withdrawn{}, transfer);
      break;
    default:
      in.fail();
  }
  if (!in.done() || format != snapshot_format) {
    return fail(Code::invalid_argument, "snapshot message: malformed");
  }
  return message;
}

}  // namespace aspen::wire
