// SPDX-License-Identifier: Apache-2.0
#include "transport/rdma/connection.h"

#include "core/trace.h"
#include "nvmf/target.h"
#include "transport/ip/address.h"
#include "transport/rdma/transport.h"

#include <algorithm>
#include <utility>

namespace causeway::rdma {

using namespace std::chrono_literals;

namespace {

core::log::flag flag("rdma");

// How often a sender repeats when the receiver has no receive posted, and after a lost packet: 7 is "for ever" and
// "most".
constexpr std::uint8_t retries = 7;
// Two requests for each command must have indexes of 16 bits.
constexpr std::uint32_t max_depth = 32768;
// What a host waits before it sends again to an empty receive queue: 0.64 ms. The default, 655 ms, looks like an
// outage.
constexpr std::uint8_t min_rnr_timer = 12;
// A queue pair in error gives all its work back within microseconds. One whose device is gone may never.
constexpr auto drain_limit = std::chrono::seconds(3);

}  // namespace

connection::connection(rdma_transport& transport, device& on, rdma_cm_id* id, std::shared_ptr<const nvmf::port> port,
                       nvmf::transport_address local, const connect_request& asked)
    : common::connection<connection, qpair>(transport.target(), flag, asked.qid), transport_(transport), device_(on),
      id_(id), port_(std::move(port)), local_(std::move(local)), peer_(ip::address_of("RDMA", *rdma_get_peer_addr(id))),
      asked_(asked) {
    id_->context = static_cast<cm_owner*>(this);
    ++device_.connections;
}

connection::~connection() {
    --device_.connections;
}

core::task<> connection::accept() {
    using enum nvme::rdma_cm_status;
    nvmf::target& target = transport_.target();
    const nvmf::transport_options& options = transport_.options();
    const device_limits& device = device_.limits();

    const std::uint32_t most = std::min(max_depth, asked_.qid == 0 ? options.max_aq_depth : options.max_queue_depth);
    limits_.send_requests = std::min<std::uint32_t>(2u * std::min<std::uint32_t>(most, asked_.depth) + max_descriptors,
                                                    device.send_requests);
    limits_.depth = static_cast<std::uint16_t>(
        std::min<std::uint32_t>({most, asked_.depth, device.send_requests - 1, device.receives}));
    limits_.reads = std::min<std::uint32_t>({asked_.reads, device.reads, limits_.depth});
    if (cancelled_ || device_.lost() || limits_.send_requests <= max_descriptors) {
        co_await refuse(no_resources);
        co_return;
    }

    core::result<> built = co_await settle();
    registered_memory responses;
    auto make = [&] { return build(responses); };
    if (built && cancelled_)
        built = core::fail(ECANCELED, "the host has gone");
    if (built)
        built = co_await core::run_blocking(target.group(), make);
    if (!built) {
        static core::log::limiter limit;
        if (!cancelled_)
            core::log::peer_warning(limit, "rdma: {}: rejecting the connection: {}", peer_.text(),
                                    built.error().text());
        co_await refuse(no_resources);
        co_return;
    }

    co_await core::switch_to(lease_.home());
    qpair_ = std::make_unique<qpair>(*group_, *receives_, *permit_, id_->qp, asked_.qid, limits_, std::move(responses),
                                     local_, peer_, on_closed_by_qpair());
    qpair_->port = port_;
    group_->join(*qpair_);
    if (evicting_)
        group_->stats().evicting.add();
    co_await core::switch_to(control());

    auto accept = [this] { return accept_connection(); };
    auto accepted = co_await core::run_blocking(target.group(), accept);
    if (!accepted)
        core::log::warning("rdma: {}: {}", peer_.text(), accepted.error().text());
    if (!accepted)
        close(nvmf::disconnect_reason::transport_error);
    become_live();
}

/// Finds a core that has room. If none has, connections that have not sent Connect make room one by one: a host sends
/// it within milliseconds, and devices that cannot enlarge a completion queue have room for a few hundred queue pairs.
core::task<core::result<>> connection::settle() {
    // Others that settle now would take the room that is made for this one.
    const auto lock = co_await device_.settling().lock();
    const std::uint64_t host = ip::host_key(*rdma_get_peer_addr(id_));
    core::result<> settled = co_await find_core();
    while (!settled && !cancelled_ && !device_.lost() && device_.quota().is_within_share(peer_.traddr, limits_.depth)) {
        const bool more_room = co_await device_.make_room_for(host);
        if (!more_room)
            break;
        evicting_ = true;
        settled = co_await find_core();
    }
    if (settled)
        hold(device_.limiter().admit(host).permit);
    co_return settled;
}

/// The core where the queue pair should live, or else the next one that has room.
core::task<core::result<>> connection::find_core() {
    nvmf::target& target = transport_.target();
    receive_quota& quota = device_.quota();
    if (!quota.allows(peer_.traddr, limits_.depth))
        co_return core::fail(EDQUOT,
                             "its address already has its share of the receives; raise the transport's max_srq_depth");
    std::vector<bool> tried(target.group().size());
    core::result<> settled =
        core::fail(ENOSPC, "no core has enough receives for it; raise the transport's max_srq_depth");
    const auto has_room = [&](const core::reactor& r) {
        return !tried[r.index()] && quota.has_room(r.index(), limits_.depth);
    };
    while (!cancelled_ && !device_.lost()) {
        core::core_lease candidate = target.assign_core(asked_.qid, has_room);
        if (!candidate)
            break;
        const std::size_t index = candidate.home().index();
        tried[index] = true;
        quota.take(index, peer_.traddr, limits_.depth);
        const core::result<poll_group*> group = co_await device_.group_on(candidate.home());
        core::result<receive_pool*> admitted = core::fail(ENODEV, "the device is gone", device_.name());
        if (group) {
            co_await core::switch_to(candidate.home());
            admitted = co_await (*group)->admit(limits_);
            co_await core::switch_to(control());
        } else {
            admitted = tl::make_unexpected(group.error());
        }
        if (admitted) {
            lease_ = std::move(candidate);
            group_ = *group;
            receives_ = *admitted;
            co_return core::result<>{};
        }
        settled = tl::make_unexpected(admitted.error());
        quota.release(index, peer_.traddr, limits_.depth);
    }
    co_return settled;
}

/// Blocks.
core::result<> connection::build(registered_memory& responses) {
    ibv_qp_init_attr attributes{};
    attributes.qp_context = this;
    attributes.send_cq = attributes.recv_cq = group_->cq();
    attributes.srq = receives_->srq();
    attributes.qp_type = IBV_QPT_RC;
    attributes.cap.max_send_wr = limits_.send_requests;
    attributes.cap.max_send_sge = 1;
    attributes.cap.max_inline_data = sizeof(nvme::completion);
    if (rdma_create_qp(id_, device_.pd(), &attributes) != 0) {
        attributes.cap.max_inline_data = 0;
        if (rdma_create_qp(id_, device_.pd(), &attributes) != 0)
            return verbs_error(errno, "cannot create a queue pair", device_.context());
    }
    limits_.inline_response = attributes.cap.max_inline_data >= sizeof(nvme::completion);
    if (limits_.inline_response)
        return {};
    auto memory = registered_memory::allocate(device_.pd(), qpair::responses_size(limits_.depth));
    if (!memory)
        return tl::make_unexpected(memory.error());  // refuse() destroys the queue pair
    responses = std::move(*memory);
    return {};
}

/// Blocks.
core::result<> connection::accept_connection() {
    if (std::uint8_t timeout = static_cast<std::uint8_t>(transport_.options().ack_timeout))
        rdma_set_option(id_, RDMA_OPTION_ID, RDMA_OPTION_ID_ACK_TIMEOUT, &timeout, sizeof timeout);

    nvme::rdma_cm_accept answer{};
    answer.recfmt = std::uint16_t{0};
    answer.crqsize = limits_.depth;
    rdma_conn_param p{};
    p.private_data = &answer;
    p.private_data_len = sizeof answer;
    p.responder_resources = 0;  // hosts do not read from us
    p.initiator_depth = static_cast<std::uint8_t>(std::min<std::uint32_t>(limits_.reads, 255));
    p.retry_count = retries;
    p.rnr_retry_count = retries;
    if (rdma_accept(id_, &p) != 0)
        return verbs_error(errno, "cannot accept", device_.context());

    ibv_qp_attr attributes{};
    attributes.min_rnr_timer = min_rnr_timer;
    ibv_modify_qp(id_->qp, &attributes, IBV_QP_MIN_RNR_TIMER);
    return {};
}

/// Ends with the connection gone.
core::task<> connection::refuse(nvme::rdma_cm_status why) {
    nvme::rdma_cm_reject answer{};
    answer.recfmt = std::uint16_t{0};
    answer.status = nvme::to_underlying(why);
    auto reject = [&] {
        if (id_->qp)
            rdma_destroy_qp(id_);
        rdma_reject(id_, &answer, sizeof answer);
        rdma_destroy_id(id_);
    };
    state_ = state::closing;
    co_await core::run_blocking(transport_.target().group(), reject);
    if (receives_) {
        co_await core::switch_to(lease_.home());
        group_->cancel(*receives_, limits_);
        co_await core::switch_to(control());
        permit_.reset();
        release_receives(limits_.depth);
    }
    device_hold_.release();
    transport_.remove(*this);
}

bool connection::peer_is_gone() const noexcept {
    return peer_gone_.load(std::memory_order_relaxed) || why_ == nvmf::disconnect_reason::transport_error;
}

core::task<> connection::end_link() {
    core::reactor_group& group = target_.group();
    qpair_->stop_sending();

    auto to_error = [this] {
        rdma_disconnect(id_);
        ibv_qp_attr attributes{};
        attributes.qp_state = IBV_QPS_ERR;
        ibv_modify_qp(id_->qp, &attributes, IBV_QP_STATE);
    };
    co_await core::run_blocking(group, to_error);
    co_await drain();
    // Destroying a queue pair drops its unpolled completions (mlx5 does), and the receives in them are lost: a core
    // with much to do may not have come to them yet.
    group_->take_completions();
    auto destroy_qp = [this] { rdma_destroy_qp(id_); };
    co_await core::run_blocking(group, destroy_qp);
    group_->leave(*qpair_);
    qpair_->abandon_posted();
    auto release = [this] {
        qpair_->release_verbs();
        rdma_destroy_id(id_);
    };
    co_await core::run_blocking(group, release);
    held_ = qpair_->release_unused();
}

void connection::on_link_ended() {
    release_receives(limits_.depth - held_);
    device_hold_.release();
}

void connection::on_gone() {
    if (held_)
        release_receives(held_);
    transport_.remove(*this);
}

void connection::release_receives(std::uint32_t n) {
    device_.quota().release(lease_.home().index(), peer_.traddr, n);
    device_.on_room_released();
}

/// On the home reactor: until the device is done with the queue pair, or there is no hope of it.
core::task<> connection::drain() {
    const bool last_wqe_event = device_.limits().last_wqe_event;
    co_await qpair_->progress().wait_for(drain_limit, [&] {
        return qpair_->drained() && (!last_wqe_event || last_receive_seen_.load(std::memory_order_acquire));
    });
    if (!qpair_->drained())
        core::log::warning("rdma: {}: the device has not completed all work requests", peer_.text());
}

/// What tear_down() waits for there may have come.
void connection::wake_home() {
    if (state_ != state::closing || !lease_)
        return;
    const auto wake = [this] {
        if (qpair_)
            qpair_->progress().notify_all();
    };
    // On another reactor it runs before the end of tear_down(), which goes there once more after the last event. On
    // this one tear_down() does not leave any more, and a message could come after its end.
    if (&lease_.home() == core::reactor::current())
        wake();
    else
        lease_.home().execute(wake);
}

void connection::on_event(const cm_event& e) {
    switch (e.type) {
    case RDMA_CM_EVENT_ESTABLISHED:
    case RDMA_CM_EVENT_TIMEWAIT_EXIT: break;
    case RDMA_CM_EVENT_DEVICE_REMOVAL: transport_.lose(device_); break;
    case RDMA_CM_EVENT_DISCONNECTED:
        peer_gone_.store(true, std::memory_order_relaxed);
        wake_home();
        close(nvmf::disconnect_reason::host_asked);
        break;
    default:
        CAUSEWAY_TRACE(flag, "{} queue {}: {}", peer_.text(), asked_.qid, rdma_event_str(e.type));
        close(nvmf::disconnect_reason::transport_error);
        break;
    }
}

void connection::on_event(ibv_event_type e) {
    if (e == IBV_EVENT_QP_LAST_WQE_REACHED) {
        last_receive_seen_.store(true, std::memory_order_release);
        wake_home();
        return;
    }
    if (e == IBV_EVENT_COMM_EST) {  // a capsule has overtaken the host's last word to the connection manager
        if (state_ == state::live)
            rdma_notify(id_, e);
        return;
    }
    CAUSEWAY_TRACE(flag, "{} queue {}: {}", peer_.text(), asked_.qid, ibv_event_type_str(e));
    close(nvmf::disconnect_reason::transport_error);
}

}  // namespace causeway::rdma
