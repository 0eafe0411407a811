#include "node/cli/report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "node/base/assert.h"

namespace aspen::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string base64(const std::string& text) {
  static constexpr const char* digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 3) {
    std::uint32_t group = 0;
    const std::size_t bytes = std::min<std::size_t>(3, text.size() - i);
    for (std::size_t k = 0; k < 3; ++k) {
      group = group << 8U | (k < bytes ? static_cast<unsigned char>(text[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      out.push_back(k <= bytes ? digits[group >> (18 - 6 * k) & 63U] : '=');
    }
  }
  return out;
}

bool is_utf8(const std::string& text) {
  try {
    static_cast<void>(Json(text).dump());
    return true;
  } catch (const Json::type_error&) {
    return false;
  }
}

void add(Json& object, const std::string& key, const Cell& cell) {
  if (const auto* bytes = std::get_if<Bytes>(&cell); bytes != nullptr) {
    if (is_utf8(bytes->text)) {
      object[key] = bytes->text;
    } else {
      object[key + "_base64"] = base64(bytes->text);
    }
    return;
  }
  std::visit(
      [&object, &key](const auto& value) {
        if constexpr (!std::is_same_v<std::decay_t<decltype(value)>, Bytes>) object[key] = value;
      },
      cell);
}

std::string render_json(const Report& report) {
  Json object = Json::object();
  for (const auto& [key, cell] : report.facts) add(object, key, cell);
  if (!report.list.empty()) {
    Json rows = Json::array();
    for (const auto& row : report.rows) {
      Json& item = rows.emplace_back(Json::object());
      for (std::size_t i = 0; i < row.size(); ++i) add(item, report.columns[i], row[i]);
    }
    object[report.list] = std::move(rows);
  }
  return object.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

// Control characters would let a stored value write to the terminal.
std::string printable(std::string text) {
  std::replace_if(
      text.begin(), text.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '.');
  return text;
}

std::string text_of(const Cell& cell) {
  return std::visit(
      [](const auto& value) -> std::string {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<T, std::string>) {
          return printable(value);
        } else if constexpr (std::is_same_v<T, Bytes>) {
          return printable(value.text);
        } else if constexpr (std::is_same_v<T, bool>) {
          return value ? "yes" : "no";
        } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
          std::string joined;
          for (const auto& part : value) joined.append(joined.empty() ? "" : ",").append(part);
          return printable(joined);
        } else {
          return std::to_string(value);
        }
      },
      cell);
}

std::string heading_of(const std::string& key) {
  std::string heading = key;
  std::transform(heading.begin(), heading.end(), heading.begin(), [](char c) {
    return c == '_' ? ' ' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  });
  return heading;
}

std::string render_rows(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths(rows.front().size(), 0);
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line.append(row[i]).append(widths[i] - row[i].size() + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out.append(line).append("\n");
  }
  return out;
}

std::string render_table(const Report& report) {
  std::string out;
  for (const auto& [key, cell] : report.facts) {
    const std::string text = text_of(cell);
    std::string name = key;
    std::replace(name.begin(), name.end(), '_', ' ');
    out.append(name).append(": ").append(text).append("\n");
  }
  if (report.list.empty() || report.rows.empty()) return out;
  std::vector<std::vector<std::string>> rows(1);
  for (const auto& column : report.columns) rows[0].push_back(heading_of(column));
  for (const auto& row : report.rows) {
    auto& cells = rows.emplace_back();
    for (const Cell& cell : row) cells.push_back(text_of(cell));
  }
  return out + (out.empty() ? "" : "\n") + render_rows(rows);
}

}  // namespace

std::string render(const Report& report, Format format) {
  for (const auto& row : report.rows) ASPEN_ASSERT(row.size() == report.columns.size());
  return format == Format::json ? render_json(report) : render_table(report);
}

}  // namespace aspen::cli
