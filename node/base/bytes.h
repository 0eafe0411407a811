// Bytes: an immutable byte string that is shared by counting references, so that an entry is
// encoded once and the same memory goes to the log, to the peers and to the state machine. A slice
// shares the memory of the whole. Copying costs one atomic increment; any thread may copy, read and
// destroy. Writer and Reader are the little-endian codec of our own formats; a Reader never reads
// beyond its input and turns foreign bytes into a failed state instead of an assertion.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace aspen {

class Bytes {
 public:
  Bytes() noexcept = default;
  // Copies `text` into memory of its own (one allocation; none for an empty text).
  explicit Bytes(std::string_view text);
  Bytes(const Bytes& other) noexcept;
  Bytes(Bytes&& other) noexcept
      : block_(std::exchange(other.block_, nullptr)), view_(std::exchange(other.view_, {})) {}
  Bytes& operator=(const Bytes& other) noexcept;
  Bytes& operator=(Bytes&& other) noexcept;
  ~Bytes() { release(); }

  [[nodiscard]] std::string_view view() const noexcept { return view_; }
  [[nodiscard]] const char* data() const noexcept { return view_.data(); }
  [[nodiscard]] std::size_t size() const noexcept { return view_.size(); }
  [[nodiscard]] bool empty() const noexcept { return view_.empty(); }
  // Shares this memory. Precondition: offset + size_bytes <= size().
  [[nodiscard]] Bytes slice(std::size_t offset, std::size_t size_bytes) const noexcept;

  friend bool operator==(const Bytes& a, const Bytes& b) noexcept { return a.view_ == b.view_; }

 private:
  friend class BytesBuilder;
  struct Block;
  void release() noexcept;

  Block* block_ = nullptr;
  std::string_view view_;
};

// Memory of a fixed size that is filled once, from front to back, and becomes Bytes without a copy.
class BytesBuilder {
 public:
  BytesBuilder() noexcept = default;
  // Allocates once.
  explicit BytesBuilder(std::size_t capacity_bytes);

  // Precondition: part.size() <= left().
  void append(std::string_view part) noexcept;
  // The memory that is not filled yet, for a read straight into it; filled() then counts it.
  [[nodiscard]] std::span<char> spare() noexcept;
  // Precondition: size_bytes <= left().
  void filled(std::size_t size_bytes) noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return bytes_.view_.size(); }
  [[nodiscard]] std::size_t left() const noexcept { return capacity_bytes_ - size(); }
  // What was filled so far. The builder is empty afterwards, with no capacity.
  [[nodiscard]] Bytes finish() noexcept;

 private:
  Bytes bytes_;  // nobody else refers to it until finish()
  std::size_t capacity_bytes_ = 0;
};

// Appends to a string that it owns. Integers are little-endian; a varint is LEB128; `bytes` is a
// varint length followed by the bytes.
class Writer {
 public:
  Writer& u8(std::uint8_t v);
  Writer& u16(std::uint16_t v);
  Writer& u32(std::uint32_t v);
  Writer& u64(std::uint64_t v);
  Writer& varint(std::uint64_t v);
  Writer& bytes(std::string_view v);
  Writer& raw(std::string_view v);
  // Overwrites four bytes written before. Precondition: offset + 4 <= size().
  void patch_u32(std::size_t offset, std::uint32_t v);

  void reserve(std::size_t size_bytes) { text_.reserve(size_bytes); }
  void clear() noexcept { text_.clear(); }
  [[nodiscard]] std::size_t size() const noexcept { return text_.size(); }
  [[nodiscard]] std::string_view view() const noexcept { return text_; }
  [[nodiscard]] std::string take() noexcept { return std::exchange(text_, {}); }

 private:
  std::string text_;
};

// Reads what a Writer wrote. After a read beyond the end or a malformed varint `ok()` is false and
// every further read gives zero or an empty view; the caller checks once, at the end.
class Reader {
 public:
  explicit Reader(std::string_view text) noexcept : rest_(text) {}

  [[nodiscard]] std::uint8_t u8() noexcept;
  [[nodiscard]] std::uint16_t u16() noexcept;
  [[nodiscard]] std::uint32_t u32() noexcept;
  [[nodiscard]] std::uint64_t u64() noexcept;
  [[nodiscard]] std::uint64_t varint() noexcept;
  // A view into the input.
  [[nodiscard]] std::string_view bytes() noexcept;
  [[nodiscard]] std::string_view raw(std::size_t size_bytes) noexcept;

  void fail() noexcept;
  [[nodiscard]] bool ok() const noexcept { return ok_; }
  // All was read, and nothing failed.
  [[nodiscard]] bool done() const noexcept { return ok_ && rest_.empty(); }
  [[nodiscard]] std::size_t left() const noexcept { return rest_.size(); }
  [[nodiscard]] std::string_view rest() const noexcept { return rest_; }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace aspen
