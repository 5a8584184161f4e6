// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/reservation_report.h"

#include "nvme/fabrics.h"
#include "nvme/make_command.h"
#include "nvme/reservation.h"
#include "tests/fuzz/must.h"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace causeway::fuzz {

nvme::command make_reservation_report(std::uint32_t nsid) noexcept {
    nvme::command c = nvme::make_command(nvme::to_underlying(nvme::io_opcode::reservation_report), nsid, report_size);
    c.cdw10 = report_size / 4 - 1;
    c.cdw11 = 1;  // EDS
    return c;
}

reservation_report decode_report(std::span<const std::byte> page) {
    nvme::reservation_status_extended_header head;
    must(page.size() == report_size);
    std::memcpy(&head, page.data(), sizeof head);
    must(head.status.rtype <= nvme::to_underlying(nvme::reservation_type::exclusive_access_all_registrants));
    reservation_report r;
    r.state.generation = head.status.gen;
    r.state.type = static_cast<nvme::reservation_type>(head.status.rtype);
    const std::size_t registrants = head.status.regctl;
    must(sizeof head + registrants * sizeof(nvme::registered_controller_extended) <= page.size());
    const bool all_hold = nvmf::reservation::is_all_registrants(r.state.type);
    for (std::size_t i = 0; i < registrants; ++i) {
        nvme::registered_controller_extended e;
        std::memcpy(&e, page.data() + sizeof head + i * sizeof e, sizeof e);
        must(e.cntlid == nvme::cntlid_dynamic && e.rkey != 0);
        nvmf::reservation::registrant one{.key = e.rkey};
        std::copy(std::begin(e.hostid), std::end(e.hostid), one.host.begin());
        must(one.host != nvmf::reservation::host_id{});
        must(i == 0 || r.state.registrants.back().host < one.host);
        r.state.registrants.push_back(one);
        if (!(e.rcsts & nvme::rcsts_holds_reservation))
            continue;
        ++r.holders;
        if (!all_hold)
            r.state.holder = one.host;
    }
    must(r.holders == (all_hold ? registrants : r.state.is_held() ? 1 : 0));
    must(registrants != 0 || !r.state.is_held());
    return r;
}

}  // namespace causeway::fuzz
