// SPDX-License-Identifier: Apache-2.0
// What happens when a device or an address goes away, and when it comes back.

#include "core/log.h"
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
    core::log::error("rdma: {}: device lost, closing {} connections", d.name(), d.connections);
    for (const auto& c : connections_)
        if (&c->on() == &d)
            c->close(nvmf::disconnect_reason::transport_error);
    ++background_;
    // The device itself has just said that it failed: it may not go before it returns from that.
    core::detach_deferred(tear_down_device(d));
}

core::task<> rdma_transport::tear_down_device(device& d) {
    auto lock = co_await listening_.lock();
    for (const auto& l : listeners_) {
        if (l->verbs() != d.context())
            continue;
        co_await l->close();
        l->waiting = true;
    }
    lock.unlock();
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
    core::log::warning("rdma: {}: {}", which.at().text(),
                       with_device ? "its device is being removed" : "its address has changed");
    which.waiting = true;
    ++background_;
    core::detach(reopen_listeners());
}

void rdma_transport::reopen_soon() {
    const bool wanted = std::any_of(listeners_.begin(), listeners_.end(), [](const auto& l) { return l->waiting; });
    if (wanted && !stopping_)
        reopen_timer_.arm_after(reopen_period);
}

core::task<> rdma_transport::reopen_listeners() {
    auto lock = co_await listening_.lock();
    for (std::size_t i = 0; i < listeners_.size() && !stopping_; ++i) {
        listener& l = *listeners_[i];
        if (!l.waiting)
            continue;
        co_await l.close();
        auto opened = co_await l.open();
        if (opened) {
            l.waiting = false;
            core::log::notice("rdma: listening at {} again", l.at().text());
        }
    }
    lock.unlock();
    reopen_soon();
    background_ended();
}

void rdma_transport::remove_lost_devices() {
    std::erase_if(devices_, [](const auto& d) { return d->released && d->connections == 0; });
}

}  // namespace causeway::rdma
