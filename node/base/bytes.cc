#include "node/base/bytes.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "node/base/assert.h"

namespace aspen {

struct Bytes::Block {
  std::atomic<std::uint32_t> references{1};
};

Bytes::Bytes(std::string_view text) {
  if (text.empty()) return;
  BytesBuilder builder(text.size());
  builder.append(text);
  *this = builder.finish();
  ASPEN_ASSERT(view_ == text);
}

Bytes::Bytes(const Bytes& other) noexcept : block_(other.block_), view_(other.view_) {
  if (block_ != nullptr) block_->references.fetch_add(1, std::memory_order_relaxed);
}

Bytes& Bytes::operator=(const Bytes& other) noexcept {
  Bytes copy(other);
  std::swap(block_, copy.block_);
  std::swap(view_, copy.view_);
  return *this;
}

Bytes& Bytes::operator=(Bytes&& other) noexcept {
  std::swap(block_, other.block_);
  std::swap(view_, other.view_);
  return *this;
}

void Bytes::release() noexcept {
  if (block_ == nullptr) return;
  const std::uint32_t before = block_->references.fetch_sub(1, std::memory_order_acq_rel);
  ASPEN_ASSERT(before > 0);
  if (before == 1) {
    std::destroy_at(block_);
    std::free(block_);
  }
  block_ = nullptr;
}

Bytes Bytes::slice(std::size_t offset, std::size_t size_bytes) const noexcept {
  ASPEN_ASSERT(offset <= size());
  ASPEN_ASSERT(size_bytes <= size() - offset);
  Bytes part(*this);
  part.view_ = view_.substr(offset, size_bytes);
  return part;
}

BytesBuilder::BytesBuilder(std::size_t capacity_bytes) : capacity_bytes_(capacity_bytes) {
  if (capacity_bytes == 0) return;
  void* memory = std::malloc(sizeof(Bytes::Block) + capacity_bytes);
  ASPEN_ASSERT(memory != nullptr);
  bytes_.block_ = std::construct_at(static_cast<Bytes::Block*>(memory));
  bytes_.view_ = std::string_view(static_cast<char*>(memory) + sizeof(Bytes::Block), 0);
}

void BytesBuilder::append(std::string_view part) noexcept {
  ASPEN_ASSERT(part.size() <= left());
  if (part.empty()) return;
  const std::size_t size_bytes = bytes_.view_.size();
  // The memory behind the view is ours alone and was allocated as writable.
  char* memory = reinterpret_cast<char*>(bytes_.block_) + sizeof(Bytes::Block);
  std::memcpy(memory + size_bytes, part.data(), part.size());
  bytes_.view_ = std::string_view(memory, size_bytes + part.size());
}

std::span<char> BytesBuilder::spare() noexcept {
  if (bytes_.block_ == nullptr) return {};
  char* memory = reinterpret_cast<char*>(bytes_.block_) + sizeof(Bytes::Block);
  return {memory + size(), left()};
}

void BytesBuilder::filled(std::size_t size_bytes) noexcept {
  ASPEN_ASSERT(size_bytes <= left());
  bytes_.view_ = std::string_view(bytes_.view_.data(), size() + size_bytes);
}

Bytes BytesBuilder::finish() noexcept {
  capacity_bytes_ = 0;
  if (bytes_.empty()) bytes_ = Bytes();
  return std::exchange(bytes_, Bytes());
}

namespace {

template <class T>
void put_little_endian(std::string& text, T v) {
  char bytes[sizeof(T)];
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    bytes[i] = static_cast<char>(static_cast<std::uint64_t>(v) >> (8 * i));
  }
  text.append(bytes, sizeof(T));
}

template <class T>
T get_little_endian(std::string_view text) noexcept {
  ASPEN_ASSERT(text.size() == sizeof(T));
  std::uint64_t v = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    v |= static_cast<std::uint64_t>(static_cast<unsigned char>(text[i])) << (8 * i);
  }
  return static_cast<T>(v);
}

}  // namespace

Writer& Writer::u8(std::uint8_t v) {
  text_.push_back(static_cast<char>(v));
  return *this;
}
Writer& Writer::u16(std::uint16_t v) {
  put_little_endian(text_, v);
  return *this;
}
Writer& Writer::u32(std::uint32_t v) {
  put_little_endian(text_, v);
  return *this;
}
Writer& Writer::u64(std::uint64_t v) {
  put_little_endian(text_, v);
  return *this;
}

Writer& Writer::varint(std::uint64_t v) {
  while (v >= 0x80U) {
    text_.push_back(static_cast<char>((v & 0x7fU) | 0x80U));
    v >>= 7U;
  }
  text_.push_back(static_cast<char>(v));
  return *this;
}

Writer& Writer::bytes(std::string_view v) {
  varint(v.size());
  text_.append(v);
  return *this;
}

Writer& Writer::raw(std::string_view v) {
  text_.append(v);
  return *this;
}

void Writer::patch_u32(std::size_t offset, std::uint32_t v) {
  ASPEN_ASSERT(text_.size() >= 4);
  ASPEN_ASSERT(offset <= text_.size() - 4);
  for (std::size_t i = 0; i < 4; ++i) text_[offset + i] = static_cast<char>(v >> (8 * i));
}

void Reader::fail() noexcept {
  ok_ = false;
  rest_ = {};
}

std::string_view Reader::raw(std::size_t size_bytes) noexcept {
  if (size_bytes > rest_.size()) {
    fail();
    return {};
  }
  const std::string_view part = rest_.substr(0, size_bytes);
  rest_.remove_prefix(size_bytes);
  return part;
}

std::uint8_t Reader::u8() noexcept {
  const std::string_view part = raw(1);
  return ok_ ? static_cast<std::uint8_t>(part[0]) : std::uint8_t{0};
}
std::uint16_t Reader::u16() noexcept {
  const std::string_view part = raw(2);
  return ok_ ? get_little_endian<std::uint16_t>(part) : std::uint16_t{0};
}
std::uint32_t Reader::u32() noexcept {
  const std::string_view part = raw(4);
  return ok_ ? get_little_endian<std::uint32_t>(part) : 0U;
}
std::uint64_t Reader::u64() noexcept {
  const std::string_view part = raw(8);
  return ok_ ? get_little_endian<std::uint64_t>(part) : 0U;
}

std::uint64_t Reader::varint() noexcept {
  std::uint64_t v = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const std::uint8_t byte = u8();
    if (!ok_) return 0;
    if (shift == 63 && byte > 1) break;
    v |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
    if (byte < 0x80U) return v;
  }
  fail();
  return 0;
}

std::string_view Reader::bytes() noexcept {
  const std::uint64_t size_bytes = varint();
  if (size_bytes > rest_.size()) {
    fail();
    return {};
  }
  return raw(size_bytes);
}

}  // namespace aspen
