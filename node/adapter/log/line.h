// The text of one log line without its time and level. Pure. At most limits::log_line_bytes_max
// bytes of each message and field survive.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "node/port/log.h"

namespace aspen::adapter {

struct Line {
  std::string_view node;
  std::string_view component;
  std::string_view message;
  std::initializer_list<LogField> fields;
};

// "n1 raft: message name=value other=\"two words\""; control characters are escaped.
[[nodiscard]] std::string text_line(const Line& line);
// "node":"n1","component":"raft","message":"...","name":"value" - the inside of a JSON object.
[[nodiscard]] std::string json_members(const Line& line);

}  // namespace aspen::adapter
