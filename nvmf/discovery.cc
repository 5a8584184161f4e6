// The Discovery log page. NVMe over Fabrics 1.1, "Discovery Log Page"; NVM Express Base Specification 2.0.

#include "nvme/discovery.h"

#include "nvme/fabrics.h"
#include "nvmf/advertised_address.h"
#include "nvmf/controller.h"
#include "nvmf/identify_controller.h"
#include "nvmf/log_pages.h"
#include "nvmf/subsystem.h"
#include "nvmf/target.h"

#include <algorithm>
#include <cstring>

namespace causeway::nvmf {

namespace {

nvme::address_family family_of(const transport_address& a) noexcept {
    if (a.adrfam == "IPv4")
        return nvme::address_family::ipv4;
    if (a.adrfam == "IPv6")
        return nvme::address_family::ipv6;
    return nvme::address_family::intra_host;
}

nvme::discovery_log_entry describe(const subsystem& s, const subsystem::listener& l, const transport_address& at,
                                   const target& t) {
    nvme::discovery_log_entry e{};
    e.trtype = nvme::to_underlying(transport_type_of(at.trtype));
    e.adrfam = nvme::to_underlying(family_of(at));
    e.subtype = nvme::to_underlying(nvme::subsystem_type::nvm);
    // Not `not_required`: over TCP libnvme 1.3 (Debian 12) takes that for a wish, asks for TLS, and connects to nothing.
    e.treq = nvme::to_underlying(l.options.secure_channel ? nvme::secure_channel::required
                                                          : nvme::secure_channel::not_specified) |
             nvme::treq_disable_sq_flow_control;
    e.portid = l.port.get()->id;
    e.cntlid = nvme::cntlid_dynamic;
    if (const transport* fabric = t.find_transport(at.trtype)) {
        e.asqsz = static_cast<std::uint16_t>(std::min(fabric->options().max_aq_depth, 4096u));
        const auto tsas = fabric->tsas(l.options);
        std::memcpy(e.tsas, tsas.data(), std::min(tsas.size(), sizeof e.tsas));
    }
    pad_with_spaces(e.trsvcid, at.trsvcid);
    pad_with_spaces(e.traddr, at.traddr);
    std::copy_n(s.nqn().begin(), std::min(s.nqn().size(), sizeof e.subnqn - 1), e.subnqn);
    return e;
}

template <class T>
void append(std::vector<std::byte>& page, const T& part) {
    const auto raw = std::as_bytes(std::span(&part, 1));
    page.insert(page.end(), raw.begin(), raw.end());
}

}  // namespace

std::vector<std::byte> discovery_log_page(const controller& c) {
    const target& t = c.subsystem().owner();
    const auto* const admin_queue = c.find_queue(0);
    const transport_address asked_at = admin_queue ? admin_queue->local : transport_address();
    std::vector<nvme::discovery_log_entry> entries;
    for (const auto& s : t.subsystems())
        if (!s->is_discovery() && s->allows(c.host_nqn()))
            for (const auto& l : s->listeners())
                if (const auto at = advertised_address(l->at, asked_at); at && l->port.get())  // else: not yet
                    entries.push_back(describe(*s, *l, *at, t));

    nvme::discovery_log_header header{};
    header.genctr = t.discovery_generation();
    header.numrec = entries.size();
    std::vector<std::byte> page;
    page.reserve(sizeof header + entries.size() * sizeof entries[0]);
    append(page, header);
    for (const auto& e : entries)
        append(page, e);
    return page;
}

}  // namespace causeway::nvmf
