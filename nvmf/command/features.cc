// SPDX-License-Identifier: Apache-2.0
#include "nvmf/command/features.h"

#include "nvme/fabrics.h"
#include "nvmf/command/admin_commands.h"
#include "nvmf/model/controller.h"
#include "nvmf/model/media_health.h"
#include "nvmf/model/subsystem.h"

#include <bit>
#include <optional>

namespace causeway::nvmf {

namespace {

using nvme::fid;

constexpr unsigned at_nsid = offsetof(nvme::command, nsid);
constexpr unsigned at_fid = offsetof(nvme::command, cdw10);
constexpr unsigned at_select = offsetof(nvme::command, cdw10) + 1;
constexpr unsigned at_save = offsetof(nvme::command, cdw10) + 3;
constexpr unsigned at_value = offsetof(nvme::command, cdw11);

using setter = verdict (*)(controller&, request&);
using getter = std::uint32_t (*)(controller&);

/// A feature. What is absent from the table is refused, and absent from the effects log page.
struct feature {
    fid id;
    bool changeable;
    bool for_discovery;
    getter get;
    getter defaults;
    setter set;
    bool of_reservations = false;  ///< each namespace has its own: reservation_features.cc
};

std::uint32_t zero(controller&) {
    return 0;
}

/// A value that is stored and returned, and has no effect: `mask` says which of its bits exist.
template <std::uint32_t feature_values::*Word, std::uint32_t Mask>
verdict keep(controller& c, request& r) {
    c.features().*Word = r.command.cdw11 & Mask;
    return {};
}
template <std::uint32_t feature_values::*Word>
std::uint32_t kept(controller& c) {
    return c.features().*Word;
}

verdict set_power_management(controller&, request& r) {
    // There is one power state.
    return r.command.cdw11 & 0x1f ? wrong_field(at_value) : verdict();
}

verdict set_error_recovery(controller& c, request& r) {
    if (r.command.cdw11 & nvme::error_recovery_dulbe)  // no namespace reports deallocated blocks
        return wrong_field(at_value + 2);
    return keep<&feature_values::error_recovery, 0xffff>(c, r);
}

bool has_write_cache(controller& c) {
    return c.subsystem().namespaces().have_volatile_write_cache(c);
}
std::uint32_t write_cache(controller& c) {
    return has_write_cache(c) ? nvme::volatile_write_cache_enable : 0;
}
verdict set_write_cache(controller& c, request& r) {
    if (!has_write_cache(c))
        return wrong_field(at_fid);
    // What caches is behind the device, and not ours to turn off.
    if (!(r.command.cdw11 & nvme::volatile_write_cache_enable))
        return {nvme::sc::feature_not_changeable.with_dnr(), at_value};
    return {};
}

/// Of the host's media as they are now.
void warn(controller& c) {
    c.events().warn(media_health(c).critical_warning);
}

/// The threshold that a command is about. Nothing: it is reserved, or there is no such sensor.
struct temperature_threshold {
    unsigned sensor;
    temperature_thresholds::side side;
};
std::optional<temperature_threshold> threshold_of(controller& c, std::uint32_t value) {
    const unsigned sensor = nvme::bits<19, 16>(value), side = nvme::bits<21, 20>(value);
    if (side > 1 || !temperature_thresholds::is_there(sensor, media_health(c)))
        return std::nullopt;
    return temperature_threshold{sensor, static_cast<temperature_thresholds::side>(side)};
}

constexpr unsigned at_temperature_select = at_value + 2;
constexpr unsigned all_sensors = 0xf;  // in TMPSEL

verdict set_temperature_threshold(controller& c, request& r) {
    const std::uint32_t value = r.command.cdw11;
    const auto kelvin = static_cast<std::uint16_t>(nvme::bits<15, 0>(value));
    if (nvme::bits<19, 16>(value) == all_sensors && nvme::bits<21, 20>(value) <= 1) {
        for (unsigned sensor = 0; sensor < temperature_thresholds::sensors; ++sensor)
            c.features().temperature.set(sensor, static_cast<temperature_thresholds::side>(nvme::bits<21, 20>(value)),
                                         kelvin);
    } else if (const auto t = threshold_of(c, value)) {
        c.features().temperature.set(t->sensor, t->side, kelvin);
    } else {
        return wrong_field(at_temperature_select);
    }
    warn(c);
    return {};
}

/// Which one is asked for stands where Set Features has the value.
outcome get_temperature_threshold(controller& c, request& r, bool current) {
    const auto t = threshold_of(c, nvme::features_view{r.command}.value());
    if (!t)
        return wrong_field(at_temperature_select);
    const temperature_thresholds& all = current ? c.features().temperature : temperature_thresholds{};
    r.completion.dw0 = all.get(t->sensor, t->side);
    return verdict();
}

std::uint32_t queues(controller& c) {
    const std::uint32_t n = c.fabric().options().max_io_qpairs_per_ctrlr;
    return nvme::number_of_queues(n, n);
}
verdict set_queues(controller& c, request& r) {
    if (c.has_io_queues())  // which may be going right now
        return {nvme::sc::command_sequence_error, at_fid};
    const std::uint32_t asked = r.command.cdw11;
    if (nvme::bits<15, 0>(asked) == 0xffff)
        return wrong_field(at_value);
    if (nvme::bits<31, 16>(asked) == 0xffff)
        return wrong_field(at_value + 2);
    r.completion.dw0 = queues(c);  // whatever was asked for: a host takes what it wants of them
    return {};
}

constexpr std::uint32_t io_events = nvme::async_config_smart_mask | nvme::async_config_namespace_attribute;
constexpr std::uint32_t discovery_events = nvme::async_config_discovery_log_change;

verdict set_async_events(controller& c, request& r) {
    const std::uint32_t known =
        c.is_discovery() ? discovery_events : io_events | (c.ana() ? nvme::async_config_ana_change : 0);
    if (const std::uint32_t unknown = r.command.cdw11 & ~known) {
        const unsigned bit = static_cast<unsigned>(std::countr_zero(unknown));
        return wrong_field(at_value + bit / 8, bit % 8);
    }
    c.features().async_event_configuration = r.command.cdw11;
    c.events().configure(r.command.cdw11);
    if (!c.is_discovery())  // a host that enables warnings gets the current ones
        warn(c);
    return {};
}

std::uint32_t kato(controller& c) {
    return c.kato_ms();
}
verdict set_kato(controller& c, request& r) {
    // The fabric gives no other sign of a host that has died.
    if (r.command.cdw11 == 0 && !c.is_discovery())
        return {nvme::sc::keep_alive_invalid.with_dnr(), at_value};
    c.set_kato(r.command.cdw11);
    return {};
}

verdict set_host_behavior(controller& c, request& r) {
    nvme::host_behavior_support wanted;
    bdev::copy_out(reinterpret_cast<std::byte*>(&wanted), r.data(), sizeof wanted);
    if (wanted.acre > 1 || wanted.etdas > 1 || wanted.lbafee > 1)
        return nvme::sc::invalid_field.with_dnr();  // in the data, which the error log has no location for
    c.features().host_behavior = wanted;
    return {};
}

verdict set_host_identifier(controller&, request&) {
    // Over fabrics it is Connect's.
    return {nvme::sc::command_sequence_error.with_dnr(), at_fid};
}

template <std::uint32_t feature_values::*Word, std::uint32_t Mask>
constexpr feature word(fid id) {
    return {id, true, false, kept<Word>, zero, keep<Word, Mask>};
}

using v = feature_values;

constexpr feature features[] = {
    word<&v::arbitration, 0xffffff07>(fid::arbitration),
    {fid::power_management, true, false, zero, zero, set_power_management},
    {fid::temperature_threshold, true, false, zero, zero, set_temperature_threshold},  // see get_features()
    {fid::error_recovery, true, false, kept<&v::error_recovery>, zero, set_error_recovery},
    {fid::volatile_write_cache, false, false, write_cache, write_cache, set_write_cache},
    {fid::number_of_queues, true, false, queues, queues, set_queues},
    word<&v::write_atomicity, nvme::write_atomicity_disable_normal>(fid::write_atomicity),
    {fid::async_event_configuration, true, true, kept<&v::async_event_configuration>, zero, set_async_events},
    {fid::keep_alive_timer, true, true, kato, zero, set_kato},
    {fid::host_behavior_support, true, false, zero, zero, set_host_behavior},
    {fid::host_identifier, false, false, zero, zero, set_host_identifier},
    {fid::reservation_notification_mask, true, false, zero, zero, nullptr, true},
    {fid::reservation_persistence, true, false, zero, zero, nullptr, true},
};

const feature* find(const controller& c, fid id) noexcept {
    for (const feature& f : features)
        if (f.id == id)
            return !c.is_discovery() || f.for_discovery ? &f : nullptr;
    return nullptr;
}

bool names_a_namespace(const request& r) noexcept {
    return r.command.nsid != 0 && r.command.nsid != nvme::broadcast_nsid;
}

}  // namespace

verdict check_set_features(request& r) noexcept {
    if (nvme::features_view{r.command}.fid() == fid::host_behavior_support)
        r.length = sizeof(nvme::host_behavior_support);
    return {};
}

outcome set_features(controller& c, request& r) {
    const nvme::features_view command{r.command};
    const feature* f = find(c, command.fid());
    if (!f)
        return wrong_field(at_fid);
    if (command.save())
        return verdict(nvme::sc::feature_not_saveable.with_dnr(), at_save, 7);
    if (f->of_reservations)
        return set_reservation_feature(c, r);
    if (names_a_namespace(r))
        return verdict(nvme::sc::feature_not_namespace_specific.with_dnr(), at_nsid);
    return f->set(c, r);
}

verdict check_get_features(request& r) noexcept {
    const nvme::features_view command{r.command};
    if (command.select() > nvme::feature_select::capabilities)
        return wrong_field(at_select);
    if (command.select() == nvme::feature_select::capabilities)
        return {};
    if (command.fid() == fid::host_behavior_support)
        r.length = sizeof(nvme::host_behavior_support);
    if (command.fid() == fid::host_identifier)
        r.length = sizeof(nvme::connect_data::hostid);
    return {};
}

outcome get_features(controller& c, request& r) {
    const nvme::features_view command{r.command};
    const feature* f = find(c, command.fid());
    if (!f)
        return wrong_field(at_fid);
    using nvme::feature_select;
    const bool current = command.select() == feature_select::current;
    if (command.select() == feature_select::capabilities) {
        r.completion.dw0 = (f->changeable ? nvme::feature_changeable : 0) |
                           (f->of_reservations ? nvme::feature_namespace_specific : 0);
        return verdict();
    }
    if (f->id == fid::temperature_threshold)
        return get_temperature_threshold(c, r, current);
    if (f->of_reservations && current)
        return get_reservation_feature(c, r);
    if (f->id == fid::host_behavior_support)
        set_response_struct(r, current ? c.features().host_behavior : nvme::host_behavior_support{});
    if (f->id == fid::host_identifier) {
        if (!(command.value() & nvme::host_identifier_extended))
            return wrong_field(at_value);
        set_response_data(r, std::as_bytes(std::span(c.host_id())));
    }
    r.completion.dw0 = current ? f->get(c) : f->defaults(c);
    return verdict();
}

nvme::feature_effects_log feature_effects(bool discovery) noexcept {
    nvme::feature_effects_log log{};
    for (const feature& f : features)
        if (!discovery || f.for_discovery)
            log.feature[nvme::to_underlying(f.id)] =
                nvme::feature_effect_supported |
                (f.of_reservations ? nvme::feature_effect_scope_namespace : nvme::feature_effect_scope_controller);
    return log;
}

}  // namespace causeway::nvmf
