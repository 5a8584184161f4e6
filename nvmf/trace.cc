// SPDX-License-Identifier: Apache-2.0
#include "nvmf/trace.h"

#include "nvmf/model/controller.h"
#include "nvmf/target_side.h"

namespace causeway::nvmf {

core::log::flag trace_commands("nvmf");
core::log::flag trace_requests("requests");

namespace {

std::string host_of(const qpair& q) {
    const std::shared_ptr<controller>& c = side_of(q).controller;
    return c ? c->host_nqn() : q.peer_address().text();
}

std::string place_of(std::uint16_t location) {
    if (location == nvme::parameter_error_location_none)
        return {};
    return fmt::format(", byte {} bit {}", location & 0xff, location >> 8 & 7);
}

}  // namespace

[[gnu::cold]] void print_refused(const request& r, verdict v) noexcept {
    CAUSEWAY_TRACE(trace_commands, "{} queue {} cid {:#06x} opcode {:#04x}: {}{}", host_of(*r.qpair), r.qpair->qid(),
                   r.command.cid.value(), r.command.opcode, nvme::to_string(v.status), place_of(v.location));
}

[[gnu::cold]] void print_state(const request& r, std::string_view state) noexcept {
    CAUSEWAY_TRACE(trace_requests, "{} queue {} cid {:#06x} opcode {:#04x} nsid {}: {}", host_of(*r.qpair),
                   r.qpair->qid(), r.command.cid.value(), r.command.opcode, r.command.nsid.value(), state);
}

[[gnu::cold]] void print_completion(const request& r) noexcept {
    print_state(r, "completes: " + nvme::to_string(r.status()));
}

}  // namespace causeway::nvmf
