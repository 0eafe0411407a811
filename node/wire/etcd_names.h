// Names of the client port that more than one module speaks.
#pragma once

namespace aspen::wire {

// The version of etcd's API that is served. Clients choose features by it.
inline constexpr const char* etcd_api_version = "3.6.0";

// Trailing metadata of a refusal: the name of its Code.
inline constexpr const char* code_metadata = "aspen-code";

}  // namespace aspen::wire
