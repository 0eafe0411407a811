// Telemetry that remembers which series there are.
#pragma once

#include <set>
#include <string>

#include "node/port/telemetry.h"

namespace aspen::replica {

class NamedTelemetry final : public Telemetry {
 public:
  [[nodiscard]] Counter& counter(const MetricSpec& spec) override {
    names.insert(spec.name);
    return null_.counter(spec);
  }
  [[nodiscard]] Gauge& gauge(const MetricSpec& spec) override {
    names.insert(spec.name);
    return null_.gauge(spec);
  }
  [[nodiscard]] Histogram& histogram(const MetricSpec& spec, Buckets buckets) override {
    names.insert(spec.name);
    return null_.histogram(spec, buckets);
  }
  std::set<std::string> names;

 private:
  NullTelemetry null_;
};

}  // namespace aspen::replica
