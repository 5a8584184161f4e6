// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/namespace_reservation.h"

#include "core/log_event.h"
#include "nvme/command.h"
#include "nvme/identify_namespace.h"
#include "nvmf/model/nvm_namespace.h"
#include "nvmf/reservation/enforcement.h"

#include <algorithm>

namespace causeway::nvmf {

using namespace std::chrono_literals;

namespace {

core::log::limiter store_failures;

constexpr std::uint8_t all_types =
    nvme::rescap_write_exclusive | nvme::rescap_exclusive_access | nvme::rescap_write_exclusive_registrants_only |
    nvme::rescap_exclusive_access_registrants_only | nvme::rescap_write_exclusive_all_registrants |
    nvme::rescap_exclusive_access_all_registrants;

/// After a notice of another gateway; it asks again.
constexpr auto commands_end_soon = 1s;
constexpr auto first_retry = 1s;
constexpr auto longest_retry = 16s;

/// The namespace has been removed, or is being removed.
verdict removed() {
    return {nvme::sc::invalid_namespace_or_format.with_dnr(), offsetof(nvme::command, nsid)};
}

}  // namespace

namespace_reservation::namespace_reservation(nvm_namespace& owner, core::reactor_group& group,
                                             std::unique_ptr<reservation::store> s)
    : owner_(owner), group_(group), store_(std::move(s)) {
    if (store_)
        store_->observe(*this);
}

std::uint8_t namespace_reservation::rescap() const noexcept {
    if (!is_supported())
        return 0;
    return all_types | nvme::rescap_ignore_existing_key |
           (can_persist() ? nvme::rescap_persist_through_power_loss : std::uint8_t{0});
}

core::task<core::result<>> namespace_reservation::load() {
    if (!store_)
        co_return core::result<>();
    const core::gate::holder hold = tasks_.hold();
    if (!hold)
        co_return core::fail(ENODEV, "the namespace is being removed", owner_.device().name());
    const auto lock = co_await changes_.lock();
    co_return co_await reload();
}

// ---- What cores enforce.

/// Every core refuses what the stored state refuses, and what may be in force besides. Others may change what that is
/// meanwhile: this is what was last when a core is visited.
core::task<> namespace_reservation::enforce() {
    const auto lock = co_await enforcing_.lock();
    std::shared_ptr<const reservation::enforcement> what;
    if (unknown_ || stored_.state.is_held() || (beside_ && beside_->is_held()))
        what =
            std::make_shared<const reservation::enforcement>(stored_.state, beside_.value_or(stored_.state), unknown_);
    if (!what && !enforced_)
        co_return;
    enforced_ = what != nullptr;
    const std::uint64_t admission = next_admission();
    co_await core::for_each_reactor(group_, [&](core::reactor& r) { owner_.on_core(r.index()).set(what, admission); });
}

core::task<bool> namespace_reservation::changed(reservation::version now, bool end_commands) {
    const auto keep = owner_.weak_from_this().lock();
    if (!keep)
        co_return true;
    if (unknown_ || now.number > stored_.number) {
        stored_ = std::move(now);
        unknown_ = false;
        co_await enforce();
    } else {
        const auto enforced = co_await enforcing_.lock();  // what is being enforced now may be this one
    }
    if (!end_commands)
        co_return true;
    const auto ended = owner_.end_executing();
    co_return co_await ended->wait_for(commands_end_soon);
}

void namespace_reservation::announce(const std::vector<reservation::notification>& what) {
    owner_.announce_reservation(what);
}

core::task<> namespace_reservation::lost() {
    const auto keep = owner_.weak_from_this().lock();
    if (!keep)
        co_return;
    unknown_ = true;
    co_await enforce();
    core::detach(settle_later(keep));
}

// ---- What is stored. All of these: with `changes_` locked.

/// What was stored stays enforced besides until all gateways have confirmed what is. Where a change turns out to have
/// been stored whose host was answered with an error, those whom it concerns are told all the same.
core::task<core::result<>> namespace_reservation::reload() {
    auto loaded = co_await store_->load();
    if (!loaded)
        co_return tl::make_unexpected(std::move(loaded.error()));
    const bool has_been_stored = unsure_ && beside_ == loaded->state;
    if (unsure_ && !has_been_stored)
        to_announce_.clear();
    if (!store_->is_shared()) {
        beside_.reset();
        confirmed_ = loaded->number;
    } else if (beside_) {
        beside_ = stored_.state;
    }
    unsure_ = unknown_ = false;
    if (loaded->number >= stored_.number)
        stored_ = std::move(*loaded);
    co_await enforce();
    if (has_been_stored)
        announce(to_announce_);
    if (!beside_)
        to_announce_.clear();  // nobody else has to be told
    co_return core::result<>();
}

/// Ends when all gateways enforce what is stored, and have told their hosts.
core::task<core::result<>> namespace_reservation::confirm() {
    if (store_->is_shared()) {
        const auto all = co_await store_->confirm(to_announce_, false);
        if (!all)
            co_return tl::make_unexpected(all.error());
        confirmed_ = std::max(confirmed_, all->number);
    } else {
        confirmed_ = stored_.number;
    }
    to_announce_.clear();
    beside_.reset();
    co_await enforce();
    co_return core::result<>();
}

/// Ends when it is known what is stored, and no change waits for confirmations. What others may change is read each
/// time: a gateway that has been fenced and has not noticed must not answer by what it knew.
core::task<core::result<>> namespace_reservation::settle() {
    core::result<> done;
    if (unsure_ || unknown_ || store_->is_shared())
        done = co_await reload();
    if (done && beside_)
        done = co_await confirm();
    co_return done;
}

/// Until it is settled, or the namespace is removed. What is enforced meanwhile is what either outcome demands.
core::task<> namespace_reservation::settle_later([[maybe_unused]] std::shared_ptr<nvm_namespace> keep) {
    const core::gate::holder hold = tasks_.hold();
    if (!hold || std::exchange(settling_, true))
        co_return;
    for (core::nanoseconds retry = first_retry; !closing_.is_set();
         retry = std::min<core::nanoseconds>(2 * retry, longest_retry)) {
        core::result<> settled;
        {
            const auto lock = co_await changes_.lock();
            settled = co_await settle();
        }
        if (settled && !unknown_)  // lost() may have come while others confirmed
            break;
        co_await closing_.wait_for(retry);
    }
    settling_ = false;
}

// ---- Changes.

verdict namespace_reservation::failed(const core::error& why) {
    core::log::peer_report(store_failures, core::log::event::reservation_unconfirmed,
                           {{"device", owner_.device().name()}}, "{}: cannot change or confirm the reservation: {}",
                           owner_.device().name(), why.text());
    return store_->is_shared() ? nvme::sc::internal_path_error : nvme::sc::internal_error;
}

/// Another gateway was first: what it made is what counts now, and nothing has become of what was about to be stored.
core::task<verdict> namespace_reservation::give_way() {
    const auto loaded = co_await reload();
    if (!loaded)
        co_return failed(loaded.error());
    beside_.reset();
    co_await enforce();
    co_return verdict();
}

core::task<verdict> namespace_reservation::try_change(const command& c, bool& stale) {
    const auto settled = co_await settle();
    if (!settled)
        co_return failed(settled.error());
    const reservation::version before = stored_;
    reservation::transition t = c(before.state);
    if (!t.result.ok())
        co_return t.result;
    if (t.next == before.state)
        co_return co_await confirm_at_least(before.number);
    beside_ = t.next;
    co_await enforce();
    const auto number = co_await store_->replace(before.number, t.next);
    if (!number) {
        unsure_ = true;
        stale = number.error().code == ESTALE;
        if (stale)
            co_return co_await give_way();
        to_announce_ = std::move(t.notifications);  // if it has been stored
        co_return failed(number.error());
    }
    if (*number > stored_.number)
        stored_ = {std::move(t.next), *number};
    beside_ = before.state;
    to_announce_ = t.notifications;
    const auto confirmed = co_await confirm();
    announce(t.notifications);
    if (!confirmed)
        co_return failed(confirmed.error());
    co_return verdict();
}

core::task<verdict> namespace_reservation::change_stored(const command& c) {
    const auto lock = co_await changes_.lock();
    for (;;) {
        if (!owner_.active())
            co_return removed();
        bool stale = false;
        const verdict v = co_await try_change(c, stale);
        if (stale && v.ok())
            continue;
        if ((unsure_ || beside_) && !store_->is_shared())
            (void)co_await settle();  // soon; where it fails, it is tried again
        if (unsure_ || unknown_ || beside_)
            core::detach_deferred(settle_later(owner_.shared_from_this()));
        co_return v;
    }
}

core::task<verdict> namespace_reservation::change(command c, bool end_commands) {
    const core::gate::holder hold = tasks_.hold();
    if (!hold)
        co_return removed();
    const verdict v = co_await change_stored(c);
    if (!v.ok() || !end_commands)
        co_return v;
    co_return co_await this->end_commands();
}

/// Here and on the other gateways at the same time.
core::task<verdict> namespace_reservation::end_commands() {
    const core::clock& time = group_.time();
    const core::ticks end = time.now() + time.to_ticks(reservation::store::end_limit);
    const auto here = owner_.end_executing();
    bool ended = true;
    if (store_->is_shared()) {
        const std::vector<reservation::notification> nothing;
        const auto all = co_await store_->confirm(nothing, true);
        if (!all)
            co_return failed(all.error());
        ended = all->commands_ended;
    }
    const core::ticks now = time.now();
    const bool ended_here = co_await here->wait_for(time.to_nanoseconds(end - std::min(now, end)));
    co_return ended && (ended_here || here->is_set()) ? verdict() : verdict(nvme::sc::command_interrupted);
}

// ---- What hosts are told of it.

core::task<verdict> namespace_reservation::confirm_at_least(std::uint64_t number) {
    if (!store_->is_shared() || confirmed_ >= number)
        co_return verdict();
    const std::vector<reservation::notification> nothing;
    const auto all = co_await store_->confirm(nothing, false);
    if (!all)
        co_return failed(all.error());
    confirmed_ = std::max(confirmed_, all->number);
    co_return verdict();
}

core::task<verdict> namespace_reservation::report(reservation::state& state) {
    const core::gate::holder hold = tasks_.hold();
    if (!hold)
        co_return removed();
    const auto lock = co_await changes_.lock();
    if (!owner_.active())
        co_return removed();
    if (store_->is_shared()) {
        const auto loaded = co_await reload();
        if (!loaded)
            co_return failed(loaded.error());
    }
    const reservation::version now = stored_;
    const verdict v = co_await confirm_at_least(now.number);
    state = now.state;
    co_return v;
}

core::task<> namespace_reservation::close() {
    if (!store_)
        co_return;
    closing_.set();
    store_->cancel();
    co_await tasks_.close();
    co_await store_->close();
}

}  // namespace causeway::nvmf
