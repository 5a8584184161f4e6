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
#include <cstring>
#include <fmt/format.h>

namespace causeway::nvmf {

namespace {

using entry_type = nvme::discovery_log_entry;
static_assert(sizeof(nvme::discovery_log_header) == sizeof(entry_type), "the header takes the place of an entry");

// What control work costs, in microseconds or less: so much of it is done in a turn of the reactor.
constexpr std::size_t subsystems_looked_at_in_1us = 16;
constexpr std::size_t bytes_copied_in_1us = 4096;
constexpr unsigned controllers_looked_at_in_a_slice = 32;
constexpr unsigned us_of_an_event = 2;

nvme::address_family family_of(const transport_address& a) noexcept {
    if (a.adrfam == "IPv4")
        return nvme::address_family::ipv4;
    if (a.adrfam == "IPv6")
        return nvme::address_family::ipv6;
    return nvme::address_family::intra_host;
}

/// A subsystem that is reached at `at`, an address of `by`.
nvme::discovery_log_entry describe(const subsystem& s, const port& by, const transport_address& at,
                                   const transports& fabrics) {
    nvme::discovery_log_entry e{};
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
    nvme::copy_terminated(e.subnqn, s.nqn());
    return e;
}

/// The part of `page`, which lies at `at`, that is within [offset, offset + into.size()).
void copy_overlap(std::span<std::byte> into, std::uint64_t offset, std::span<const std::byte> page, std::uint64_t at) {
    const std::uint64_t begin = std::max(offset, at);
    const std::uint64_t end = std::min(offset + into.size(), at + page.size());
    if (begin < end)
        std::memcpy(&into[begin - offset], &page[begin - at], end - begin);
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
    // A new view has seen nothing: whatever was changed before concerns it.
    const auto [seen, is_new] =
        views_.try_emplace({host_nqn, local.text()}, view{.local = local, .changed = generation_});
    seen->second.itself = std::make_shared<entry_type>(describe(state_.discovery(), by, local, state_.transports));
    return std::make_unique<reader>(shared_from_this(), seen, peer.traddr);
}

discovery_log::reader::reader(std::shared_ptr<discovery_log> log, std::map<view_key, view>::iterator seen,
                              std::string peer)
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
        log_->views_.erase(seen_);
}

std::optional<std::vector<std::byte>> discovery_log::reader::read(std::uint64_t offset, std::size_t length) {
    if (offset == 0 || !page_)
        page_ = log_->page_of(seen_->first, seen_->second);
    const std::uint64_t size = sizeof(nvme::discovery_log_header) + page_->entries.size() * sizeof(entry_type);
    if (offset > size)
        return std::nullopt;
    std::vector<std::byte> part(std::min<std::uint64_t>(length, size - offset));
    nvme::discovery_log_header header{};
    header.genctr = page_->generation;
    header.numrec = page_->entries.size();
    copy_overlap(part, offset, std::as_bytes(std::span(&header, 1)), 0);
    for (std::uint64_t i = offset / sizeof(entry_type); i * sizeof(entry_type) < offset + part.size(); ++i)
        if (i != 0)
            copy_overlap(part, offset, std::as_bytes(std::span(page_->entries[i - 1].get(), 1)),
                         i * sizeof(entry_type));
    core::reactor::current()->spend(static_cast<unsigned>(part.size() / bytes_copied_in_1us));
    return part;
}

bool discovery_log::reader::take_change() noexcept {
    const std::uint64_t now = log_->generation_of(seen_->second);
    return std::exchange(notified_generation_, now) != now;
}

// ---- What they see.

std::shared_ptr<const discovery_log::page> discovery_log::page_of(const view_key& key, view& v) {
    if (auto newest = v.newest.lock(); newest && newest->generation == generation_of(v))
        return newest;
    const auto made = std::make_shared<page>();
    made->generation = generation_of(v);
    made->entries.push_back(v.itself);
    for (const auto& s : state_.subsystems)
        if (!s->is_discovery() && s->access().allows(key.first))
            for (const entry& e : entries_of(*s, v.local))
                made->entries.push_back(e);
    v.newest = made;
    ++pages_built_;
    core::reactor::current()->spend(static_cast<unsigned>(state_.subsystems.size() / subsystems_looked_at_in_1us));
    return made;
}

const std::vector<discovery_log::entry>& discovery_log::entries_of(const subsystem& s,
                                                                   const transport_address& asked_at) {
    const auto [it, is_new] = entries_[&s].try_emplace(asked_at.text());
    if (is_new)
        for (const auto& l : s.listeners().all())
            if (const auto at = advertised_address(l->at, asked_at); at && l->port.get())  // else: not yet
                it->second.push_back(std::make_shared<entry_type>(describe(s, *l->port.get(), *at, state_.transports)));
    return it->second;
}

// ---- What changes.

/// REQUIRES: `generation_` is that of the change.
void discovery_log::mark(const std::string& host_nqn) {
    for (auto it = views_.lower_bound({host_nqn, {}}); it != views_.end() && it->first.first == host_nqn; ++it)
        it->second.changed = generation_;
}

void discovery_log::changed(const subsystem& s) {
    ++generation_;
    entries_.erase(&s);
    if (s.access().allow_any_host()) {
        changed_for_all_ = generation_;
    } else {
        for (const auto& [host_nqn, psk] : s.access().hosts())
            mark(host_nqn);
    }
    announce();
}

void discovery_log::removed(const subsystem& s) {
    if (s.listeners().all().empty())
        entries_.erase(&s);
    else
        changed(s);
}

void discovery_log::changed(const subsystem& s, const std::string& host_nqn) {
    if (s.listeners().all().empty())
        return;
    ++generation_;
    mark(host_nqn);
    announce();
}

void discovery_log::changed_for_unlisted(const subsystem& s) {
    if (s.listeners().all().empty())
        return;
    ++generation_;
    for (auto& [key, v] : views_)
        if (!s.access().hosts().contains(key.first))
            v.changed = generation_;
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
