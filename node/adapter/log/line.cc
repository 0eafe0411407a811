#include "node/adapter/log/line.h"

#include "node/base/limits.h"

namespace aspen::adapter {

namespace {

std::string_view cut(std::string_view text) {
  return text.substr(0, limits::log_line_bytes_max);
}

// Escapes as JSON does; bytes that are no ASCII pass as they are (names are UTF-8 by convention).
void put_escaped(std::string& out, std::string_view text) {
  static constexpr char digits[] = "0123456789abcdef";
  for (const char c : cut(text)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (c == '\n') {
      out.append("\\n");
    } else if (byte < 0x20U) {
      out.append("\\u00");
      out.push_back(digits[byte >> 4U]);
      out.push_back(digits[byte & 15U]);
    } else {
      out.push_back(c);
    }
  }
}

void put_member(std::string& out, std::string_view name, std::string_view value) {
  if (!out.empty()) out.push_back(',');
  out.push_back('"');
  put_escaped(out, name);
  out.append("\":\"");
  put_escaped(out, value);
  out.push_back('"');
}

}  // namespace

std::string text_line(const Line& line) {
  std::string out;
  if (!line.node.empty()) out.append(line.node).append(" ");
  out.append(line.component).append(": ");
  put_escaped(out, line.message);
  for (const LogField& field : line.fields) {
    out.append(" ").append(field.name).append("=");
    const bool plain = field.value.find_first_of(" \"\n\t=") == std::string::npos;
    if (!plain) out.push_back('"');
    put_escaped(out, field.value);
    if (!plain) out.push_back('"');
  }
  return out;
}

std::string json_members(const Line& line) {
  std::string out;
  if (!line.node.empty()) put_member(out, "node", line.node);
  put_member(out, "component", line.component);
  put_member(out, "message", line.message);
  for (const LogField& field : line.fields) put_member(out, field.name, field.value);
  return out;
}

}  // namespace aspen::adapter
