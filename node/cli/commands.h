// The verbs of aspenctl: each asks a cluster and answers with a Report. They know neither flags nor
// terminals.
//
// Thread: one; calls block until answered or until the client's deadline.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "node/cli/report.h"
#include "node/client/client.h"

namespace aspen::cli {

struct MemberArgument {
  std::string name;
  std::string peer;
  std::vector<std::string> clients;
};

// "name=n1,peer=HOST:PORT,client=HOST:PORT[,client=HOST:PORT...]", in any order.
// Fails with a text for people.
[[nodiscard]] tl::expected<MemberArgument, std::string> parse_member(const std::string& text);

struct InitArguments {
  std::vector<MemberArgument> members;
  std::uint64_t cluster_id = 0;  // 0: a random one
};
// Sent to the first endpoint.
[[nodiscard]] client::Outcome<Report> cluster_init(client::Client& client,
                                                   const InitArguments& arguments);

// Every member that some endpoint knows, and every endpoint that answers. Fails only if none
// answers.
[[nodiscard]] client::Outcome<Report> cluster_status(const client::Options& options);

[[nodiscard]] client::Outcome<Report> member_list(client::Client& client);

enum class Extent { one_key, prefix };
enum class Values { with, keys_only };
enum class Reading { linearizable, serializable };

struct GetArguments {
  std::string key;
  Extent extent = Extent::one_key;
  Values values = Values::with;
  Reading reading = Reading::linearizable;
  std::int64_t limit = 0;     // 0: none
  std::int64_t revision = 0;  // 0: the newest
};
[[nodiscard]] client::Outcome<Report> get(client::Client& client, const GetArguments& arguments);

[[nodiscard]] client::Outcome<Report> put(client::Client& client, const std::string& key,
                                          const std::string& value);

[[nodiscard]] client::Outcome<Report> del(client::Client& client, const std::string& key,
                                          Extent extent);

}  // namespace aspen::cli
