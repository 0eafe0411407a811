// A command as it stands in a log entry: a header stamped by the leader, and the request. The
// request is encoded once where it arrives and travels as text to the leader, which adds the
// header. The codec is part of the log's format: a newer format is refused by name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "node/base/bytes.h"
#include "node/base/error.h"
#include "node/kv/request.h"

namespace aspen::kv {

// Whom the answer belongs to: a boot of a node and its request. Unique in the cluster.
struct Origin {
  std::uint64_t boot = 0;
  std::uint64_t sequence = 0;
  friend bool operator==(const Origin&, const Origin&) noexcept = default;
};

struct CommandHeader {
  Origin origin;
  std::uint64_t time_ms = 0;  // the leader's wall clock when it proposed; decides nothing yet
  friend bool operator==(const CommandHeader&, const CommandHeader&) noexcept = default;
};

struct Command {
  CommandHeader header;
  Request request;
  friend bool operator==(const Command&, const Command&) = default;
};

inline constexpr std::uint8_t command_format = 1;
inline constexpr std::size_t command_header_bytes = 1 + 8 + 8 + 8;

[[nodiscard]] std::string encode_request(const Request& request);
// Possible errors: corrupt (malformed, nested deeper than limits::txn_depth_max).
[[nodiscard]] Result<Request> decode_request(std::string_view text);

// Whose command this is, without decoding it; nothing if it is no command of a known format.
[[nodiscard]] std::optional<Origin> command_origin(const Bytes& bytes);

// One allocation. Precondition: encoded_request is what encode_request() gave.
[[nodiscard]] Bytes encode_command(const CommandHeader& header, std::string_view encoded_request);
// Possible errors: corrupt, unsupported (a newer format; detail: its number).
[[nodiscard]] Result<Command> decode_command(const Bytes& bytes);

}  // namespace aspen::kv
