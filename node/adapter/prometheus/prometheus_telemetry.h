// Telemetry for Prometheus: counters, gauges and histograms as lock-free cells, written out in the
// text format on request, together with the process_* figures that Prometheus's own client
// libraries give.
//
// Owner: the assembly; it outlives every user of a handle. Thread: any. Registering takes a lock
// and allocates; updating a handle does neither. Bound: limits::metric_series_max series.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "node/port/telemetry.h"

namespace aspen::adapter {

class PrometheusTelemetry final : public Telemetry {
 public:
  PrometheusTelemetry();
  ~PrometheusTelemetry() override;
  PrometheusTelemetry(const PrometheusTelemetry&) = delete;
  PrometheusTelemetry& operator=(const PrometheusTelemetry&) = delete;

  // Preconditions of all three: a valid Prometheus name that has been used for this kind of metric
  // only, and, for a histogram, with the same buckets only.
  [[nodiscard]] Counter& counter(const MetricSpec& spec) override;
  [[nodiscard]] Gauge& gauge(const MetricSpec& spec) override;
  [[nodiscard]] Histogram& histogram(const MetricSpec& spec, Buckets buckets) override;

  // All series in the text exposition format 0.0.4, families and series in a stable order.
  [[nodiscard]] std::string serialize() const;

 private:
  using Labels = std::vector<std::pair<std::string, std::string>>;
  enum class Kind { counter, gauge, histogram };
  class Cell;
  class CounterCell;
  class GaugeCell;
  class HistogramCell;
  struct Family;

  template <class T, class... Arguments>
  T& cell(const MetricSpec& spec, Kind kind, Arguments... arguments);

  mutable std::mutex mutex_;  // guards the maps, never a cell's value
  std::map<std::string, Family> families_;
  std::size_t series_ = 0;
};

}  // namespace aspen::adapter
