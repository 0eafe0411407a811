#include "node/adapter/log/line.h"

#include <gtest/gtest.h>

namespace aspen::adapter {
namespace {

TEST(Line, TextQuotesWhatNeedsIt) {
  const Line line{"n1", "raft", "became leader", {{"term", Term(3)}, {"why", "two words"}}};
  EXPECT_EQ(text_line(line), "n1 raft: became leader term=3 why=\"two words\"");
}

// Goal: foreign text in a field cannot forge a line or a member.
TEST(Line, ForeignTextIsEscaped) {
  const Line line{"n1", "link", "refused", {{"text", "a\"b\n{\"level\":\"x\"}\x01"}}};
  EXPECT_EQ(text_line(line), "n1 link: refused text=\"a\\\"b\\n{\\\"level\\\":\\\"x\\\"}\\u0001\"");
  EXPECT_EQ(json_members(line),
            "\"node\":\"n1\",\"component\":\"link\",\"message\":\"refused\","
            "\"text\":\"a\\\"b\\n{\\\"level\\\":\\\"x\\\"}\\u0001\"");
}

TEST(Line, ErrorsShowCodeTextAndDetail) {
  const Line line{"", "log", "closed", {{"error", Error{Code::corrupt, "bad sum", 12}}}};
  EXPECT_EQ(text_line(line), "log: closed error=\"corrupt: bad sum (12)\"");
}

}  // namespace
}  // namespace aspen::adapter
