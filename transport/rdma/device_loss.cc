// SPDX-License-Identifier: Apache-2.0
// What happens when a device or an address goes away, and when it comes back.

#include "core/log_event.h"
#include "nvmf/target.h"
#include "transport/rdma/transport.h"

#include <algorithm>

namespace causeway::rdma {

namespace {

constexpr auto reopen_period = std::chrono::seconds(1);

}  // namespace

void rdma_transport::lose(device& d) {
    if (d.lost())
        return;
    d.mark_lost();
    core::log::report(core::log::event::rdma_device_lost, {{"device", d.name()}, {"connections", d.connections}},
                      "rdma: {}: device lost, closing {} connections", d.name(), d.connections);
    connections_.close_if(nvmf::disconnect_reason::transport_error, [&](const connection& c) { return &c.on() == &d; });
    ++background_;
    // The device itself has just said that it failed: it may not go before it returns from that.
    core::detach_deferred(tear_down_device(d));
}

core::task<> rdma_transport::tear_down_device(device& d) {
    co_await listeners_.visit([&d](listener& l) -> core::task<> {
        if (l.verbs() == d.context()) {
            co_await l.close();
            l.waiting = true;
        }
    });
    co_await d.without_queue_pairs();
    co_await d.release_verbs();
    core::log::notice("rdma: {}: released", d.name());
    d.released = true;
    reopen_soon();
    background_ended();
    remove_lost_devices();
}

void rdma_transport::listener_lost(listener& which, bool with_device) {
    if (with_device)
        if (device* const d = live_device(which.verbs()))
            return lose(*d);
    core::log::report(core::log::event::rdma_address_lost, {{"address", which.at().text()}}, "rdma: {}: {}",
                      which.at().text(), with_device ? "its device is being removed" : "its address has changed");
    which.waiting = true;
    ++background_;
    core::detach(reopen_listeners());
}

void rdma_transport::reopen_soon() {
    if (!listeners_.stopping() && listeners_.any_of([](const listener& l) { return l.waiting; }))
        reopen_timer_.arm_after(reopen_period);
}

core::task<> rdma_transport::reopen_listeners() {
    co_await listeners_.visit([this](listener& l) -> core::task<> {
        if (!l.waiting || listeners_.stopping())
            co_return;
        co_await l.close();
        auto opened = co_await l.open();
        if (opened) {
            l.waiting = false;
            core::log::notice("rdma: listening at {} again", l.at().text());
        }
    });
    reopen_soon();
    background_ended();
}

void rdma_transport::remove_lost_devices() {
    std::erase_if(devices_, [](const auto& d) { return d->released && d->connections == 0; });
}

}  // namespace causeway::rdma
