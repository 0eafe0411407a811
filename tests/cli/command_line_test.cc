#include "node/cli/command_line.h"

#include <gtest/gtest.h>

#include <sstream>

#include "node/cli/commands.h"

namespace aspen::cli {
namespace {

struct Ran {
  int status;
  std::string out;
  std::string err;
};

// Nothing listens on port 1.
Ran run_with(std::vector<std::string> arguments) {
  std::ostringstream out;
  std::ostringstream err;
  const int status = run(std::move(arguments), {"127.0.0.1:1", out, err});
  return {status, out.str(), err.str()};
}

TEST(CommandLine, WhatIsNotUnderstoodIsUsage) {
  EXPECT_EQ(run_with({}).status, 2);
  EXPECT_EQ(run_with({"nonsense"}).status, 2);
  EXPECT_EQ(run_with({"get"}).status, 2);
  EXPECT_EQ(run_with({"get", "k", "--limit", "-1"}).status, 2);
  EXPECT_EQ(run_with({"-o", "xml", "get", "k"}).status, 2);
  EXPECT_EQ(run_with({"--key", "k.pem", "get", "k"}).status, 2);
  EXPECT_EQ(run_with({"--cert", "c.pem", "get", "k"}).status, 2);
  for (const char* nothing : {",", " ", ", ,"}) {
    const Ran without = run_with({"--endpoints", nothing, "cluster", "status"});
    EXPECT_EQ(without.status, 2);
    EXPECT_NE(without.err.find("--endpoints"), std::string::npos) << without.err;
  }
  const Ran member = run_with({"cluster", "init", "--member", "name=n1,peer=h:1"});
  EXPECT_EQ(member.status, 2);
  EXPECT_NE(member.err.find("client= is missing"), std::string::npos) << member.err;
}

TEST(CommandLine, WhatAMemberCommandLacksIsUsage) {
  EXPECT_EQ(run_with({"member", "add"}).status, 2);
  EXPECT_EQ(run_with({"member", "promote"}).status, 2);
  EXPECT_EQ(run_with({"member", "remove"}).status, 2);
  EXPECT_EQ(run_with({"member", "remove", "n1", "n2"}).status, 2);
  EXPECT_EQ(run_with({"node", "drain"}).status, 2);
  const std::string spec = "name=n4,peer=h:1,client=h:2";
  EXPECT_EQ(run_with({"member", "add", "--member", spec, "--wait", "-1"}).status, 2);
  const Ran incomplete = run_with({"member", "add", "--member", "name=n4,peer=h:1"});
  EXPECT_EQ(incomplete.status, 2);
  EXPECT_NE(incomplete.err.find("client= is missing"), std::string::npos) << incomplete.err;
}

TEST(CommandLine, AMembershipCommandWithoutANodeIsARefusal) {
  const std::string spec = "name=n4,peer=h:1,client=h:2";
  const Ran add = run_with({"member", "add", "--member", spec});
  EXPECT_EQ(add.status, 1);
  EXPECT_EQ(add.err, "adding n4 as a learner\naspenctl: cannot connect (127.0.0.1:1)\n");
  const Ran quiet = run_with({"-o", "json", "member", "add", "--member", spec});
  EXPECT_EQ(quiet.err, "aspenctl: cannot connect (127.0.0.1:1)\n");
  EXPECT_EQ(run_with({"member", "remove", "n4"}).status, 1);
  EXPECT_EQ(run_with({"cluster", "transfer-leader"}).status, 1);
  const Ran drain = run_with({"node", "drain", "--data-dir", "/nonexistent"});
  EXPECT_EQ(drain.status, 1);
  EXPECT_EQ(drain.err, "aspenctl: cannot connect (unix:/nonexistent/control.sock)\n");
}

TEST(CommandLine, HelpAndVersionAreDone) {
  EXPECT_EQ(run_with({"--version"}).status, 0);
  const Ran help = run_with({"--help"});
  EXPECT_EQ(help.status, 0);
  EXPECT_NE(help.out.find("applied_index"), std::string::npos);
}

TEST(CommandLine, AnEndpointThatIsDownIsARefusal) {
  const Ran ran = run_with({"put", "k", "v"});
  EXPECT_EQ(ran.status, 1);
  EXPECT_EQ(ran.out, "");
  EXPECT_EQ(ran.err, "aspenctl: cannot connect (127.0.0.1:1)\n");
}

TEST(ParseMember, TakesItsPartsInAnyOrder) {
  const auto member = parse_member("client=h:1,name=n1,peer=h:2,client=h:3");
  ASSERT_TRUE(member);
  EXPECT_EQ(member->name, "n1");
  EXPECT_EQ(member->peer, "h:2");
  EXPECT_EQ(member->clients, (std::vector<std::string>{"h:1", "h:3"}));
}

TEST(ParseMember, SaysWhatIsWrong) {
  EXPECT_EQ(parse_member("peer=h:2,client=h:1").error(), "name= is missing");
  EXPECT_EQ(parse_member("name=,peer=h:2,client=h:1").error(), "'name=' has no value");
  EXPECT_EQ(parse_member("nam=x").error(), "'nam' is not one of name, peer, client");
}

}  // namespace
}  // namespace aspen::cli
