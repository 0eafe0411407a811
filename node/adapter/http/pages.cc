#include "node/adapter/http/pages.h"

#include <nlohmann/json.hpp>

#include "node/wire/etcd_names.h"

namespace aspen::adapter {
namespace {

constexpr const char* plain = "text/plain; charset=utf-8";
constexpr const char* json = "application/json";

struct Check {
  std::string_view name;
  bool passed;
};

bool has_parameter(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view part = query.substr(0, end);
    if (part.substr(0, part.find('=')) == name) return true;
    query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
  }
  return false;
}

// The checks are listed when asked for, and always when one of them failed, as etcd does.
HttpResponse checked(std::initializer_list<Check> checks, const std::string& reason,
                     std::string_view query) {
  bool all = true;
  std::string lines;
  for (const Check& check : checks) {
    all = all && check.passed;
    lines.append(check.passed ? "[+]" : "[-]").append(check.name);
    lines.append(check.passed ? " ok" : " failed: " + reason).append("\n");
  }
  if (!all) return {503, plain, lines};
  return {200, plain, has_parameter(query, "verbose") ? lines + "ok\n" : "ok\n"};
}

HttpResponse etcd_health(const Health& health) {
  const bool healthy = health.live && health.ready;
  const nlohmann::ordered_json body{{"health", healthy ? "true" : "false"},
                                    {"reason", healthy ? "" : health.reason}};
  constexpr auto lossy = nlohmann::ordered_json::error_handler_t::replace;
  return {healthy ? 200 : 503, json, body.dump(-1, ' ', false, lossy) + "\n"};
}

HttpResponse version(const std::string& own) {
  const nlohmann::ordered_json body{{"etcdserver", wire::etcd_api_version},
                                    {"etcdcluster", wire::etcd_api_version},
                                    {"storage", wire::etcd_api_version},
                                    {"aspen", own}};
  return {200, json, body.dump() + "\n"};
}

}  // namespace

HttpResponse page(const HttpRequest& request, const PageSources& sources) {
  if (request.method != "GET" && request.method != "HEAD") {
    return {405, plain, "only GET and HEAD are allowed\n"};
  }
  if (request.path == "/metrics") {
    return {200, "text/plain; version=0.0.4; charset=utf-8", sources.metrics()};
  }
  if (request.path == "/version") return version(sources.version);
  const Health health = sources.health();
  if (request.path == "/livez") {
    return checked({{"live", health.live}}, health.reason, request.query);
  }
  if (request.path == "/readyz") {
    return checked({{"live", health.live}, {"ready", health.ready}}, health.reason, request.query);
  }
  if (request.path == "/health") return etcd_health(health);
  return {404, plain, "there are /metrics, /livez, /readyz, /health and /version\n"};
}

}  // namespace aspen::adapter
