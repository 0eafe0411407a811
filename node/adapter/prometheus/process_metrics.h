// The process_* figures of Prometheus's client libraries, read from /proc at each call: CPU time,
// resident and virtual memory, open and allowed descriptors, start time. A figure that cannot be
// read is left out.
//
// Thread: any; reads files of /proc, which do not block.
#pragma once

#include <cstddef>
#include <vector>

namespace prometheus {
struct MetricFamily;
}

namespace aspen::adapter {

inline constexpr std::size_t process_metrics_count = 6;

void append_process_metrics(std::vector<::prometheus::MetricFamily>& families);

}  // namespace aspen::adapter
