// SPDX-License-Identifier: Apache-2.0
#include "rpc/listener_mirrors.h"

#include "core/log.h"
#include "core/reactor.h"
#include "nvmf/model/subsystem.h"

#include <algorithm>

namespace causeway::rpc {

namespace {

constexpr core::nanoseconds shortest_delay = std::chrono::seconds(1);
constexpr core::nanoseconds longest_delay = std::chrono::seconds(60);

/// As the transport spells it; as it is, where that cannot be.
nvmf::transport_address normalized(const nvmf::target& target, nvmf::transport_address at) {
    if (const auto* fabric = target.find_transport(at.trtype))
        if (auto normal = fabric->normalized(at))
            return std::move(*normal);
    return at;
}

/// nullptr: not there.
std::shared_ptr<nvmf::listener> find_listener(const nvmf::target& target, const std::string& nqn,
                                              const nvmf::transport_address& at) {
    const nvmf::subsystem* s = target.find_subsystem(nqn);
    if (!s)
        return nullptr;
    const auto found = s->listeners().find_listener(at);
    return found ? **found : nullptr;
}

bool all_are_equal(const nvmf::ana_states& states) {
    for (std::uint32_t group = 2; group <= states.groups(); ++group)
        if (states.state(group) != states.state(1))
            return false;
    return true;
}

/// Nothing leads out of `persistent_loss`.
bool can_become(const nvmf::listener& copy, const nvmf::listener& source) {
    if (!copy.ana || !source.ana)
        return true;
    for (std::uint32_t group = 1; group <= std::min(copy.ana->groups(), source.ana->groups()); ++group)
        if (copy.ana->state(group) == nvme::ana_state::persistent_loss &&
            source.ana->state(group) != nvme::ana_state::persistent_loss)
            return false;
    return true;
}

}  // namespace

std::vector<listener_mirrors::mirror>::iterator listener_mirrors::find(const std::string& nqn,
                                                                       const nvmf::transport_address& of) {
    return std::ranges::find_if(all_, [&](const mirror& m) { return m.nqn == nqn && m.of == of; });
}

std::vector<listener_mirrors::mirror>::iterator listener_mirrors::find(std::uint64_t number) {
    return std::ranges::find(all_, number, &mirror::number);
}

nvmf::transport_address listener_mirrors::place_beside(const nvmf::target& target, nvmf::transport_address tcp) const {
    tcp.trtype = "RDMA";
    if (!port_->empty())
        tcp.trsvcid = *port_;
    return normalized(target, std::move(tcp));
}

/// Another TCP listener that has the same mirror, and whose ANA states that can take on; nullptr: none.
std::shared_ptr<nvmf::listener> listener_mirrors::find_heir(const nvmf::target& target, const mirror& m) const {
    const nvmf::subsystem* const s = target.find_subsystem(m.nqn);
    const auto beside = find_listener(target, m.nqn, m.at);
    if (!s || !beside)
        return nullptr;
    for (const auto& other : s->listeners().all())
        if (other->at.trtype == "TCP" && other->at != m.of && !other->options.secure_channel &&
            place_beside(target, other->at) == m.at && can_become(*beside, *other))
            return other;
    return nullptr;
}

bool listener_mirrors::listens(const std::string& nqn, const nvmf::transport_address& at) const {
    return std::ranges::any_of(all_, [&](const mirror& m) { return m.nqn == nqn && m.at == at && m.listens; });
}

const nvmf::transport_address* listener_mirrors::mirrored_by(const std::string& nqn,
                                                             const nvmf::transport_address& at) const {
    const auto it = std::ranges::find_if(all_, [&](const mirror& m) { return m.nqn == nqn && m.at == at; });
    return it == all_.end() ? nullptr : &it->of;
}

bool listener_mirrors::adopt(const std::string& nqn, const nvmf::transport_address& at) {
    return std::erase_if(all_, [&](const mirror& m) { return m.nqn == nqn && m.at == at; }) > 0;
}

void listener_mirrors::subsystem_deleted(const std::string& nqn) {
    std::erase_if(all_, [&](const mirror& m) { return m.nqn == nqn; });
    std::erase_if(missing_, [&](const missing_mirror& m) { return m.nqn == nqn; });
}

core::task<> listener_mirrors::added(nvmf::target& target, std::string nqn, nvmf::transport_address at) {
    if (!port_ || at.trtype != "TCP")
        co_return;
    const auto tcp = find_listener(target, nqn, at);
    if (!tcp)
        co_return;
    if (tcp->options.secure_channel) {
        core::log::notice("{}: {} has no RDMA listener beside it: it is for hosts with TLS, which RDMA does not have",
                          nqn, tcp->at.text());
        co_return;
    }
    const nvmf::transport_address beside = place_beside(target, tcp->at);
    if (find_listener(target, nqn, beside)) {  // the operator's own, or another TCP listener's
        std::erase(missing_, missing_mirror{nqn, tcp->at});
        co_return;
    }
    // In the list before it is there: nobody may save it as if it were an operator's.
    const std::uint64_t number = ++last_number_;
    all_.push_back({number, nqn, beside, tcp->at});
    // Nothing is served by it before it has the states of the TCP listener.
    const auto first = tcp->ana ? nvme::ana_state::inaccessible : nvme::ana_state::optimized;
    const auto listening = co_await target.find_subsystem(nqn)->listeners().add(beside, {}, first);
    const auto made = find(number);
    if (made == all_.end())  // removed meanwhile; what is at this address now is another one
        co_return;
    const nvmf::transport_address of = made->of;  // another TCP listener may have got it meanwhile
    if (!listening) {
        all_.erase(made);
        miss(target, {nqn, of}, listening.error());
        co_return;
    }
    if (std::erase(missing_, missing_mirror{nqn, of}) > 0)
        core::log::notice("{}: {} has its RDMA listener beside it now", nqn, of.text());
    co_await copy_ana_states(target, nqn, of, beside);
    if (const auto it = find(number); it != all_.end())
        it->listens = true;
}

core::task<> listener_mirrors::removed(nvmf::target& target, std::string nqn, nvmf::transport_address at) {
    at = normalized(target, std::move(at));
    const bool was_missing = std::erase(missing_, missing_mirror{nqn, at}) > 0;
    const auto it = find(nqn, at);
    if (it == all_.end() && !was_missing)
        co_return;
    if (it != all_.end()) {
        const nvmf::transport_address beside = it->at;
        if (const auto heir = find_heir(target, *it)) {
            it->of = heir->at;
            co_await copy_ana_states(target, nqn, heir->at, beside);
            co_return;
        }
        all_.erase(it);
        if (nvmf::subsystem* s = target.find_subsystem(nqn)) {
            const auto gone = co_await s->listeners().remove(beside);
            if (!gone)
                core::log::warning("{}: {}", nqn, gone.error().text());
        }
    }
    // Another TCP listener may want the same one beside it.
    const nvmf::subsystem* const s = target.find_subsystem(nqn);
    const auto others = s ? s->listeners().all() : nvmf::listeners::list();
    for (const auto& other : others)
        if (other->at != at && !other->options.secure_channel)
            co_await added(target, nqn, other->at);
}

/// Only the first failure of each is logged.
void listener_mirrors::miss(nvmf::target& target, missing_mirror which, const core::error& why) {
    if (std::ranges::find(missing_, which) == missing_.end()) {
        core::log::warning("{}: {} has no RDMA listener beside it, and serves hosts over TCP alone: {}; it is tried "
                           "again, at least every {} s",
                           which.nqn, which.of.text(), why.text(),
                           std::chrono::duration_cast<std::chrono::seconds>(longest_delay).count());
        missing_.push_back(std::move(which));
        delay_ = shortest_delay;
        retry_.reset();
    }
    if (tasks_.is_closed() || (retry_ && retry_->armed()))
        return;
    if (!retry_)
        retry_.emplace(*core::reactor::current(), [this, &target] {
            delay_ = std::min(2 * delay_, longest_delay);
            core::detach(complete(target));
        });
    retry_->arm_after(delay_);
}

core::task<> listener_mirrors::complete(nvmf::target& target) {
    const auto hold = tasks_.hold();
    if (!hold)
        co_return;
    const auto tried = missing_;
    for (const auto& m : tried) {
        if (find_listener(target, m.nqn, m.of))
            co_await added(target, m.nqn, m.of);
        else
            std::erase(missing_, m);
    }
}

core::task<> listener_mirrors::stop() {
    retry_.reset();
    co_await tasks_.close();
}

core::task<> listener_mirrors::ana_state_set(nvmf::target& target, std::string nqn, nvmf::transport_address at,
                                             nvme::ana_state state, std::uint32_t group) {
    const auto it = find(nqn, normalized(target, std::move(at)));
    nvmf::subsystem* const s = target.find_subsystem(nqn);
    if (it == all_.end() || !s)
        co_return;
    const nvmf::transport_address beside = it->at;
    const auto set = co_await s->ana().set_state(beside, state, group);
    if (!set)
        core::log::warning("{}: cannot set the ANA state of {}, too: {}", nqn, beside.text(), set.error().text());
}

core::task<> listener_mirrors::copy_ana_states(nvmf::target& target, std::string nqn, nvmf::transport_address from,
                                               nvmf::transport_address to) {
    if (const auto source = find_listener(target, nqn, from); source && source->ana && all_are_equal(*source->ana))
        co_await ana_state_set(target, nqn, from, source->ana->state(1), 0);
    for (std::uint32_t group = 1;; ++group) {
        // Whatever is held over a wait may have gone.
        const auto source = find_listener(target, nqn, from);
        const auto copy = find_listener(target, nqn, to);
        if (!source || !copy || !source->ana || !copy->ana || group > source->ana->groups())
            co_return;
        const nvme::ana_state state = source->ana->state(group);
        if (copy->ana->state(group) != state)
            co_await ana_state_set(target, nqn, from, state, group);
    }
}

}  // namespace causeway::rpc
