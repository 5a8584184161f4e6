// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/async_events.h"

#include "nvmf/complete.h"
#include "nvmf/target_side.h"

#include <utility>

namespace causeway::nvmf {

namespace {

struct description {
    std::uint32_t configuration_bits;  ///< 0: a host cannot disable it
    nvme::async_event_type type;
    std::uint8_t information;
    nvme::lid page;
};

constexpr description descriptions[] = {
    {nvme::async_config_namespace_attribute, nvme::async_event_type::notice,
     nvme::to_underlying(nvme::notice_event::namespace_attribute_changed), nvme::lid::changed_namespace_list},
    {nvme::async_config_ana_change, nvme::async_event_type::notice, nvme::to_underlying(nvme::notice_event::ana_change),
     nvme::lid::ana},
    {nvme::async_config_discovery_log_change, nvme::async_event_type::notice,
     nvme::to_underlying(nvme::notice_event::discovery_log_change), nvme::lid::discovery},
    {nvme::async_config_smart_mask, nvme::async_event_type::smart, 0, nvme::lid::smart},
    {0, nvme::async_event_type::io_command_set,
     nvme::to_underlying(nvme::io_command_set_event::reservation_log_available), nvme::lid::reservation_notification},
};
static_assert(std::size(descriptions) == async_events::kinds);

bool is_enabled(const description& d, std::uint32_t configuration) noexcept {
    return d.configuration_bits == 0 || (configuration & d.configuration_bits) != 0;
}

/// One event reports several warnings: it says the worst, the page says the others.
nvme::smart_event worst_of(std::uint8_t warnings) noexcept {
    if (warnings & ~(nvme::critical_warning_spare | nvme::critical_warning_temperature))
        return nvme::smart_event::subsystem_reliability;
    return warnings & nvme::critical_warning_spare ? nvme::smart_event::spare_below_threshold
                                                   : nvme::smart_event::temperature_threshold;
}

}  // namespace

bool async_events::wait(request& r) {
    if (waiting_ == limit)
        return false;
    ++waiting_;
    request** last = &oldest_;
    while (*last)
        last = &side_of(**last).next;
    side_of(r).next = nullptr;
    *last = &r;
    report();
    return true;
}

void async_events::configure(std::uint32_t enabled) noexcept {
    enabled_ = enabled;
    reported_warnings_ = static_cast<std::uint8_t>(reported_warnings_ & enabled);  // what is listened to anew is news
    pending_warnings_ = static_cast<std::uint8_t>(pending_warnings_ & enabled);
    for (unsigned k = 0; k < kinds; ++k) {
        const bool wanted = k == health ? pending_warnings_ != 0 : is_enabled(descriptions[k], enabled);
        if (states_[k] == state::pending && !wanted)
            states_[k] = state::armed;
    }
}

void async_events::raise(kind k) {
    if (is_enabled(descriptions[k], enabled_))
        announce(k);
}

void async_events::warn(std::uint8_t critical_warnings) {
    reported_warnings_ &= critical_warnings;
    const auto fresh = static_cast<std::uint8_t>(critical_warnings & enabled_ & ~reported_warnings_);
    if (!fresh)
        return;
    reported_warnings_ |= fresh;
    pending_warnings_ |= fresh;
    announce(health);
}

void async_events::announce(kind k) {
    if (states_[k] != state::armed)
        return;
    states_[k] = state::pending;
    report();
}

std::uint32_t async_events::dw0_of(kind k) const noexcept {
    const description& d = descriptions[k];
    const std::uint8_t information = k == health ? nvme::to_underlying(worst_of(pending_warnings_)) : d.information;
    return nvme::async_event_dw0(d.type, information, nvme::to_underlying(d.page));
}

void async_events::report() {
    for (unsigned k = 0; k < kinds && oldest_; ++k) {
        if (states_[k] != state::pending)
            continue;
        states_[k] = state::reported;
        request& r = *std::exchange(oldest_, side_of(*oldest_).next);
        --waiting_;
        r.completion.dw0 = dw0_of(static_cast<kind>(k));
        finish_on_home_core(r, {});
    }
}

void async_events::page_read(nvme::lid page) noexcept {
    for (unsigned k = 0; k < kinds; ++k)
        if (descriptions[k].page == page)
            states_[k] = state::armed;
    if (page == nvme::lid::smart)
        pending_warnings_ = 0;
}

bool async_events::abort(std::uint16_t cid) noexcept {
    for (request** at = &oldest_; *at; at = &side_of(**at).next) {
        request& r = **at;
        if (r.command.cid != cid)
            continue;
        *at = side_of(r).next;
        --waiting_;
        finish_on_home_core(r, nvme::sc::aborted_by_request);
        return true;
    }
    return false;
}

void async_events::end() noexcept {
    while (oldest_) {
        request& r = *std::exchange(oldest_, side_of(*oldest_).next);
        finish_on_home_core(r, nvme::sc::aborted_sq_deletion);
    }
    waiting_ = 0;
    states_ = {};
    reported_warnings_ = pending_warnings_ = 0;
}

}  // namespace causeway::nvmf
