// SPDX-License-Identifier: Apache-2.0
#include "tests/rdma_host/report.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace causeway::rdma_host {

namespace {

constexpr struct {
    double percent;
    const char* name;
} percentiles[] = {{50, "p50"}, {99, "p99"}, {99.9, "p99.9"}, {99.99, "p99.99"}};

double per_second(std::uint64_t n, const outcome& o) {
    return o.seconds > 0 ? static_cast<double>(n) / o.seconds : 0;
}

double microseconds(double ns) {
    return ns / 1000;
}

std::string line_of(const char* name, const side& s, const outcome& o) {
    if (!s.commands)
        return {};
    std::string line = fmt::format("{:5}  {:9.0f} IOPS  {:8.1f} MB/s  mean {:.1f} us", name, per_second(s.commands, o),
                                   per_second(s.bytes, o) / 1e6, microseconds(s.nanoseconds.mean()));
    for (const auto& [percent, title] : percentiles)
        line += fmt::format("  {} {:.1f}", title, microseconds(static_cast<double>(s.nanoseconds.percentile(percent))));
    return line + "\n";
}

nlohmann::ordered_json json_of(const side& s, const outcome& o) {
    nlohmann::ordered_json latency{{"mean", microseconds(s.nanoseconds.mean())}};
    for (const auto& [percent, title] : percentiles)
        latency[title] = microseconds(static_cast<double>(s.nanoseconds.percentile(percent)));
    return {{"commands", s.commands}, {"bytes", s.bytes}, {"iops", per_second(s.commands, o)}, {"latency_us", latency}};
}

}  // namespace

std::string as_text(const outcome& o) {
    std::string text = line_of("read", o.read, o) + line_of("write", o.write, o);
    text += fmt::format("{} commands in {:.2f} s", o.read.commands + o.write.commands, o.seconds);
    if (o.verified_blocks)
        text += fmt::format("; {} blocks read were right", o.verified_blocks);
    if (o.reconnects)
        text += fmt::format("; connected again {} times, {} commands sent again", o.reconnects, o.redriven);
    if (o.resets)
        text += fmt::format("; {} resets", o.resets);
    if (o.retried)
        text += fmt::format("; {} retries", o.retried);
    return text + "\n";
}

std::string as_json(const outcome& o) {
    const nlohmann::ordered_json all{{"seconds", o.seconds},         {"read", json_of(o.read, o)},
                                     {"write", json_of(o.write, o)}, {"verified_blocks", o.verified_blocks},
                                     {"reconnects", o.reconnects},   {"resets", o.resets},
                                     {"redriven", o.redriven},       {"retried", o.retried}};
    return all.dump() + "\n";
}

}  // namespace causeway::rdma_host
