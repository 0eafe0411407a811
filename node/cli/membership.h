// The verbs of aspenctl that change who belongs to a cluster and who leads it. A change may take
// many calls; `Progress` hears in between what is waited for.
//
// Thread: one; calls block until the verb is done or has failed.
#pragma once

#include <functional>
#include <string>

#include "node/base/time.h"
#include "node/cli/commands.h"
#include "node/cli/report.h"
#include "node/client/client.h"

namespace aspen::cli {

using Progress = std::function<void(const std::string& line)>;

// How a new member ends: it votes once it has caught up, or it goes on as a learner.
enum class Joining { voter, learner };

struct AddArguments {
  MemberArgument member;
  Joining joining = Joining::voter;
  Duration wait{};  // how long catching up may take
};
[[nodiscard]] client::Outcome<Report> member_add(client::Client& client,
                                                 const AddArguments& arguments,
                                                 const Progress& progress);

// `who` of the following is a member's name or its id in 16 hex digits.
[[nodiscard]] client::Outcome<Report> member_promote(client::Client& client, const std::string& who,
                                                     Duration wait, const Progress& progress);
[[nodiscard]] client::Outcome<Report> member_remove(client::Client& client, const std::string& who,
                                                    const Progress& progress);

// Empty: to the voter whose log is the longest.
[[nodiscard]] client::Outcome<Report> transfer_leader(client::Client& client,
                                                      const std::string& who);

// Of the node that serves the client's first endpoint.
[[nodiscard]] client::Outcome<Report> node_drain(client::Client& client);

}  // namespace aspen::cli
