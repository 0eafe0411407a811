// What the plain HTTP port shows: metrics, health in the shapes of Kubernetes and of etcd, and
// versions. A pure function of the request and of what its sources say.
//
// Owner: whoever assembles the process. Thread: any; the sources are called from HTTP threads.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "node/port/health.h"

namespace aspen::adapter {

struct PageSources {
  std::function<std::string()> metrics;  // in Prometheus's text format
  std::function<Health()> health;
  std::string version;  // Aspen's own
};

struct HttpRequest {
  std::string_view method;
  std::string_view path;
  std::string_view query;  // without the question mark
};

struct HttpResponse {
  int status = 200;
  std::string content_type;
  std::string body;
};

// GET and HEAD of /metrics, /livez, /readyz, /health and /version. /livez and /readyz answer 200
// or 503 with the reason in the body, and list their checks if the query has `verbose`; /health
// is etcd's. Anything else is 404, another method 405.
[[nodiscard]] HttpResponse page(const HttpRequest& request, const PageSources& sources);

}  // namespace aspen::adapter
