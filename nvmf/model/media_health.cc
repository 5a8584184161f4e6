// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/media_health.h"

#include "nvmf/model/controller.h"
#include "nvmf/model/subsystem.h"

#include <algorithm>
#include <set>
#include <utility>

namespace causeway::nvmf {

namespace {

void add(nvme::le128& to, const nvme::le128& n) noexcept {
    const std::uint64_t low = to.low + n.low;
    const bool carry = low < n.low;
    to = {low, to.high + n.high + carry};
}

template <class Number>
void raise_to(Number& to, const Number& n) noexcept {
    if (n > to)
        to = n;
}
void raise_to(nvme::le128& to, const nvme::le128& n) noexcept {
    if (std::pair(n.high.value(), n.low.value()) > std::pair(to.high.value(), to.low.value()))
        to = n;
}

/// `first`: no medium before it has said how warm it is.
void add_temperature(bdev::health& all, const bdev::health& one, bool first) {
    if (one.composite_temperature == 0 || (!first && one.composite_temperature <= all.composite_temperature))
        return;
    all.composite_temperature = one.composite_temperature;
    std::ranges::copy(one.temperature_sensor, all.temperature_sensor);
    std::ranges::copy(one.thermal_transitions, all.thermal_transitions);
    std::ranges::copy(one.thermal_time, all.thermal_time);
}

void add_spare(bdev::health& all, const bdev::health& one) {
    if (std::pair(one.available_spare, all.available_spare_threshold) >=
        std::pair(all.available_spare, one.available_spare_threshold))
        return;  // there is more of it, or it may become less
    all.available_spare = one.available_spare;
    all.available_spare_threshold = one.available_spare_threshold;
}

}  // namespace

std::vector<const nvm_namespace*> namespaces_with_media(const namespaces& of) {
    std::vector<const nvm_namespace*> found;
    for (const auto& [nsid, ns] : of.all())
        if (ns->active() && ns->device().medium_health())
            found.push_back(ns.get());
    return found;
}

bdev::health media_health(const controller& seen_by) {
    return media_health(namespaces_with_media(seen_by.subsystem().namespaces()), seen_by);
}

bdev::health media_health(const std::vector<const nvm_namespace*>& of, const controller& seen_by) {
    constexpr std::uint16_t room_kelvin = 300;  // no sensor: an inconspicuous value
    bdev::health all{};
    all.composite_temperature = room_kelvin;
    all.available_spare = 100;
    bool any_temperature = false;
    std::set<const bdev::health*> seen;
    for (const nvm_namespace* ns : of) {
        const bdev::health* one = ns->device().medium_health();
        if (!visible(seen_by, *ns) || !seen.insert(one).second)
            continue;
        all.critical_warning |= one->critical_warning;
        add_temperature(all, *one, !any_temperature);
        any_temperature |= one->composite_temperature != 0;
        add_spare(all, *one);
        raise_to(all.percentage_used, one->percentage_used);
        raise_to(all.controller_busy_time, one->controller_busy_time);
        raise_to(all.power_cycles, one->power_cycles);
        raise_to(all.power_on_hours, one->power_on_hours);
        add(all.unsafe_shutdowns, one->unsafe_shutdowns);
        add(all.media_errors, one->media_errors);
        raise_to(all.warning_temperature_time, one->warning_temperature_time);
        raise_to(all.critical_temperature_time, one->critical_temperature_time);
    }
    all.critical_warning = seen_by.features().temperature.warnings(all);
    return all;
}

}  // namespace causeway::nvmf
