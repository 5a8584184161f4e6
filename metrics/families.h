// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/counter_registry.h"

#include <map>
#include <prometheus/metric_family.h>
#include <string>
#include <string_view>
#include <vector>

namespace causeway::metrics {

/// Samples, put together by the name of their metric.
class families {
  public:
    using type = prometheus::MetricType;

    /// One sample. Name, type and help of a metric are those of its first sample.
    void add(std::string_view name, type t, std::string_view help, const core::labels& labels, double value);
    void add_counter(std::string_view name, std::string_view help, const core::labels& labels, double value) {
        add(name, type::Counter, help, labels, value);
    }
    void add_gauge(std::string_view name, std::string_view help, const core::labels& labels, double value) {
        add(name, type::Gauge, help, labels, value);
    }
    /// What the list of counters has of one owner, all cores together. Ticks become seconds, in the name as well.
    void add_group(const core::counter_group& g, std::uint64_t ticks_per_second);
    /// The same, each core for itself, with a label "core".
    void add_group_by_core(const core::counter_group& g, std::uint64_t ticks_per_second);

    std::vector<prometheus::MetricFamily> take() && { return std::move(all_); }

  private:
    void add_cores(const core::counter_group& g, std::size_t first, std::size_t count, const core::labels& more,
                   std::uint64_t ticks_per_second);

    std::vector<prometheus::MetricFamily> all_;
    std::map<std::string, std::size_t, std::less<>> by_name_;
};

}  // namespace causeway::metrics
