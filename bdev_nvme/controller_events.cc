// SPDX-License-Identifier: Apache-2.0
// Asynchronous events of a controller, and what is checked periodically: events, health, whether it is still there.

#include "bdev_nvme/controller.h"
#include "core/log_event.h"
#include "nvme/make_command.h"

namespace causeway::bdev_nvme {

using namespace std::chrono_literals;

namespace {

constexpr unsigned max_event_requests = 4;
// An event is asked for again after this: a controller with endless events does not keep the core busy.
constexpr auto event_pause = 10ms;
constexpr unsigned health_every_turns = 60;  // of the watch, which looks every second

constexpr std::uint8_t all_critical_warnings = nvme::critical_warning_spare | nvme::critical_warning_temperature |
                                               nvme::critical_warning_reliability | nvme::critical_warning_read_only |
                                               nvme::critical_warning_backup;

}  // namespace

core::task<> controller::request_events() {
    const std::uint32_t wanted = all_critical_warnings | (info_.oaes & nvme::async_config_namespace_attribute);
    const auto set = co_await admin_.run(nvme::make_set_features(nvme::fid::async_event_configuration, wanted));
    if (!set)
        core::log::warning("{}; it will not report events", set.error().text());
    listen(std::min(info_.event_requests, max_event_requests));
}

void controller::listen(unsigned requests) {
    admin_.listen(requests, [weak = weak_from_this()](std::uint32_t dw0) {
        if (const auto self = weak.lock())
            self->on_event(dw0);
    });
}

void controller::on_event(std::uint32_t dw0) {
    ++stats_.events;
    core::detach(handle_event(nvme::async_event_view{dw0}));
}

core::task<> controller::handle_event(nvme::async_event_view e) {
    const auto self = shared_from_this();
    const auto in_hand = events_in_progress_.hold();
    if (!in_hand)  // it is being closed
        co_return;
    switch (e.type()) {
    case nvme::async_event_type::smart: co_await read_health(); break;
    case nvme::async_event_type::notice:
        if (e.information() == nvme::to_underlying(nvme::notice_event::namespace_attribute_changed)) {
            nvme::changed_namespace_list changed;  // read, or the controller does not report the next one
            co_await read_page(nvme::make_get_log_page(nvme::lid::changed_namespace_list, sizeof changed), changed);
            if (co_await find_namespaces() && state_ == state::enabled && observer_)
                observer_->namespaces_changed(*this);
            break;
        }
        [[fallthrough]];
    default: {
        static core::log::limiter limiter;
        core::log::peer_warning(limiter, "{}: asynchronous event {:02x}h of type {}", address_, e.information(),
                                nvme::to_underlying(e.type()));
        nvme::error_information_entry first;
        if (e.type() == nvme::async_event_type::error)
            co_await read_page(nvme::make_get_log_page(nvme::lid::error_information, sizeof first), first);
        break;
    }
    }
    co_await core::sleep_for(event_pause);
    if (state_ == state::enabled)
        listen(1);
}

core::task<core::result<>> controller::read_health() {
    const auto self = shared_from_this();
    nvme::smart_log log{};
    auto read = co_await read_page(nvme::make_get_log_page(nvme::lid::smart, sizeof log), log);
    if (!read)
        co_return read;
    const std::uint8_t before = health_ ? health_->critical_warning : 0;
    health_ = log;
    if (log.critical_warning != before) {
        core::log::report(core::log::event::ssd_health_changed,
                          {{"controller", address_}, {"critical_warning", log.critical_warning}},
                          "{}: critical warning {:02x}h: temperature {} K, spare {} % of at least {} %, {} % used",
                          address_, log.critical_warning, log.composite_temperature.value(), log.available_spare,
                          log.available_spare_threshold, log.percentage_used);
        if (observer_)
            observer_->health_changed(*this);
    }
    co_return read;
}

/// Once a second. A controller that is gone, or has failed, does not say so otherwise while no command is with it.
void controller::watch() {
    if (state_ != state::enabled)
        return;
    const nvme::csts s = registers_.csts();
    if (s.value == all_ones)
        core::detach(lose());
    else if (s.cfs())
        schedule_reset("it reports a fatal status (CSTS.CFS)");
    else if (!s.rdy())
        schedule_reset("it is no longer ready");
    else if (!admin_.usable())
        schedule_reset("it does not complete admin commands");
    else if (++watch_turns_ % health_every_turns == 0)
        core::detach(read_health(), [](const core::result<>&) {});
}

}  // namespace causeway::bdev_nvme
