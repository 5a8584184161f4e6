// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/referrals.h"

#include "core/log.h"
#include "nvme/fabrics.h"
#include "nvme/nqn.h"
#include "nvme/text.h"
#include "nvmf/model/discovery.h"
#include "nvmf/model/target_state.h"

#include <algorithm>
#include <optional>

namespace causeway::nvmf {

namespace {

constexpr std::uint16_t min_admin_queue_entries = 32;  // of any controller: its own figure is not known here

/// Of a fabric that this target may not have itself.
std::optional<nvme::transport_type> type_of(std::string_view trtype) noexcept {
    if (trtype == "RDMA")
        return nvme::transport_type::rdma;
    if (trtype == "TCP")
        return nvme::transport_type::tcp;
    if (trtype == "FC")
        return nvme::transport_type::fc;
    return std::nullopt;
}

bool fits(std::string_view text, std::size_t most) noexcept {
    return text.size() <= most && std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

}  // namespace

std::size_t referrals::find(const transport_address& at, const std::string& subnqn) const noexcept {
    const auto it = std::ranges::find_if(all_, [&](const referral& r) { return r.at == at && r.subnqn == subnqn; });
    return static_cast<std::size_t>(it - all_.begin());
}

core::result<transport_address> referrals::normalized(transport_address at) const {
    const transport* const fabric = state_.transports.find(at.trtype);
    if (!fabric && !type_of(at.trtype))
        return core::fail(EINVAL, "hosts know no such transport: give RDMA, TCP or FC", at.trtype);
    if ((at.trtype == "RDMA" || at.trtype == "TCP") && at.trsvcid.empty())
        return core::fail(EINVAL, "trsvcid is missing: give the port of the other target", at.text());
    if (at.traddr.empty() || !fits(at.traddr, sizeof(nvme::discovery_log_entry::traddr)) ||
        !fits(at.trsvcid, sizeof(nvme::discovery_log_entry::trsvcid)))
        return core::fail(EINVAL, "traddr and trsvcid must be printable, and at most 256 and 32 characters long",
                          at.text());
    if (at.is_wildcard())
        return core::fail(EINVAL, "a host cannot connect to a wildcard: give an address of the other target",
                          at.text());
    if (fabric)
        return fabric->normalized(std::move(at));
    if (at.adrfam.empty())
        at.adrfam = at.traddr.find(':') == std::string::npos ? "IPv4" : "IPv6";
    return at;
}

std::shared_ptr<const discovery_entry> referrals::describe(const referral& r) const {
    const auto made = std::make_shared<discovery_entry>();
    nvme::discovery_log_entry& e = made->fixed;
    const transport* const fabric = state_.transports.find(r.at.trtype);
    e.trtype = nvme::to_underlying(fabric ? fabric->type() : *type_of(r.at.trtype));
    e.adrfam = nvme::to_underlying(family_of(r.at));
    e.subtype = nvme::to_underlying(r.subnqn == nvme::discovery_nqn ? nvme::subsystem_type::referral
                                                                    : nvme::subsystem_type::nvm);
    e.treq =
        nvme::to_underlying(r.secure_channel ? nvme::secure_channel::required : nvme::secure_channel::not_specified);
    e.cntlid = nvme::cntlid_dynamic;
    e.asqsz = min_admin_queue_entries;
    if (fabric) {
        const auto tsas = fabric->tsas({.secure_channel = r.secure_channel});
        const auto place = std::as_writable_bytes(std::span(e.tsas));
        std::copy_n(tsas.begin(), std::min(tsas.size(), place.size()), place.begin());
    }
    nvme::copy_padded(e.trsvcid, r.at.trsvcid);
    nvme::copy_padded(e.traddr, r.at.traddr);
    nvme::copy_terminated(e.subnqn, r.subnqn);
    return made;
}

core::result<> referrals::add(referral r) {
    if (r.subnqn.empty())
        r.subnqn = nvme::discovery_nqn;
    if (!nvme::usable_host_nqn(r.subnqn))
        return core::fail(EINVAL, "an NQN is 1 to 223 bytes of printable UTF-8", r.subnqn);
    auto at = normalized(std::move(r.at));
    if (!at)
        return tl::make_unexpected(std::move(at.error()));
    r.at = std::move(*at);
    const std::size_t i = find(r.at, r.subnqn);
    if (i < all_.size() && all_[i].secure_channel == r.secure_channel)
        return {};
    core::log::info("discovery: refers hosts to {} at {}", r.subnqn, r.at.text());
    if (i == all_.size()) {
        all_.emplace_back();
        entries_.emplace_back();
    }
    entries_[i] = describe(r);
    all_[i] = std::move(r);
    state_.discovery_log->referrals_changed();
    return {};
}

core::result<> referrals::remove(transport_address at, const std::string& subnqn) {
    auto normal = normalized(std::move(at));
    if (!normal)
        return tl::make_unexpected(std::move(normal.error()));
    const std::size_t i = find(*normal, subnqn.empty() ? std::string(nvme::discovery_nqn) : subnqn);
    if (i == all_.size())
        return core::fail(ENOENT, "there is no such referral", normal->text());
    all_.erase(all_.begin() + static_cast<std::ptrdiff_t>(i));
    entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(i));
    state_.discovery_log->referrals_changed();
    return {};
}

}  // namespace causeway::nvmf
