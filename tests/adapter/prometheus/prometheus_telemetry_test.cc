#include "node/adapter/prometheus/prometheus_telemetry.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <thread>

namespace aspen::adapter {
namespace {

TEST(PrometheusTelemetry, TheSameSpecGivesTheSameHandle) {
  PrometheusTelemetry telemetry;
  Counter& one = telemetry.counter({"aspen_x_total", "help", {{"code", "a"}}});
  EXPECT_EQ(&one, &telemetry.counter({"aspen_x_total", "help", {{"code", "a"}}}));
  EXPECT_NE(&one, &telemetry.counter({"aspen_x_total", "help", {{"code", "b"}}}));
}

TEST(PrometheusTelemetry, AFamilyIsWrittenOnceWithAllItsSeries) {
  PrometheusTelemetry telemetry;
  telemetry.counter({"aspen_x_total", "The help.", {{"code", "b"}}}).add(2);
  telemetry.counter({"aspen_x_total", "The help.", {{"code", "a"}}}).add(0.5);
  telemetry.gauge({"aspen_level", "A level.", {}}).set(-3);
  const std::string text = telemetry.serialize();
  EXPECT_NE(text.find("# HELP aspen_x_total The help.\n# TYPE aspen_x_total counter\n"
                      "aspen_x_total{code=\"a\"} 0.5\naspen_x_total{code=\"b\"} 2\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("# TYPE aspen_level gauge\naspen_level -3\n"), std::string::npos) << text;
}

TEST(PrometheusTelemetry, BucketsOfAHistogramAreCumulative) {
  PrometheusTelemetry telemetry;
  Histogram& seconds =
      telemetry.histogram({"aspen_y_seconds", "help", {}}, Buckets::request_seconds);
  seconds.observe(0.0002);
  seconds.observe(0.00025);  // a bound belongs to its own bucket
  seconds.observe(0.7);
  seconds.observe(100);
  const std::string text = telemetry.serialize();
  for (const char* line :
       {"aspen_y_seconds_bucket{le=\"0.00025\"} 2\n", "aspen_y_seconds_bucket{le=\"0.5\"} 2\n",
        "aspen_y_seconds_bucket{le=\"1\"} 3\n", "aspen_y_seconds_bucket{le=\"5\"} 3\n",
        "aspen_y_seconds_bucket{le=\"+Inf\"} 4\n", "aspen_y_seconds_count 4\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
}

TEST(PrometheusTelemetry, NoUpdateIsLostBetweenThreads) {
  constexpr int rounds = 20'000;
  PrometheusTelemetry telemetry;
  Counter& counter = telemetry.counter({"aspen_x_total", "help", {}});
  Histogram& seconds = telemetry.histogram({"aspen_y_seconds", "help", {}}, Buckets::disk_seconds);
  const auto work = [&] {
    for (int i = 0; i < rounds; ++i) {
      counter.add(1);
      seconds.observe(1);
    }
  };
  std::thread other(work);
  work();
  other.join();
  const std::string text = telemetry.serialize();
  EXPECT_NE(text.find("aspen_x_total 40000\n"), std::string::npos) << text;
  EXPECT_NE(text.find("aspen_y_seconds_count 40000\n"), std::string::npos) << text;
  EXPECT_NE(text.find("aspen_y_seconds_sum 40000\n"), std::string::npos) << text;
}

TEST(PrometheusTelemetry, TheProcessIsDescribed) {
  const std::string text = PrometheusTelemetry().serialize();
  for (const char* name : {"process_cpu_seconds_total ", "process_resident_memory_bytes ",
                           "process_virtual_memory_bytes ", "process_start_time_seconds ",
                           "process_open_fds ", "process_max_fds "}) {
    const std::size_t at = text.find("\n" + std::string(name));
    ASSERT_NE(at, std::string::npos) << name;
    EXPECT_GE(std::strtod(text.c_str() + at + 1 + std::string(name).size(), nullptr), 0) << name;
  }
  const std::size_t at = text.find("\nprocess_resident_memory_bytes ");
  EXPECT_GT(std::strtod(text.c_str() + at + 31, nullptr), 1e6);
}

TEST(PrometheusTelemetry, PromtoolAcceptsTheText) {
  if (std::system("command -v promtool >/dev/null") != 0) {
    GTEST_SKIP() << "promtool is missing (Debian package prometheus)";
  }
  PrometheusTelemetry telemetry;
  telemetry.counter({"aspen_x_total", "A counter.", {{"grpc_code", "OK"}}}).add(1);
  telemetry.gauge({"aspen_level_bytes", "A gauge.", {}}).set(1.5);
  telemetry.histogram({"aspen_y_seconds", "A histogram.", {}}, Buckets::disk_seconds).observe(1);
  FILE* promtool = ::popen("promtool check metrics", "w");
  ASSERT_NE(promtool, nullptr);
  const std::string text = telemetry.serialize();
  EXPECT_EQ(std::fwrite(text.data(), 1, text.size(), promtool), text.size());
  EXPECT_EQ(::pclose(promtool), 0) << text;
}

}  // namespace
}  // namespace aspen::adapter
