// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/access.h"

#include "nvme/nqn.h"
#include "nvmf/model/controller.h"
#include "nvmf/model/discovery.h"
#include "nvmf/model/subsystem.h"
#include "nvmf/model/target_state.h"

#include <utility>

namespace causeway::nvmf {

bool access::allows(std::string_view host_nqn) const noexcept {
    return allow_any_host_ || hosts_.contains(std::string(host_nqn));
}

bool access::has_key(std::string_view host_nqn) const noexcept {
    const auto it = hosts_.find(std::string(host_nqn));
    return it != hosts_.end() && it->second;
}

core::result<> access::add_host(std::string host_nqn, std::shared_ptr<const key> psk) {
    if (!nvme::usable_host_nqn(host_nqn))
        return core::fail(EINVAL, "a host NQN is 1 to 223 bytes of printable UTF-8", host_nqn);
    if (hosts_.contains(host_nqn))
        return core::fail(EEXIST, "the host is already allowed", host_nqn);
    target_state& shared = subsystem_.target();
    if (psk)
        if (auto admitted = shared.transports.add_host_key(subsystem_.nqn(), host_nqn, *psk); !admitted)
            return admitted;
    // Hosts that have connected under this NQN until now had no key to prove.
    const auto impostors = subsystem_.controllers().where([&](const controller& c) {
        return psk && c.host_nqn() == host_nqn && c.proved_identity() != host_identity::proven;
    });
    const auto added = hosts_.emplace(std::move(host_nqn), std::move(psk)).first;
    for (const auto& c : impostors)
        c->end(disconnect_reason::host_removed);
    if (!allow_any_host_)
        shared.discovery_log->changed(subsystem_, added->first);
    return {};
}

core::task<core::result<>> access::remove_host(std::string host_nqn) {
    const auto keep = subsystem_.shared_from_this();
    target_state& shared = subsystem_.target();
    const auto host = hosts_.find(host_nqn);
    if (host == hosts_.end())
        co_return core::fail(ENOENT, "the host is not an allowed host", host_nqn);
    if (host->second)
        shared.transports.remove_host_key(subsystem_.nqn(), host_nqn);
    hosts_.erase(host);
    if (!allow_any_host_) {
        shared.discovery_log->changed(subsystem_, host_nqn);
        controllers& connected = subsystem_.controllers();
        auto ending = connected.where([&](const controller& c) { return c.host_nqn() == host_nqn; });
        co_await connected.end(std::move(ending), disconnect_reason::host_removed);
    }
    co_return core::result<>();
}

void access::remove_all_hosts() {
    for (const auto& [host_nqn, psk] : std::exchange(hosts_, {}))
        if (psk)
            subsystem_.target().transports.remove_host_key(subsystem_.nqn(), host_nqn);
}

core::task<> access::set_allow_any_host(bool allow) {
    const auto keep = subsystem_.shared_from_this();
    if (std::exchange(allow_any_host_, allow) == allow)
        co_return;
    subsystem_.target().discovery_log->changed_for_unlisted(subsystem_);
    controllers& connected = subsystem_.controllers();
    auto ending = connected.where([&](const controller& c) { return !allows(c.host_nqn()); });
    co_await connected.end(std::move(ending), disconnect_reason::host_removed);
}

}  // namespace causeway::nvmf
