// The verbs of aspenctl that look at the actors of one node, and end one to see the tree heal.
//
// Thread: one; calls block until answered.
#pragma once

#include <string>

#include "node/cli/report.h"
#include "node/client/client.h"

namespace aspen::cli {

// Of the node that serves the client's first endpoint: parents before children, names indented by
// depth in tables.
[[nodiscard]] client::Outcome<Report> actors_tree(client::Client& client);

enum class EndAs { failed, stopped };

// `who` is a registered name or an id.
[[nodiscard]] client::Outcome<Report> actors_kill(client::Client& client, const std::string& who,
                                                  EndAs how);

}  // namespace aspen::cli
