// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/controllers.h"

#include "nvmf/model/controller.h"
#include "nvmf/model/media_health.h"
#include "nvmf/model/subsystem.h"

namespace causeway::nvmf {

std::shared_ptr<controller> controllers::make(transport& fabric, core::reactor& admin_queue, std::string host_nqn,
                                              std::string subnqn, const std::array<std::uint8_t, 16>& host_id,
                                              host_identity proved) {
    // Round-robin, so that a cntlid is unused for as long as possible before it is assigned to another host.
    const subsystem_options& o = subsystem_.options();
    const std::uint32_t count = o.max_cntlid - o.min_cntlid + 1u;
    for (std::uint32_t tried = 0; tried < count; ++tried) {
        const std::uint16_t cntlid = next_cntlid_;
        next_cntlid_ = cntlid == o.max_cntlid ? o.min_cntlid : cntlid + 1;
        if (all_.contains(cntlid))
            continue;
        auto c = std::make_shared<controller>(
            subsystem_.shared_from_this(), fabric, admin_queue,
            controller::identity{cntlid, std::move(host_nqn), std::move(subnqn), host_id, proved});
        all_.emplace(cntlid, c);
        return c;
    }
    return nullptr;
}

void controllers::remove(const controller& c) noexcept {
    const auto it = all_.find(c.cntlid());
    if (it != all_.end() && it->second.get() == &c)
        all_.erase(it);
}

core::task<> controllers::end(std::vector<std::shared_ptr<controller>> ending, disconnect_reason why) {
    for (const auto& c : ending)
        c->end(why);
    for (const auto& c : ending)
        co_await c->without_queues();
}

core::task<> controllers::end_all(disconnect_reason why) {
    auto ending = where([](const controller&) { return true; });
    co_await end(std::move(ending), why);
}

void controllers::announce_namespace_change(const nvm_namespace& ns) {
    for (const auto& [cntlid, c] : all_)
        if (ns.visibility().shows_to(c->host_number()))
            c->namespace_changed(ns.nsid());
}

void controllers::announce_reservation(const nvm_namespace& ns, const std::vector<reservation::notification>& what) {
    for (const reservation::notification& n : what)
        for (const auto& [cntlid, c] : all_)
            if (c->host_id() == n.host && ns.visibility().shows_to(c->host_number()))
                c->reservation_changed(ns, n.notice);
}

void controllers::announce_warnings(const namespaces& of) {
    const auto media = namespaces_with_media(of);  // once: there may be thousands of both
    for (const auto& [cntlid, c] : all_)
        c->events().warn(media_health(media, *c).critical_warning);
}

}  // namespace causeway::nvmf
