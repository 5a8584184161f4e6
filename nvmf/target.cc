// SPDX-License-Identifier: Apache-2.0
#include "nvmf/target.h"

#include "core/log.h"
#include "nvme/nqn.h"
#include "nvmf/model/subsystem.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace causeway::nvmf {

target::target(core::placement& homes, bdev::registry& devices, target_options options)
    : group_(homes.group()), homes_(homes), options_(std::move(options)), state_(group_, devices, options_),
      counters_(group_.size()) {
    auto counted = counter_list().add({core_counter_table, {}, counters_});
    assert(counted);  // a list has one target
    if (counted)
        counted_ = std::move(*counted);
    subsystem_options discovery;
    discovery.nqn = nvme::discovery_nqn;
    discovery.discovery = true;
    discovery.unique_nqn = options_.discovery_nqn;
    discovery.allow_any_host = true;
    discovery.max_namespaces = 0;
    state_.discovery_subsystem = std::make_shared<subsystem>(state_, std::move(discovery));
    state_.subsystems.push_back(state_.discovery_subsystem);
}

target::~target() = default;

// ---- Transports.

core::result<> target::add_transport(std::unique_ptr<transport> t) {
    if (closing_)
        return core::fail(ESHUTDOWN, "the target is shutting down", t->trtype());
    if (find_transport(t->trtype()))
        return core::fail(EEXIST, "a transport of this type already exists", t->trtype());
    for (const auto& s : state_.subsystems)
        for (const auto& [nsid, ns] : s->namespaces().all())
            if (auto fits = nvmf::check_block_size(ns->device(), *t); !fits)
                return fits;
    for (const auto& s : state_.subsystems)
        for (const auto& [hostnqn, keys] : s->access().hosts())
            if (const auto& psk = keys.psk)
                for (const std::string& nqn : s->nqns())
                    if (const auto admitted = t->subsystem_add_host(nqn, hostnqn, psk->text()); !admitted)
                        core::log::error("{}: host {} cannot use its key {} over {}: {}", nqn, hostnqn, psk->name,
                                         t->trtype(), admitted.error().text());
    state_.transports.add(std::move(t));
    return {};
}

core::core_lease target::assign_core(std::uint16_t qid, const core::placement::predicate& has_room) {
    return homes_.lease(qid == 0 ? core::lease_kind::admin_queue : core::lease_kind::io_queue, has_room);
}

// ---- Subsystems.

core::task<core::result<subsystem*>> target::create_subsystem(subsystem_options options) {
    auto complete = completed(std::move(options));
    if (!complete)
        co_return tl::make_unexpected(std::move(complete.error()));
    options = std::move(*complete);
    if (closing_ || options.discovery)
        co_return core::fail(EINVAL,
                             closing_ ? "the target is shutting down" : "there can be only one discovery subsystem",
                             options.nqn);
    if (find_for_host(options.nqn))
        co_return core::fail(EEXIST, "a subsystem with this NQN already exists", options.nqn);
    if (options.nqn == nvme::discovery_nqn || options.nqn == options_.discovery_nqn)
        co_return core::fail(EINVAL, "the discovery subsystem was deleted: it is there again after a restart",
                             options.nqn);
    if (std::ranges::count_if(state_.subsystems, [](const auto& s) { return !s->is_discovery(); }) >=
        std::ptrdiff_t{options_.max_subsystems})
        co_return core::fail(ENOSPC, fmt::format("there are {} subsystems, the maximum", options_.max_subsystems),
                             options.nqn);
    state_.subsystems.push_back(std::make_shared<subsystem>(state_, std::move(options)));
    co_return state_.subsystems.back().get();
}

core::task<core::result<>> target::delete_subsystem(std::string nqn) {
    const auto it = std::find_if(state_.subsystems.begin(), state_.subsystems.end(),
                                 [&](const auto& s) { return s->nqn() == nqn; });
    if (it == state_.subsystems.end())
        co_return core::fail(ENODEV, "no such subsystem", nqn);
    const std::shared_ptr<subsystem> s = *it;
    state_.subsystems.erase(it);
    state_.discovery_log->removed(*s);
    co_await s->close(disconnect_reason::subsystem_deleted);
    co_return core::result<>();
}

subsystem* target::find_subsystem(std::string_view nqn) const noexcept {
    for (const auto& s : state_.subsystems)
        if (s->nqn() == nqn)
            return s.get();
    return nullptr;
}

subsystem* target::find_for_host(std::string_view subnqn) const noexcept {
    for (const auto& s : state_.subsystems)
        if (subnqn == s->nqn() || (!subnqn.empty() && subnqn == s->options().unique_nqn))
            return s.get();
    return nullptr;
}

core::task<> target::shutdown() {
    closing_ = true;
    // At the same time: a device that hangs delays the hosts of its own subsystem only.
    const std::vector<std::shared_ptr<subsystem>> closing = state_.subsystems;
    std::erase_if(state_.subsystems, [](const auto& s) { return !s->is_discovery(); });
    std::size_t left = closing.size();
    core::one_shot<bool> all_closed;
    for (const auto& s : closing)
        core::detach(s->close(disconnect_reason::shutting_down), [&] {
            if (--left == 0)
                all_closed.set(true);
        });
    if (!closing.empty())  // even discovery may have been deleted
        co_await all_closed;
    for (const auto& t : state_.transports.all())  // no more of them come any more
        co_await t->stop();
}

}  // namespace causeway::nvmf
