#include "node/adapter/http/pages.h"

#include <gtest/gtest.h>

namespace aspen::adapter {
namespace {

class Pages : public ::testing::Test {
 protected:
  HttpResponse get(std::string_view path, std::string_view query = "") {
    return page({"GET", path, query}, sources);
  }
  Health health;
  PageSources sources{[] { return std::string("aspen_x 1\n"); }, [this] { return health; },
                      "1.2.3"};
};

TEST_F(Pages, BeforeInitTheNodeIsLiveAndNotReady) {
  health = {true, false, "no cluster yet"};
  EXPECT_EQ(get("/livez").status, 200);
  const HttpResponse ready = get("/readyz");
  EXPECT_EQ(ready.status, 503);
  EXPECT_EQ(ready.body, "[+]live ok\n[-]ready failed: no cluster yet\n");
  EXPECT_EQ(get("/health").status, 503);
  EXPECT_EQ(get("/health").body, "{\"health\":\"false\",\"reason\":\"no cluster yet\"}\n");
}

TEST_F(Pages, AReadyNodeIsHealthy) {
  health = {true, true, ""};
  EXPECT_EQ(get("/livez").body, "ok\n");
  EXPECT_EQ(get("/readyz").body, "ok\n");
  EXPECT_EQ(get("/readyz", "a=b&verbose").body, "[+]live ok\n[+]ready ok\nok\n");
  EXPECT_EQ(get("/readyz", "verbosely").body, "ok\n");
  EXPECT_EQ(get("/health").body, "{\"health\":\"true\",\"reason\":\"\"}\n");
}

TEST_F(Pages, ASilentNodeIsNotLive) {
  health = {false, true, "nothing heard from the replica"};
  EXPECT_EQ(get("/livez").status, 503);
  EXPECT_EQ(get("/readyz").status, 503);
}

TEST_F(Pages, AReasonIsEscaped) {
  health = {true, false, "a \"quoted\"\nreason"};
  EXPECT_EQ(get("/health").body,
            "{\"health\":\"false\",\"reason\":\"a \\\"quoted\\\"\\nreason\"}\n");
}

TEST_F(Pages, MetricsHaveTheirContentType) {
  EXPECT_EQ(get("/metrics").content_type, "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_EQ(get("/metrics").body, "aspen_x 1\n");
}

TEST_F(Pages, VersionNamesEtcdsAndOurs) {
  EXPECT_EQ(get("/version").body,
            "{\"etcdserver\":\"3.6.0\",\"etcdcluster\":\"3.6.0\",\"storage\":\"3.6.0\","
            "\"aspen\":\"1.2.3\"}\n");
}

TEST_F(Pages, NothingElseIsServed) {
  EXPECT_EQ(get("/").status, 404);
  EXPECT_EQ(get("/metrics/").status, 404);
  EXPECT_EQ(page({"POST", "/metrics", ""}, sources).status, 405);
}

}  // namespace
}  // namespace aspen::adapter
