// SPDX-License-Identifier: Apache-2.0
// Subsystems: allowed hosts, listeners and controllers. Namespaces are in subsystem_namespaces.cc.

#include "nvmf/model/subsystem.h"

#include "core/log.h"
#include "nvme/nqn.h"
#include "nvmf/model/controller.h"
#include "nvmf/model/discovery.h"
#include "nvmf/model/environment.h"

#include <algorithm>

namespace causeway::nvmf {

subsystem::subsystem(nvmf::environment& shared, subsystem_options options)
    : environment_(shared), options_(std::move(options)), tables_(shared.group.size()),
      next_cntlid_(options_.min_cntlid) {}

subsystem::~subsystem() = default;

// ---- Listeners.

core::task<core::result<>> subsystem::add_listener(transport_address at, listen_options options) {
    const auto self = shared_from_this();
    if (closing_)
        co_return core::fail(ENODEV, "the subsystem is being deleted", nqn());
    transport* const fabric = environment_.transports.find(at.trtype);
    if (!fabric)
        co_return core::fail(ENODEV, "no such transport: create it first", at.trtype);
    auto normal = fabric->normalized(std::move(at));
    if (!normal)
        co_return tl::make_unexpected(std::move(normal.error()));
    at = std::move(*normal);
    if (std::any_of(listeners_.begin(), listeners_.end(), [&](const auto& l) { return l->at == at; }))
        co_return core::fail(EEXIST, "the subsystem already has this listener", at.text());
    // In the list before it listens: hosts that come with the first packet find it.
    const auto added = std::make_shared<listener>(listener{at, options});
    listeners_.push_back(added);
    auto listening = co_await environment_.ports.lease(*fabric, at, options, added->port);
    if (!listening) {
        std::erase(listeners_, added);
        co_return listening;
    }
    if (std::find(listeners_.begin(), listeners_.end(), added) == listeners_.end()) {
        added->port = {};
        co_await environment_.ports.close_unused(*fabric);
        co_return core::fail(ENODEV, "the listener or its subsystem was removed meanwhile", at.text());
    }
    core::log::info("{}: listens at {}{}", nqn(), at.text(), options.secure_channel ? ", secured" : "");
    environment_.discovery_log->changed(*this);
    co_return core::result<>();
}

core::task<core::result<>> subsystem::remove_listener(transport_address at) {
    const auto self = shared_from_this();
    transport* const fabric = environment_.transports.find(at.trtype);
    if (!fabric)
        co_return core::fail(ENOENT, "the subsystem has no such listener", at.text());
    auto normal = fabric->normalized(std::move(at));
    if (!normal)
        co_return tl::make_unexpected(std::move(normal.error()));
    at = std::move(*normal);
    const auto it = std::find_if(listeners_.begin(), listeners_.end(), [&](const auto& l) { return l->at == at; });
    if (it == listeners_.end())
        co_return core::fail(ENOENT, "the subsystem has no such listener", at.text());
    const std::shared_ptr<const port> left = (*it)->port.shared();
    // Its lease goes with it, or, where add_listener() is still at work, when that has seen it gone.
    listeners_.erase(it);
    environment_.discovery_log->changed(*this);
    co_await environment_.ports.close_unused(*fabric);
    co_await end_controllers([&](const controller& c) { return left && c.came_by(*left); },
                             disconnect_reason::listener_removed);
    co_return core::result<>();
}

bool subsystem::listens_on(const port* p) const noexcept {
    return is_discovery() ||
           (p && std::any_of(listeners_.begin(), listeners_.end(), [&](const auto& l) { return l->port.get() == p; }));
}

// ---- Hosts.

bool subsystem::allows(std::string_view host_nqn) const noexcept {
    return options_.allow_any_host || hosts_.contains(std::string(host_nqn));
}

bool subsystem::has_key(std::string_view host_nqn) const noexcept {
    const auto it = hosts_.find(std::string(host_nqn));
    return it != hosts_.end() && it->second;
}

core::result<> subsystem::add_host(std::string host_nqn, std::shared_ptr<const key> psk) {
    if (!nvme::usable_host_nqn(host_nqn))
        return core::fail(EINVAL, "a host NQN is 1 to 223 bytes of printable UTF-8", host_nqn);
    if (hosts_.contains(host_nqn))
        return core::fail(EEXIST, "the host is already allowed", host_nqn);
    if (psk)
        if (auto admitted = environment_.transports.add_host_key(nqn(), host_nqn, *psk); !admitted)
            return admitted;
    // Hosts that have connected under this NQN until now had no key to prove.
    std::vector<std::shared_ptr<controller>> impostors;
    for (const auto& [cntlid, c] : controllers_)
        if (psk && c->host_nqn() == host_nqn && c->proved_identity() != host_identity::proven)
            impostors.push_back(c);
    const auto added = hosts_.emplace(std::move(host_nqn), std::move(psk)).first;
    for (const auto& c : impostors)
        c->end(disconnect_reason::host_removed);
    if (!options_.allow_any_host)
        environment_.discovery_log->changed(*this, added->first);
    return {};
}

core::task<core::result<>> subsystem::remove_host(std::string host_nqn) {
    const auto self = shared_from_this();
    const auto host = hosts_.find(host_nqn);
    if (host == hosts_.end())
        co_return core::fail(ENOENT, "the host is not an allowed host", host_nqn);
    if (host->second)
        environment_.transports.remove_host_key(nqn(), host_nqn);
    hosts_.erase(host);
    if (!options_.allow_any_host) {
        environment_.discovery_log->changed(*this, host_nqn);
        co_await end_controllers([&](const controller& c) { return c.host_nqn() == host_nqn; },
                                 disconnect_reason::host_removed);
    }
    co_return core::result<>();
}

core::task<> subsystem::set_allow_any_host(bool allow) {
    const auto self = shared_from_this();
    if (std::exchange(options_.allow_any_host, allow) == allow)
        co_return;
    environment_.discovery_log->changed_for_unlisted(*this);
    co_await end_controllers([&](const controller& c) { return !allows(c.host_nqn()); },
                             disconnect_reason::host_removed);
}

// ---- Controllers.

std::shared_ptr<controller> subsystem::make_controller(transport& fabric, core::reactor& admin_queue,
                                                       std::string host_nqn,
                                                       const std::array<std::uint8_t, 16>& host_id,
                                                       host_identity proved) {
    // Round-robin, so that a cntlid is unused for as long as possible before it is assigned to another host.
    const std::uint32_t count = options_.max_cntlid - options_.min_cntlid + 1u;
    for (std::uint32_t tried = 0; tried < count; ++tried) {
        const std::uint16_t cntlid = next_cntlid_;
        next_cntlid_ = cntlid == options_.max_cntlid ? options_.min_cntlid : cntlid + 1;
        if (controllers_.contains(cntlid))
            continue;
        auto c = std::make_shared<controller>(shared_from_this(), fabric, admin_queue,
                                              controller::identity{cntlid, std::move(host_nqn), host_id, proved});
        controllers_.emplace(cntlid, c);
        return c;
    }
    return nullptr;
}

void subsystem::remove_controller(const controller& c) {
    const auto it = controllers_.find(c.cntlid());
    if (it != controllers_.end() && it->second.get() == &c)
        controllers_.erase(it);
}

template <class Which>
core::task<> subsystem::end_controllers(Which which, disconnect_reason why) {
    std::vector<std::shared_ptr<controller>> ending;
    for (const auto& [cntlid, c] : controllers_)
        if (which(*c))
            ending.push_back(c);
    for (const auto& c : ending)
        c->end(why);
    for (const auto& c : ending)
        co_await c->without_queues();
}

/// The end of a subsystem that the target does not list any more.
core::task<> subsystem::close(disconnect_reason why) {
    const auto self = shared_from_this();
    // Before anything is waited for: from then on another subsystem may have this name, with the same hosts and
    // listeners.
    closing_ = true;
    for (const auto& [host_nqn, psk] : std::exchange(hosts_, {}))
        if (psk)
            environment_.transports.remove_host_key(nqn(), host_nqn);
    listeners_.clear();
    for (std::size_t i = 0; i < environment_.transports.all().size(); ++i)
        co_await environment_.ports.close_unused(*environment_.transports.all()[i]);
    co_await end_controllers([](const controller&) { return true; }, why);
    std::vector<std::shared_ptr<nvm_namespace>> going;
    while (!namespaces_.empty())
        going.push_back(begin_removal(namespaces_.begin()->first));
    co_await wait_for_removals(std::move(going));
}

}  // namespace causeway::nvmf
