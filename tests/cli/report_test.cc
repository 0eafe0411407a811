#include "node/cli/report.h"

#include <gtest/gtest.h>

namespace aspen::cli {
namespace {

Report sample() {
  Report report;
  report.facts.emplace_back("revision", std::int64_t{7});
  report.list = "kvs";
  report.columns = {"key", "mod_revision", "addresses", "more"};
  report.rows.push_back({Bytes{"a"}, std::int64_t{5}, std::vector<std::string>{"x", "y"}, true});
  report.rows.push_back({Bytes{"long key"}, std::int64_t{-1}, std::vector<std::string>{}, false});
  return report;
}

TEST(Report, ATableHasAlignedColumns) {
  EXPECT_EQ(render(sample(), Format::table),
            "revision: 7\n\n"
            "KEY       MOD REVISION  ADDRESSES  MORE\n"
            "a         5             x,y        yes\n"
            "long key  -1                       no\n");
}

TEST(Report, JsonHasTheSameKeys) {
  EXPECT_EQ(render(sample(), Format::json),
            "{\n  \"revision\": 7,\n  \"kvs\": [\n    {\n      \"key\": \"a\",\n"
            "      \"mod_revision\": 5,\n      \"addresses\": [\n        \"x\",\n        \"y\"\n"
            "      ],\n      \"more\": true\n    },\n    {\n      \"key\": \"long key\",\n"
            "      \"mod_revision\": -1,\n      \"addresses\": [],\n      \"more\": false\n    }\n"
            "  ]\n}\n");
}

TEST(Report, BytesThatAreNotTextAreBase64InJson) {
  Report report;
  for (const char* text : {"\xff", "\xff\xfe", "\xff\xfe\xfd", "\xff\xfe\xfd\xfc"}) {
    report.facts.assign(1, {"key", Bytes{text}});
    const std::string json = render(report, Format::json);
    const std::string expected = std::string(text).size() == 1   ? "/w=="
                                 : std::string(text).size() == 2 ? "//4="
                                 : std::string(text).size() == 3 ? "//79"
                                                                 : "//79/A==";
    EXPECT_EQ(json, "{\n  \"key_base64\": \"" + expected + "\"\n}\n");
  }
}

// A stored value must not command the terminal.
TEST(Report, ATableHasNoControlCharacters) {
  Report report;
  report.facts.emplace_back("value", Bytes{"a\x1b[2Jb\n"});
  EXPECT_EQ(render(report, Format::table), "value: a.[2Jb.\n");
}

}  // namespace
}  // namespace aspen::cli
