// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/discovery.h"

#include "core/reactor.h"
#include "nvme/fabrics.h"
#include "nvme/text.h"
#include "nvmf/model/advertised_address.h"
#include "nvmf/model/controller.h"
#include "nvmf/model/subsystem.h"
#include "nvmf/model/target_state.h"

#include <algorithm>
#include <fmt/format.h>

namespace causeway::nvmf {

namespace {

// What control work costs, in microseconds or less: so much of it is done in a turn of the reactor.
constexpr std::size_t subsystems_looked_at_in_1us = 16;
constexpr std::size_t bytes_copied_in_1us = 4096;
constexpr unsigned controllers_looked_at_in_a_slice = 32;
constexpr unsigned us_of_an_event = 2;

/// A subsystem that is reached at `at`, an address of `by`.
std::shared_ptr<const discovery_entry> describe(const subsystem& s, const port& by, const transport_address& at,
                                                const transports& fabrics) {
    const auto made = std::make_shared<discovery_entry>();
    made->admin_label = s.options().admin_label;
    nvme::discovery_log_entry& e = made->fixed;
    e.adrfam = nvme::to_underlying(family_of(at));
    e.subtype =
        nvme::to_underlying(s.is_discovery() ? nvme::subsystem_type::current_discovery : nvme::subsystem_type::nvm);
    if (s.is_discovery())
        e.eflags = nvme::eflags_explicit_persistent_connection;
    // Not `not_required`: over TCP libnvme 1.3 (Debian 12) takes that for a wish, asks for TLS, and connects to
    // nothing.
    e.treq = nvme::to_underlying(by.options.secure_channel ? nvme::secure_channel::required
                                                           : nvme::secure_channel::not_specified) |
             nvme::treq_disable_sq_flow_control;
    e.portid = by.id;
    e.cntlid = nvme::cntlid_dynamic;
    if (const transport* fabric = fabrics.find(at.trtype)) {
        e.trtype = nvme::to_underlying(fabric->type());
        e.asqsz = static_cast<std::uint16_t>(std::min(fabric->options().max_aq_depth, 4096u));
        const auto tsas = fabric->tsas(by.options);
        const auto place = std::as_writable_bytes(std::span(e.tsas));
        std::copy_n(tsas.begin(), std::min(tsas.size(), place.size()), place.begin());
    }
    nvme::copy_padded(e.trsvcid, at.trsvcid);
    nvme::copy_padded(e.traddr, at.traddr);
    nvme::copy_terminated(e.subnqn, s.reported_nqn());
    return made;
}

/// Both lists have the same entries in the same order.
bool are_equal(const std::vector<std::shared_ptr<const discovery_entry>>& a,
               const std::vector<std::shared_ptr<const discovery_entry>>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) { return *x == *y; });
}

}  // namespace

// ---- Readers.

core::result<std::unique_ptr<discovery_log::reader>> discovery_log::admit(const std::string& host_nqn, const port& by,
                                                                          const transport_address& local,
                                                                          const transport_address& peer) {
    const auto count = [](const auto& map, const auto& key) {
        const auto it = map.find(key);
        return it == map.end() ? 0u : it->second;
    };
    std::string full;
    if (readers_ >= limits_.controllers)
        full = fmt::format("there are {} discovery controllers, the maximum", readers_);
    else if (count(readers_at_, peer.traddr) >= limits_.per_address)
        full = fmt::format("its address has {} discovery controllers, the maximum", limits_.per_address);
    else if (count(readers_of_, host_key(peer.traddr, host_nqn)) >= limits_.per_host)
        full = fmt::format("it has {} discovery controllers, the maximum", limits_.per_host);
    if (!full.empty()) {
        ++refused_;
        return core::fail(EBUSY, full + " (see nvmf_set_discovery_limits)");
    }
    const auto seen = view_of(host_nqn, local);
    seen->second.itself = describe(state_.discovery(), by, local, state_.transports);
    return std::make_unique<reader>(shared_from_this(), seen, peer.traddr);
}

discovery_log::views::iterator discovery_log::view_of(const std::string& host_nqn, const transport_address& local) {
    const std::string text = local.text();
    if (const auto known = views_.find({host_nqn, text}); known != views_.end())
        return known;
    asked_address& from = asked_addresses_.try_emplace(text, asked_address{.at = local}).first->second;
    ++from.views;
    // A new view has seen nothing: whatever was changed before concerns it.
    return views_.try_emplace({host_nqn, text}, view{.from = from, .changed = generation_}).first;
}

void discovery_log::remove(views::iterator v) {
    const auto from = asked_addresses_.find(v->first.second);
    views_.erase(v);
    if (--from->second.views == 0)
        asked_addresses_.erase(from);
}

discovery_log::reader::reader(std::shared_ptr<discovery_log> log, views::iterator seen, std::string peer)
    : log_(std::move(log)), seen_(seen), peer_(std::move(peer)),
      notified_generation_(log_->generation_of(seen_->second)) {
    ++seen_->second.readers;
    ++log_->readers_at_[peer_];
    ++log_->readers_of_[{peer_, seen_->first.first}];
    ++log_->readers_;
}

discovery_log::reader::~reader() {
    const auto drop = [](auto& map, const auto& key) {
        if (const auto it = map.find(key); --it->second == 0)
            map.erase(it);
    };
    --log_->readers_;
    drop(log_->readers_at_, peer_);
    drop(log_->readers_of_, host_key(peer_, seen_->first.first));
    if (--seen_->second.readers == 0)
        log_->remove(seen_);
}

std::optional<std::vector<std::byte>> discovery_log::reader::read(std::uint64_t offset, std::size_t length,
                                                                  bool extended) {
    if (offset == 0 || !page_)
        page_ = log_->page_of(seen_->first.first, seen_->second);
    const std::uint64_t size = page_->size(extended);
    if (offset > size)
        return std::nullopt;
    std::vector<std::byte> part(std::min<std::uint64_t>(length, size - offset));
    page_->copy(part, offset, extended);
    core::reactor::current()->spend(static_cast<unsigned>(part.size() / bytes_copied_in_1us));
    return part;
}

bool discovery_log::reader::take_change() noexcept {
    const std::uint64_t now = log_->generation_of(seen_->second);
    return std::exchange(notified_generation_, now) != now;
}

// ---- What they see.

std::shared_ptr<const discovery_page> discovery_log::page_of(const std::string& host_nqn, view& v) {
    if (auto newest = v.newest.lock(); newest && newest->generation() == generation_of(v))
        return newest;
    entries all{v.itself};
    for (const auto& s : state_.subsystems)
        if (s->is_discovery() || s->access().allows(host_nqn))
            for (const entry& e : listeners_of(*s, v.from))
                all.push_back(e);
    for (const entry& e : state_.referrals.entries())
        all.push_back(e);
    core::reactor::current()->spend(static_cast<unsigned>(state_.subsystems.size() / subsystems_looked_at_in_1us));
    const auto made = std::make_shared<const page>(generation_of(v), std::move(all));
    v.newest = made;
    ++pages_built_;
    return made;
}

const discovery_log::entries& discovery_log::listeners_of(const subsystem& s, asked_address& at) {
    const auto [it, is_new] = at.of_listeners.try_emplace(&s);
    if (is_new)
        it->second = describe_listeners(s, at.at);
    return it->second;
}

discovery_log::entries discovery_log::describe_listeners(const subsystem& s, const transport_address& asked_at) const {
    entries all;
    for (const auto& l : s.listeners().all()) {
        const auto at = advertised_address(l->at, asked_at);
        // A listener that does not listen yet is not listed, and the discovery subsystem, where the host asks, is
        // listed already.
        if (at && l->port.get() && lets_pass(*at, asked_at) && !(s.is_discovery() && *at == asked_at))
            all.push_back(describe(s, *l->port.get(), *at, state_.transports));
    }
    return all;
}

bool discovery_log::lets_pass(const transport_address& listener, const transport_address& asked_at) const noexcept {
    return (!filter_.transport || listener.trtype == asked_at.trtype) &&
           (!filter_.address || listener.traddr == asked_at.traddr) &&
           (!filter_.service || listener.trsvcid == asked_at.trsvcid);
}

// ---- What changes.

/// All who ask at `at`, whose address is `text`, and may see `s`. REQUIRES: `generation_` is that of the change.
void discovery_log::mark(const subsystem& s, const std::string& text, asked_address& at) {
    if (s.is_discovery() || s.access().allow_any_host()) {
        at.changed = generation_;
        return;
    }
    for (const auto& [host_nqn, psk] : s.access().hosts())
        if (const auto v = views_.find({host_nqn, text}); v != views_.end())
            v->second.changed = generation_;
}

void discovery_log::changed(const subsystem& s) {
    ++generation_;
    for (auto& [text, at] : asked_addresses_) {
        entries now = describe_listeners(s, at.at);
        entries& seen = at.of_listeners[&s];  // empty, too, where nobody has looked
        if (are_equal(seen, now))
            continue;
        seen = std::move(now);
        mark(s, text, at);
    }
    announce();
}

void discovery_log::removed(const subsystem& s) {
    ++generation_;
    for (auto& [text, at] : asked_addresses_) {
        if (!listeners_of(s, at).empty())
            mark(s, text, at);
        at.of_listeners.erase(&s);
    }
    announce();
}

/// A host that is allowed, or not any more. REQUIRES: `generation_` is that of the change.
void discovery_log::mark(const subsystem& s, view& of_host) {
    if (!listeners_of(s, of_host.from).empty())
        of_host.changed = generation_;
}

void discovery_log::changed(const subsystem& s, const std::string& host_nqn) {
    if (s.is_discovery())  // who may ask changes, and not what anybody sees
        return;
    ++generation_;
    for (auto it = views_.lower_bound({host_nqn, {}}); it != views_.end() && it->first.first == host_nqn; ++it)
        mark(s, it->second);
    announce();
}

void discovery_log::changed_for_unlisted(const subsystem& s) {
    if (s.is_discovery())
        return;
    ++generation_;
    for (auto& [key, v] : views_)
        if (!s.access().hosts().contains(key.first))
            mark(s, v);
    announce();
}

void discovery_log::referrals_changed() {
    ++generation_;
    for (auto& [text, at] : asked_addresses_)
        at.changed = generation_;
    announce();
}

void discovery_log::announce() {
    changed_again_ = notifying_;
    if (readers_ != 0 && !std::exchange(notifying_, true))
        core::detach(notify(shared_from_this()));
}

/// In slices: there may be thousands. By cntlid, for controllers come and go between them.
core::task<> discovery_log::notify(std::shared_ptr<discovery_log> self) {
    co_await core::switch_to(self->state_.group.control());
    do {
        self->changed_again_ = false;
        std::uint32_t next = 0;
        unsigned cost = 0;
        while (next <= nvme::cntlid_max) {
            co_await core::in_background(cost);
            const auto& all = self->state_.discovery().controllers().all();
            auto it = all.lower_bound(static_cast<std::uint16_t>(next));
            cost = 0;
            for (unsigned looked = 0; it != all.end() && looked < controllers_looked_at_in_a_slice; ++it, ++looked)
                if (it->second->notify_discovery_change())
                    cost += us_of_an_event;
            next = it == all.end() ? nvme::cntlid_max + 1u : it->first;
        }
    } while (self->changed_again_);
    self->notifying_ = false;
}

}  // namespace causeway::nvmf
