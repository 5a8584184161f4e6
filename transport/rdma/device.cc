// SPDX-License-Identifier: Apache-2.0
#include "transport/rdma/device.h"

#include "core/log_event.h"
#include "nvmf/target.h"
#include "transport/rdma/counters.h"

#include <fcntl.h>
#include <sys/epoll.h>

namespace causeway::rdma {

core::result<std::unique_ptr<device>> device::open(ibv_context* context, nvmf::target& target,
                                                   const transport_options& options, events handlers) {
    ibv_device_attr attributes{};
    if (const int rc = ibv_query_device(context, &attributes); rc != 0)
        return verbs_error(rc, "cannot query the device", context);
    pd_ptr pd(ibv_alloc_pd(context));
    if (!pd)
        return verbs_error(errno, "cannot allocate a protection domain", context);
    if (::fcntl(context->async_fd, F_SETFL, ::fcntl(context->async_fd, F_GETFL) | O_NONBLOCK) < 0)
        return verbs_error(errno, "cannot make its event descriptor non-blocking", context);
    const device_limits limits = limits_of(attributes, ibv_get_device_name(context->device), options);
    return std::unique_ptr<device>(new device(context, std::move(pd), limits, target, options, std::move(handlers)));
}

device::device(ibv_context* context, pd_ptr pd, const device_limits& limits, nvmf::target& target,
               const transport_options& options, events handlers)
    : context_(context), name_(ibv_get_device_name(context->device)), pd_(std::move(pd)), limits_(limits),
      quota_(target.group().size(), limits.receives_per_core), target_(target), options_(options),
      handlers_(std::move(handlers)),
      groups_(
          target.group(),
          [this](core::reactor& home) { return poll_group::create(home, target_, pd_.get(), limits_, options_); },
          [this](const poll_group& made) {
              counted_groups_.attach(poll_group_table, made.home().index(), made.stats());
              counted_receives_.attach(receive_table, made.home().index(), made.receive_stats());
          }) {
    register_counters();
    watch_.emplace(target.group().control(), context->async_fd, EPOLLIN, [this](std::uint32_t) { take_events(); });
    core::log::notice("rdma: {}: {} receives per core, {} RDMA READs per connection{}", name_,
                      limits_.receives_per_core, limits_.reads,
                      limits_.send_with_invalidate ? ", send with invalidate" : "");
}

device::~device() = default;

/// The instance before it, if there was one, has been lost and is not listed any more.
void device::register_counters() {
    const core::labels labels{{"transport", "RDMA"}, {"device", name_}};
    if (auto listed = target_.counter_list().add({poll_group_table, labels, target_.group().size()}))
        counted_groups_ = std::move(*listed);
    if (auto listed = target_.counter_list().add({receive_table, labels, target_.group().size()}))
        counted_receives_ = std::move(*listed);
}

void device::mark_lost() noexcept {
    lost_ = true;
    groups_.close();
    counted_groups_ = {};
    counted_receives_ = {};
}

core::task<bool> device::make_room_for(std::uint64_t host) {
    const std::uint64_t before = rooms_released_;
    if (!limiter_.evict_for(host))
        co_return false;
    static core::log::limiter limit;
    core::log::peer_report(limit, core::log::event::pending_connection_evicted, {{"device", name_}},
                           "rdma: {}: no room for a new connection: closing one that has not sent Connect", name_);
    co_await room_released_.wait([this, before] { return rooms_released_ != before; });
    co_return true;
}

void device::on_room_released() {
    ++rooms_released_;
    room_released_.notify_all();
}

core::task<> device::release_verbs() {
    watch_.reset();
    co_await groups_.stop();
    pd_.reset();
}

void device::take_events() noexcept {
    ibv_async_event e;
    while (watch_ && ibv_get_async_event(context_, &e) == 0) {
        handle(e);
        ibv_ack_async_event(&e);
    }
}

void device::handle(const ibv_async_event& e) {
    static core::log::limiter limit;
    switch (e.event_type) {
    case IBV_EVENT_QP_FATAL:
    case IBV_EVENT_QP_REQ_ERR:
    case IBV_EVENT_QP_ACCESS_ERR:
    case IBV_EVENT_PATH_MIG_ERR:
    case IBV_EVENT_QP_LAST_WQE_REACHED:
    case IBV_EVENT_COMM_EST: handlers_.queue_pair(e.element.qp->qp_context, e.event_type); break;
    case IBV_EVENT_SQ_DRAINED:
    case IBV_EVENT_PATH_MIG:
    case IBV_EVENT_SRQ_LIMIT_REACHED: break;
    case IBV_EVENT_CQ_ERR:
    case IBV_EVENT_SRQ_ERR:
    case IBV_EVENT_DEVICE_FATAL:
        core::log::error("rdma: {}: {}", name_, ibv_event_type_str(e.event_type));
        handlers_.fatal(*this);
        break;
    default: core::log::peer_warning(limit, "rdma: {}: {}", name_, ibv_event_type_str(e.event_type)); break;
    }
}

}  // namespace causeway::rdma
