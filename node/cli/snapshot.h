// The verbs of aspenctl for snapshot files: node/snapshot/container.h.
//
// Thread: one; calls block.
#pragma once

#include <string>

#include "node/cli/commands.h"
#include "node/cli/report.h"
#include "node/client/client.h"

namespace aspen::cli {

// Of the node at the first endpoint, checked on its way; the file is there when it is whole.
[[nodiscard]] client::Outcome<Report> snapshot_save(client::Client& client,
                                                    const std::string& file);

[[nodiscard]] client::Outcome<Report> snapshot_verify(const std::string& file);

struct RestoreArguments {
  std::string file;
  std::string data_directory;
  MemberArgument member;
};
// A new cluster of one member.
[[nodiscard]] client::Outcome<Report> snapshot_restore(const RestoreArguments& arguments);

}  // namespace aspen::cli
