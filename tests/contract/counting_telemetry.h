// Telemetry that a test can read: sums of counters, numbers of observations.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <string>

#include "node/port/telemetry.h"

namespace aspen {

class CountingTelemetry final : public Telemetry {
 public:
  [[nodiscard]] Counter& counter(const MetricSpec& spec) override { return cell(spec); }
  [[nodiscard]] Gauge& gauge(const MetricSpec& spec) override { return cell(spec); }
  [[nodiscard]] Histogram& histogram(const MetricSpec& spec, Buckets) override {
    return cell(spec);
  }

  // By name and labels: "name a=b c=d". -1 if there is none.
  [[nodiscard]] double value(const std::string& series) const {
    const std::lock_guard lock(mutex_);
    const auto found = cells_.find(series);
    return found == cells_.end() ? -1 : found->second.total.load();
  }

 private:
  struct Cell final : Counter, Gauge, Histogram {
    void add(double amount) noexcept override { total.fetch_add(amount); }
    void set(double value) noexcept override { total.store(value); }
    void observe(double) noexcept override { total.fetch_add(1); }
    std::atomic<double> total{0};
  };

  Cell& cell(const MetricSpec& spec) {
    std::string series = spec.name;
    for (const auto& [name, value] : spec.labels) series.append(" " + name + "=" + value);
    const std::lock_guard lock(mutex_);
    return cells_[series];
  }

  mutable std::mutex mutex_;
  std::map<std::string, Cell> cells_;
};

}  // namespace aspen
