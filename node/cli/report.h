// What a command found out, independent of how it is shown: single facts and at most one list of
// rows. The keys are snake_case; they are the JSON keys, and in capitals the table's headings.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace aspen::cli {

// Bytes need not be UTF-8: in JSON the key then ends with _base64.
struct Bytes {
  std::string text;
};

using Cell =
    std::variant<std::string, std::uint64_t, std::int64_t, bool, Bytes, std::vector<std::string>>;

struct Report {
  std::vector<std::pair<std::string, Cell>> facts;
  std::string list;                  // the rows' JSON key; empty: no rows
  std::vector<std::string> columns;  // as long as each row
  std::vector<std::vector<Cell>> rows;
};

enum class Format { table, json };

[[nodiscard]] std::string render(const Report& report, Format format);

}  // namespace aspen::cli
