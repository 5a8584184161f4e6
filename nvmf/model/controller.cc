// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/controller.h"

#include "core/log_event.h"
#include "core/notification_log.h"
#include "nvme/discovery.h"
#include "nvmf/core_counters.h"
#include "nvmf/model/queue_authentication.h"
#include "nvmf/model/subsystem.h"
#include "nvmf/model/target_state.h"
#include "nvmf/target_side.h"

#include <algorithm>

namespace causeway::nvmf {

namespace {

using namespace std::chrono_literals;

core::log::limiter keep_alive_limiter;

constexpr std::uint8_t ready_timeout = 30;  ///< CAP.TO, of 500 ms: a slow device may hold a reset up, see settle()

/// Without any command while there is no Keep Alive Timer, a host is gone. Twice what it may wait for CSTS.
constexpr std::chrono::milliseconds inactive_timeout = 2 * ready_timeout * 500ms;

}  // namespace

controller::controller(std::shared_ptr<nvmf::subsystem> s, transport& fabric, core::reactor& admin_queue, identity id)
    : subsystem_(std::move(s)), fabric_(fabric), id_(std::move(id)),
      host_number_lease_(subsystem_->target().host_numbers.of(id_.host_nqn)), host_number_(*host_number_lease_),
      is_discovery_(subsystem_->is_discovery()), trtype_(nvme::to_underlying(fabric.type())),
      born_(subsystem_->target().group.time().now()), properties_(is_discovery_),
      keep_alive_(subsystem_->target().group.control(), admin_queue) {}

controller::~controller() = default;

std::vector<controller::qpair_view> controller::qpairs() const {
    std::vector<qpair_view> all;
    for (const queue& q : queues_) {
        qpair_view v{q.qid, q.phase, q.qpair->home().index(), q.local, q.peer, {}, false};
        if (q.auth) {
            const auth_exchange& e = q.auth->exchange;
            v.authentication = authentication_view{e.current(), e.digest(), e.dhgroup()};
            v.waits_for_authentication = q.auth->is_required() && !e.has_succeeded();
        }
        all.push_back(std::move(v));
    }
    return all;
}

// ---- Queues.

void controller::attach(queue q) {
    if (q.qid != 0)
        ++io_queues_;
    queues_.push_back(std::move(q));
    std::sort(queues_.begin(), queues_.end(), [](const queue& a, const queue& b) { return a.qid < b.qid; });
}

const controller::queue* controller::find_queue(std::uint16_t qid) const noexcept {
    const auto it = std::find_if(queues_.begin(), queues_.end(), [&](const queue& q) { return q.qid == qid; });
    return it == queues_.end() ? nullptr : &*it;
}

bool controller::came_by(const port& p) const noexcept {
    return std::any_of(queues_.begin(), queues_.end(), [&](const queue& q) { return q.by.get() == &p; });
}

controller::queue* controller::find_queue(const nvmf::qpair& q) noexcept {
    const auto it = std::find_if(queues_.begin(), queues_.end(), [&](const queue& e) { return e.qpair == &q; });
    return it == queues_.end() ? nullptr : &*it;
}

void controller::remove(qpair& q) {
    const auto it = queues_.begin() + (find_queue(q) - queues_.data());
    const std::uint16_t qid = it->qid;
    if (it->auth)
        it->auth->end();
    queues_.erase(it);
    queue_removed_.notify_all();
    if (qid == 0)
        end(disconnect_reason::host_asked);
}

core::task<bool> controller::lacks_queue(std::uint16_t qid, core::nanoseconds limit) {
    co_return co_await queue_removed_.wait_for(limit, [this, qid] { return !find_queue(qid); });
}

core::task<> controller::without_queues() {
    co_await queue_removed_.wait([this] { return queues_.empty(); });
}

void controller::drained(std::uint16_t qid, const qpair::io_counts& counts) {
    past_.read_commands += counts.read_commands.get();
    past_.write_commands += counts.write_commands.get();
    past_.read_units += counts.read_units.get();
    past_.write_units += counts.write_units.get();
    if (qid != 0) {
        --io_queues_;
        settle();
    }
}

controller::totals controller::io_totals() const noexcept {
    totals t = past_;
    for (const queue& q : queues_) {
        const qpair_io_counts& counts = side_of(*q.qpair).counts;
        t.read_commands += counts.read_commands.get();
        t.write_commands += counts.write_commands.get();
        t.read_units += counts.read_units.get();
        t.write_units += counts.write_units.get();
    }
    return t;
}

std::uint64_t controller::age_hours() const noexcept {
    const core::clock& time = subsystem_->target().group.time();
    return static_cast<std::uint64_t>(time.to_nanoseconds(time.now() - born_) / std::chrono::hours(1));
}

// ---- Authentication.

void controller::require_authentication(const nvmf::qpair& q) {
    queue& e = *find_queue(q);
    e.auth = std::make_shared<queue_authentication>(*this, *e.qpair, e.qid, e.peer, true);
}

std::shared_ptr<queue_authentication> controller::authentication_of(const nvmf::qpair& q) {
    queue* const e = find_queue(q);
    if (!e)
        return nullptr;
    // A host that was given a key after it has connected may prove it.
    if (!e->auth && subsystem_->access().has_dhchap_key(host_nqn()))
        e->auth = std::make_shared<queue_authentication>(*this, *e->qpair, e->qid, e->peer, false);
    return e->auth;
}

void controller::close_unauthenticated(const nvmf::qpair& q) {
    queue* const e = find_queue(q);
    if (!e)
        return;
    e->qpair->home().execute([qpair = e->qpair] { side_of(*qpair).counters->failed_authentications.add(); });
    close(*e, disconnect_reason::authentication_failed);
}

/// The message reaches the queue pair before its transport can destroy it: see target::detach().
void controller::close(queue& q, disconnect_reason why) {
    q.phase = qpair::state::disconnecting;
    nvmf::qpair* const qpair = q.qpair;
    qpair->home().execute([qpair, why] { qpair->disconnect(why); });
}

void controller::close_io_queues(disconnect_reason why) {
    for (queue& q : queues_)
        if (q.qid != 0)
            close(q, why);
}

void controller::end(disconnect_reason why) {
    if (std::exchange(ended_, true))
        return;
    core::log::info("{}: controller {:#06x} of {} ends: {}", subsystem_->nqn(), cntlid(), host_nqn(), to_string(why));
    properties_.end();
    keep_alive_.stop();
    events_.end();
    discovery_.reset();
    for (queue& q : queues_)
        close(q, why);
    subsystem_->controllers().remove(*this);
}

// ---- Properties: CC and what follows from it.

nvme::cap controller::cap() const noexcept {
    return nvme::cap()
        .set_mqes(static_cast<std::uint16_t>(fabric_.options().max_queue_depth - 1))
        .set_cqr(true)
        .set_to(ready_timeout)
        .set_css(nvme::cap::css_nvm)
        .set_crwms(true);
}

void controller::set_cc(nvme::cc value) {
    switch (properties_.write_cc(value)) {
    case controller_properties::consequence::none: break;
    case controller_properties::consequence::reset:
        lose_state();
        close_io_queues(disconnect_reason::controller_reset);
        break;
    case controller_properties::consequence::shutdown: close_io_queues(disconnect_reason::controller_shutdown); break;
    }
    settle();
}

/// For a Controller Level Reset. The admin queue stays, and so does what Connect has set.
void controller::lose_state() {
    events_.end();
    events_.configure(0);
    features_ = {};
    changed_namespaces_.clear();
    reservation_notices_.reset();
}

void controller::settle() {
    if (io_queues_ == 0)
        properties_.settle();
    follow_keep_alive();
}

// ---- Keep alive.

void controller::set_kato(std::uint32_t kato_ms) {
    const std::uint64_t step = std::max<std::uint64_t>(fabric_.options().kas, 1) * 100;
    const std::uint64_t least = std::max(kato_ms, fabric_.options().min_kato_ms);
    const std::uint64_t rounded = (least + step - 1) / step * step;
    kato_ms_ = kato_ms ? static_cast<std::uint32_t>(std::min<std::uint64_t>(rounded, ~0u / step * step)) : 0;
    start_keep_alive();
}

/// The Keep Alive Timer is active while CC.EN and CSTS.RDY are set and no shutdown has begun, and begins anew each time
/// that it becomes active (Base 2.0, "Keep Alive").
void controller::follow_keep_alive() {
    const bool active = properties_.is_active();
    if (std::exchange(keep_alive_active_, active) != active && !ended_)
        start_keep_alive();
}

void controller::start_keep_alive() {
    const std::chrono::milliseconds kato(kato_ms_);
    constexpr auto discovery_activity_timeout = 120s;  // the specification's own figure
    if (!keep_alive_active_)
        keep_alive_.start(*this, std::max(kato, inactive_timeout), true);
    else if (kato_ms_ == 0 && is_discovery_)
        keep_alive_.start(*this, discovery_activity_timeout, true);
    else
        keep_alive_.start(*this, kato, false);
}

void controller::on_keep_alive_timeout() {
    if (ended_)
        return;
    properties_.set_fatal();
    if (!is_discovery_) {
        const auto kato_ms = std::chrono::duration_cast<std::chrono::milliseconds>(keep_alive_.timeout()).count();
        core::notifications().add(core::notification_type::host_keepalive_timeout,
                                  fmt::format("{}_{}_{}", host_nqn(), subsystem_->nqn(), kato_ms));
    }
    core::log::peer_report(keep_alive_limiter, core::log::event::keep_alive_timeout,
                           {{"subsystem", subsystem_->nqn()}, {"host", host_nqn()}, {"cntlid", cntlid()}},
                           "{}: keep alive timeout of {} (controller {:#06x}) after {} s: disconnecting it",
                           subsystem_->nqn(), host_nqn(), cntlid(),
                           std::chrono::duration_cast<std::chrono::seconds>(keep_alive_.timeout()).count());
    end(disconnect_reason::keep_alive_timeout);
}

// ---- What is reported to the host.

bool controller::notify_discovery_change() {
    if (!discovery_ || !discovery_->take_change())
        return false;
    events_.raise(async_events::discovery_log);
    return true;
}

void controller::namespace_changed(std::uint32_t nsid) {
    changed_namespaces_.add(nsid);
    events_.raise(async_events::namespace_attribute);
}

void controller::reservation_changed(const nvm_namespace& ns, nvme::reservation_notice what) {
    if (reservation_notices_.add(ns.nsid(), ns.generation(), what))
        events_.raise(async_events::reservation_log);
}

void controller::log_page_read(nvme::lid page) {
    if (page == nvme::lid::reservation_notification)
        reservation_notices_.pop();
    if (page == nvme::lid::changed_namespace_list)
        changed_namespaces_.clear();
    events_.page_read(page);
}

}  // namespace causeway::nvmf
