#include "node/adapter/prometheus/prometheus_telemetry.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <atomic>
#include <span>
#include <sstream>

#include "node/adapter/prometheus/process_metrics.h"
#include "node/base/assert.h"
#include "node/base/limits.h"

namespace aspen::adapter {
namespace {

constexpr auto disk_bounds_seconds = [] {
  std::array<double, 17> bounds{};
  double bound = 1e-4;
  for (double& b : bounds) {
    b = bound;
    bound *= 2;
  }
  return bounds;
}();
constexpr std::array request_bounds_seconds{0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                            0.05,    0.1,    0.25,  0.5,    1.0,   2.5,  5.0};
constexpr std::size_t bounds_max = 17;
static_assert(disk_bounds_seconds.size() <= bounds_max);
static_assert(request_bounds_seconds.size() <= bounds_max);

std::span<const double> bounds_of(Buckets buckets) {
  switch (buckets) {
    case Buckets::disk_seconds:
      return disk_bounds_seconds;
    case Buckets::request_seconds:
      return request_bounds_seconds;
  }
  ASPEN_UNREACHABLE();
}

}  // namespace

class PrometheusTelemetry::Cell {
 public:
  virtual ~Cell() = default;
  virtual void collect(::prometheus::ClientMetric& metric) const = 0;
};

class PrometheusTelemetry::CounterCell final : public Cell, public Counter {
 public:
  void add(double amount) noexcept override {
    ASPEN_ASSERT(amount >= 0);
    value_.fetch_add(amount, std::memory_order_relaxed);
  }
  void collect(::prometheus::ClientMetric& metric) const override {
    metric.counter.value = value_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<double> value_ = 0;
};

class PrometheusTelemetry::GaugeCell final : public Cell, public Gauge {
 public:
  void set(double value) noexcept override { value_.store(value, std::memory_order_relaxed); }
  void collect(::prometheus::ClientMetric& metric) const override {
    metric.gauge.value = value_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<double> value_ = 0;
};

class PrometheusTelemetry::HistogramCell final : public Cell, public Histogram {
 public:
  explicit HistogramCell(Buckets buckets) : bounds_(bounds_of(buckets)) {}

  [[nodiscard]] bool has(Buckets buckets) const {
    return bounds_.data() == bounds_of(buckets).data();
  }

  void observe(double value) noexcept override {
    std::size_t bucket = 0;
    while (bucket < bounds_.size() && value > bounds_[bucket]) ++bucket;
    counts_[bucket].fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(value, std::memory_order_relaxed);
  }

  void collect(::prometheus::ClientMetric& metric) const override {
    std::uint64_t cumulative = 0;
    for (std::size_t i = 0; i < bounds_.size(); ++i) {
      cumulative += counts_[i].load(std::memory_order_relaxed);
      metric.histogram.bucket.push_back({cumulative, bounds_[i]});
    }
    cumulative += counts_[bounds_.size()].load(std::memory_order_relaxed);
    metric.histogram.sample_count = cumulative;
    metric.histogram.sample_sum = sum_.load(std::memory_order_relaxed);
  }

 private:
  std::span<const double> bounds_;
  std::array<std::atomic<std::uint64_t>, bounds_max + 1> counts_{};
  std::atomic<double> sum_ = 0;
};

struct PrometheusTelemetry::Family {
  Kind kind;
  std::string help;
  std::map<Labels, std::unique_ptr<Cell>> cells;
};

PrometheusTelemetry::PrometheusTelemetry() = default;
PrometheusTelemetry::~PrometheusTelemetry() = default;

template <class T, class... Arguments>
T& PrometheusTelemetry::cell(const MetricSpec& spec, Kind kind, Arguments... arguments) {
  const std::lock_guard lock(mutex_);
  Family& family = families_.try_emplace(spec.name, Family{kind, spec.help, {}}).first->second;
  ASPEN_ASSERT(family.kind == kind);
  std::unique_ptr<Cell>& slot = family.cells[spec.labels];
  if (slot == nullptr) {
    ASPEN_ASSERT(series_ < limits::metric_series_max);
    ++series_;
    slot = std::make_unique<T>(arguments...);
  }
  // The family's kind says which class the cell has.
  return static_cast<T&>(*slot);
}

Counter& PrometheusTelemetry::counter(const MetricSpec& spec) {
  return cell<CounterCell>(spec, Kind::counter);
}

Gauge& PrometheusTelemetry::gauge(const MetricSpec& spec) {
  return cell<GaugeCell>(spec, Kind::gauge);
}

Histogram& PrometheusTelemetry::histogram(const MetricSpec& spec, Buckets buckets) {
  auto& found = cell<HistogramCell>(spec, Kind::histogram, buckets);
  ASPEN_ASSERT(found.has(buckets));
  return found;
}

std::string PrometheusTelemetry::serialize() const {
  std::vector<::prometheus::MetricFamily> families;
  {
    const std::lock_guard lock(mutex_);
    families.reserve(families_.size() + process_metrics_count);
    for (const auto& [name, family] : families_) {
      const auto type = family.kind == Kind::counter ? ::prometheus::MetricType::Counter
                        : family.kind == Kind::gauge ? ::prometheus::MetricType::Gauge
                                                     : ::prometheus::MetricType::Histogram;
      auto& out = families.emplace_back(::prometheus::MetricFamily{name, family.help, type, {}});
      for (const auto& [labels, cell] : family.cells) {
        auto& metric = out.metric.emplace_back();
        for (const auto& [label, value] : labels) metric.label.push_back({label, value});
        cell->collect(metric);
      }
    }
  }
  append_process_metrics(families);
  std::ostringstream out;
  ::prometheus::TextSerializer().Serialize(out, families);
  return std::move(out).str();
}

}  // namespace aspen::adapter
