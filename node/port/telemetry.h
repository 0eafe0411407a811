// Metrics as the node's modules see them: named once at construction, then updated from any thread
// without blocking. Names carry the prefix aspen_ and base units; label values come from a bounded
// set. Prometheus is one implementation; NullTelemetry serves tests and simulators.
//
// Owner: the assembly; handles live as long as the Telemetry they came from.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace aspen {

class Counter {
 public:
  virtual ~Counter() = default;
  virtual void add(double amount) noexcept = 0;  // precondition: amount >= 0
};

class Gauge {
 public:
  virtual ~Gauge() = default;
  virtual void set(double value) noexcept = 0;
};

class Histogram {
 public:
  virtual ~Histogram() = default;
  virtual void observe(double value) noexcept = 0;
};

struct MetricSpec {
  std::string name;
  std::string help;
  std::vector<std::pair<std::string, std::string>> labels;
};

// Which bucket bounds a histogram has.
enum class Buckets { disk_seconds, request_seconds };  // 0.1 ms to 8 s doubling; 0.25 ms to 5 s

class Telemetry {
 public:
  virtual ~Telemetry() = default;
  // The same spec gives the same handle.
  [[nodiscard]] virtual Counter& counter(const MetricSpec& spec) = 0;
  [[nodiscard]] virtual Gauge& gauge(const MetricSpec& spec) = 0;
  [[nodiscard]] virtual Histogram& histogram(const MetricSpec& spec, Buckets buckets) = 0;
};

class NullTelemetry final : public Telemetry {
 public:
  [[nodiscard]] Counter& counter(const MetricSpec&) override { return counter_; }
  [[nodiscard]] Gauge& gauge(const MetricSpec&) override { return gauge_; }
  [[nodiscard]] Histogram& histogram(const MetricSpec&, Buckets) override { return histogram_; }

 private:
  struct NullCounter final : Counter {
    void add(double) noexcept override {}
  } counter_;
  struct NullGauge final : Gauge {
    void set(double) noexcept override {}
  } gauge_;
  struct NullHistogram final : Histogram {
    void observe(double) noexcept override {}
  } histogram_;
};

}  // namespace aspen
