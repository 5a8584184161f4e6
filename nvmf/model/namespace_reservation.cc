// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/namespace_reservation.h"

#include "core/log.h"
#include "nvme/command.h"
#include "nvme/identify_namespace.h"
#include "nvmf/model/nvm_namespace.h"
#include "nvmf/reservation/enforcement.h"

namespace causeway::nvmf {

namespace {

core::log::limiter store_failures;

constexpr std::uint8_t all_types =
    nvme::rescap_write_exclusive | nvme::rescap_exclusive_access | nvme::rescap_write_exclusive_registrants_only |
    nvme::rescap_exclusive_access_registrants_only | nvme::rescap_write_exclusive_all_registrants |
    nvme::rescap_exclusive_access_all_registrants;

}  // namespace

namespace_reservation::namespace_reservation(nvm_namespace& owner, core::reactor_group& group,
                                             std::unique_ptr<reservation::store> s)
    : owner_(owner), group_(group), store_(std::move(s)) {}

std::uint8_t namespace_reservation::rescap() const noexcept {
    if (!is_supported())
        return 0;
    return all_types | nvme::rescap_ignore_existing_key |
           (can_persist() ? nvme::rescap_persist_through_power_loss : std::uint8_t{0});
}

core::task<core::result<>> namespace_reservation::load() {
    if (!store_)
        co_return core::result<>();
    auto loaded = co_await store_->load();
    if (!loaded)
        co_return tl::make_unexpected(std::move(loaded.error()));
    stored_ = std::move(*loaded);
    co_await enforce(stored_.state);
    co_return core::result<>();
}

/// Every core refuses what the stored state or `next` refuses.
core::task<> namespace_reservation::enforce(const reservation::state& next) {
    std::shared_ptr<const reservation::enforcement> both;
    if (stored_.state.is_held() || next.is_held())
        both = std::make_shared<const reservation::enforcement>(stored_.state, next);
    if (!both && !enforced_)
        co_return;
    enforced_ = both != nullptr;
    const std::uint64_t admission = next_admission();
    co_await core::for_each_reactor(group_, [&](core::reactor& r) { owner_.on_core(r.index()).set(both, admission); });
}

core::task<verdict> namespace_reservation::try_change(const command& c, bool& stale) {
    reservation::transition t = c(stored_.state);
    if (!t.result.ok() || t.next == stored_.state)
        co_return t.result;
    co_await enforce(t.next);
    const auto number = co_await store_->replace(stored_.number, t.next);
    if (!number) {
        stale = number.error().code == ESTALE;
        if (!stale) {
            core::log::peer_warning(store_failures, "{}: cannot store the reservation: {}", owner_.device().name(),
                                    number.error().text());
            co_await enforce(stored_.state);
        }
        co_return verdict(nvme::sc::internal_error);
    }
    stored_ = {std::move(t.next), *number};
    co_await enforce(stored_.state);
    owner_.announce_reservation(t.notifications);
    co_return verdict();
}

core::task<verdict> namespace_reservation::change(command c) {
    const auto lock = co_await changes_.lock();
    for (;;) {
        if (!owner_.active())
            co_return verdict(nvme::sc::invalid_namespace_or_format.with_dnr(), offsetof(nvme::command, nsid));
        bool stale = false;
        const verdict v = co_await try_change(c, stale);
        if (!stale)
            co_return v;
        const auto loaded = co_await load();  // another gateway was first: what it made is what counts now
        if (!loaded)
            co_return verdict(nvme::sc::internal_error);
    }
}

}  // namespace causeway::nvmf
