// SPDX-License-Identifier: Apache-2.0
#include "rpc/listener_mirrors.h"

#include "core/log.h"
#include "nvmf/model/subsystem.h"

#include <algorithm>

namespace causeway::rpc {

namespace {

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

}  // namespace

std::vector<listener_mirrors::mirror>::iterator listener_mirrors::find(const std::string& nqn,
                                                                       const nvmf::transport_address& of) {
    return std::ranges::find_if(all_, [&](const mirror& m) { return m.nqn == nqn && m.of == of; });
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
    nvmf::transport_address beside = tcp->at;
    beside.trtype = "RDMA";
    if (!port_->empty())
        beside.trsvcid = *port_;
    beside = normalized(target, std::move(beside));
    if (find_listener(target, nqn, beside))  // the operator's own, or another TCP listener's
        co_return;
    // In the list before it is there: nobody may save it as if it were an operator's.
    all_.push_back({nqn, beside, tcp->at});
    // Nothing is served by it before it has the states of the TCP listener.
    const auto first = tcp->ana ? nvme::ana_state::inaccessible : nvme::ana_state::optimized;
    const auto listening = co_await target.find_subsystem(nqn)->listeners().add(beside, {}, first);
    if (!listening) {
        adopt(nqn, beside);
        core::log::warning("{}: {} has no RDMA listener beside it, and serves hosts over TCP alone: {}", nqn,
                           tcp->at.text(), listening.error().text());
        co_return;
    }
    if (find_listener(target, nqn, tcp->at) == tcp)
        co_await copy_ana_states(target, nqn, tcp->at, beside);
    else  // removed meanwhile
        co_await removed(target, nqn, tcp->at);
}

core::task<> listener_mirrors::removed(nvmf::target& target, std::string nqn, nvmf::transport_address at) {
    const auto it = find(nqn, normalized(target, std::move(at)));
    if (it == all_.end())
        co_return;
    const nvmf::transport_address beside = it->at;
    all_.erase(it);
    if (nvmf::subsystem* s = target.find_subsystem(nqn)) {
        const auto gone = co_await s->listeners().remove(beside);
        if (!gone)
            core::log::warning("{}: {}", nqn, gone.error().text());
    }
    // Another TCP listener may have the same one beside it.
    const nvmf::subsystem* const s = target.find_subsystem(nqn);
    const auto others = s ? s->listeners().all() : nvmf::listeners::list();
    for (const auto& other : others)
        co_await added(target, nqn, other->at);
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
