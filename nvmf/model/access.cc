// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/access.h"

#include "nvme/nqn.h"
#include "nvmf/model/controller.h"
#include "nvmf/model/discovery.h"
#include "nvmf/model/subsystem.h"
#include "nvmf/model/target_state.h"

#include <utility>

namespace causeway::nvmf {

namespace {

/// EINVAL: one of them is not a key, or there is the subsystem's without the host's.
core::result<> check_dhchap_keys(const key* dhchap, const key* dhchap_ctrlr) {
    if (dhchap_ctrlr && !dhchap)
        return core::fail(EINVAL, "a controller key needs a host key: give the host a dhchap_key too",
                          dhchap_ctrlr->name);
    for (const key* k : {dhchap, dhchap_ctrlr})
        if (k)
            if (const auto parsed = auth::parse_dhchap_key(k->text()); !parsed)
                return core::fail(EINVAL, parsed.error().text(), k->name);
    return {};
}

}  // namespace

bool access::allows(std::string_view host_nqn) const noexcept {
    return allow_any_host_ || hosts_.contains(host_nqn);
}

bool access::has_psk(std::string_view host_nqn) const noexcept {
    const auto it = hosts_.find(host_nqn);
    return it != hosts_.end() && it->second.psk;
}

bool access::has_dhchap_key(std::string_view host_nqn) const noexcept {
    const auto it = hosts_.find(host_nqn);
    return it != hosts_.end() && it->second.dhchap;
}

std::shared_ptr<const dhchap_keys> access::dhchap_keys_of(std::string_view host_nqn) const {
    const auto it = hosts_.find(host_nqn);
    if (it == hosts_.end() || !it->second.dhchap)
        return nullptr;
    auto keys = std::make_shared<dhchap_keys>(dhchap_keys{*auth::parse_dhchap_key(it->second.dhchap->text()), {}});
    if (const auto& ctrlr = it->second.dhchap_ctrlr)
        keys->ctrlr = *auth::parse_dhchap_key(ctrlr->text());
    return keys;
}

core::result<> access::add_host(std::string host_nqn, host_keys keys) {
    if (!nvme::usable_host_nqn(host_nqn))
        return core::fail(EINVAL, "a host NQN is 1 to 223 bytes of printable UTF-8", host_nqn);
    if (hosts_.contains(host_nqn))
        return core::fail(EEXIST, "the host is already allowed", host_nqn);
    if (auto good = check_dhchap_keys(keys.dhchap.get(), keys.dhchap_ctrlr.get()); !good)
        return good;
    target_state& shared = subsystem_.target();
    if (keys.psk)
        if (auto admitted = shared.transports.add_host_key(subsystem_.nqns(), host_nqn, *keys.psk); !admitted)
            return admitted;
    // Hosts that have connected under this NQN until now had no key to prove.
    const auto impostors = subsystem_.controllers().where([&](const controller& c) {
        const bool lacks_proof = keys.dhchap || (keys.psk && c.proved_identity() != host_identity::proven);
        return lacks_proof && c.host_nqn() == host_nqn;
    });
    const auto added = hosts_.emplace(std::move(host_nqn), std::move(keys)).first;
    for (const auto& c : impostors)
        c->end(disconnect_reason::host_removed);
    if (!allow_any_host_)
        shared.discovery_log->changed(subsystem_, added->first);
    return {};
}

core::result<> access::set_dhchap_keys(std::string_view host_nqn, std::shared_ptr<const key> dhchap,
                                       std::shared_ptr<const key> dhchap_ctrlr) {
    const auto host = hosts_.find(host_nqn);
    if (host == hosts_.end())
        return core::fail(ENOENT, "the host is not an allowed host", host_nqn);
    if (auto good = check_dhchap_keys(dhchap.get(), dhchap_ctrlr.get()); !good)
        return good;
    host->second.dhchap = std::move(dhchap);
    host->second.dhchap_ctrlr = std::move(dhchap_ctrlr);
    return {};
}

core::task<core::result<>> access::remove_host(std::string host_nqn) {
    const auto keep = subsystem_.shared_from_this();
    target_state& shared = subsystem_.target();
    const auto host = hosts_.find(host_nqn);
    if (host == hosts_.end())
        co_return core::fail(ENOENT, "the host is not an allowed host", host_nqn);
    if (host->second.psk)
        shared.transports.remove_host_key(subsystem_.nqns(), host_nqn);
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
    for (const auto& [host_nqn, keys] : std::exchange(hosts_, {}))
        if (keys.psk)
            subsystem_.target().transports.remove_host_key(subsystem_.nqns(), host_nqn);
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
