// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/listeners.h"

#include "core/log.h"
#include "nvmf/model/controller.h"
#include "nvmf/model/discovery.h"
#include "nvmf/model/subsystem.h"
#include "nvmf/model/target_state.h"

#include <algorithm>

namespace causeway::nvmf {

listeners::list::const_iterator listeners::find(const transport_address& at) const noexcept {
    return std::find_if(all_.begin(), all_.end(), [&](const auto& l) { return l->at == at; });
}

core::task<core::result<>> listeners::add(transport_address at, listen_options options, nvme::ana_state initial) {
    const auto keep = subsystem_.shared_from_this();
    target_state& shared = subsystem_.target();
    if (subsystem_.closing())
        co_return core::fail(ENODEV, "the subsystem is being deleted", subsystem_.nqn());
    transport* const fabric = shared.transports.find(at.trtype);
    if (!fabric)
        co_return core::fail(ENODEV, "there is no such transport: create it first, with nvmf_create_transport",
                             at.trtype);
    auto normal = fabric->normalized(std::move(at));
    if (!normal)
        co_return tl::make_unexpected(std::move(normal.error()));
    at = std::move(*normal);
    if (find(at) != all_.end())
        co_return core::fail(EEXIST, "the subsystem already has this listener", at.text());
    if (!subsystem_.ana().reported() && initial != nvme::ana_state::optimized)
        co_return core::fail(EINVAL, "the subsystem was made without ana_reporting: every path is optimized",
                             at.text());
    // In the list before it listens: hosts that come with the first packet find it.
    const auto added = std::make_shared<listener>(listener{at, options, {}, subsystem_.ana().make_states(initial)});
    all_.push_back(added);
    if (added->ana)
        co_await subsystem_.ana().settle();  // before the first of them comes
    auto listening = co_await shared.ports.lease(*fabric, at, options, added->port);
    if (!listening) {
        std::erase(all_, added);
        co_return listening;
    }
    if (std::find(all_.begin(), all_.end(), added) == all_.end()) {
        added->port = {};
        co_await shared.ports.close_unused(*fabric);
        co_return core::fail(ENODEV, "the listener or its subsystem was removed meanwhile", at.text());
    }
    core::log::info("{}: listens at {}{}", subsystem_.nqn(), at.text(), options.secure_channel ? ", secured" : "");
    shared.discovery_log->changed(subsystem_);
    co_return core::result<>();
}

core::task<core::result<>> listeners::remove(transport_address at) {
    const auto keep = subsystem_.shared_from_this();
    target_state& shared = subsystem_.target();
    const auto found = find_listener(std::move(at));
    if (!found)
        co_return tl::make_unexpected(found.error());
    const auto it = *found;
    transport* const fabric = shared.transports.find((*it)->at.trtype);
    const std::shared_ptr<const port> left = (*it)->port.shared();
    // Its lease goes with it, or, where add() is still at work, when that has seen it gone.
    all_.erase(it);
    shared.discovery_log->changed(subsystem_);
    co_await shared.ports.close_unused(*fabric);
    controllers& connected = subsystem_.controllers();
    auto ending = connected.where([&](const controller& c) { return left && c.came_by(*left); });
    co_await connected.end(std::move(ending), disconnect_reason::listener_removed);
    co_return core::result<>();
}

core::task<> listeners::remove_all() {
    const auto keep = subsystem_.shared_from_this();
    target_state& shared = subsystem_.target();
    all_.clear();
    for (std::size_t i = 0; i < shared.transports.all().size(); ++i)
        co_await shared.ports.close_unused(*shared.transports.all()[i]);
}

bool listeners::admit(const port* p) const noexcept {
    return subsystem_.is_discovery() || of(p);
}

const listener* listeners::of(const port* p) const noexcept {
    const auto it = std::find_if(all_.begin(), all_.end(), [&](const auto& l) { return p && l->port.get() == p; });
    return it == all_.end() ? nullptr : it->get();
}

core::result<listeners::list::const_iterator> listeners::find_listener(transport_address at) const {
    transport* const fabric = subsystem_.target().transports.find(at.trtype);
    if (!fabric)
        return core::fail(ENOENT, "the subsystem has no such listener", at.text());
    auto normal = fabric->normalized(std::move(at));
    if (!normal)
        return tl::make_unexpected(std::move(normal.error()));
    const auto it = find(*normal);
    if (it == all_.end())
        return core::fail(ENOENT, "the subsystem has no such listener", normal->text());
    return it;
}

}  // namespace causeway::nvmf
