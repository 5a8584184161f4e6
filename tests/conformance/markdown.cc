// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/markdown.h"

#include "nvme/identify.h"
#include "tests/conformance/row.h"

#include <algorithm>
#include <fmt/format.h>
#include <iterator>
#include <map>

namespace causeway::conformance {

namespace {

constexpr std::string_view head = R"(# What hosts are answered

`conformance --markdown` makes this document from the rows of `tests/conformance`, which `./test` runs against the
gateway over loop, TCP and RDMA. *final* is Do Not Retry. The place of an error is the byte (and bit) of the command
that the Error Information log page names; of a Connect, the offset that its completion names.

The namespace has blocks of 512 bytes, in memory. Identify says what depends on the device: ONCS, FUSES, and the fields
of the namespace. `tests/hostile` and `tests/tcp` send what a host library cannot: invalid data pointers, PDUs and
capsules out of order, wrong keys.
)";

/// "Invalid Field" of invalid_field. Where commands of fabrics and of I/O share a code, the row's.
std::string name_of(const row& r) {
    if (r.status.ok())
        return "success";
    std::string name = nvme::to_string(r.status.with_dnr(false));
    if (const auto bar = name.find('|'); bar != name.npos)
        name = r.sqe.opcode == nvme::fabrics_opcode ? name.substr(bar + 1) : name.substr(0, bar);
    std::replace(name.begin(), name.end(), '_', ' ');
    return fmt::format("{} ({:X}h/{:02X}h){}", name, nvme::to_underlying(r.status.type()), r.status.code(),
                       r.status.dnr() ? ", final" : "");
}

std::string place_of(const row& r) {
    if (r.status.is(nvme::sc::connect_invalid_parameters) && r.dw0)
        return fmt::format("{} {}", *r.dw0 >> 16 ? "data" : "command", *r.dw0 & 0xffff);
    if (!r.location)
        return "";
    return *r.location >> 8 ? fmt::format("{}, bit {}", *r.location & 0xff, *r.location >> 8)
                            : fmt::to_string(*r.location & 0xff);
}

std::string_view name_of(queue q) {
    switch (q) {
    case queue::connection: return "new";
    case queue::admin: return "admin";
    case queue::discovery: return "discovery";
    case queue::io:
    case queue::ana_io:
    case queue::authentication_io: return "I/O";
    case queue::ana:
    case queue::authentication: return "admin";
    }
    return "";
}

}  // namespace

std::string markdown() {
    // A device that can all: what depends on it is there.
    const target_info t{.subnqn = "nqn",
                        .hostnqn = "nqn",
                        .blocks = 65536,
                        .max_blocks = 256,
                        .max_nsid = 32,
                        .oncs = 0xffff,
                        .max_copy_sources = 16,
                        .has_ana = true,
                        .changes_ana = true,
                        .has_authentication = true};
    std::vector<std::string> order;
    std::map<std::string, std::vector<row>> by_command;
    for (row& r : all_rows(t)) {
        auto& rows = by_command[r.command];
        if (rows.empty())
            order.push_back(r.command);
        rows.push_back(std::move(r));
    }
    std::string out(head);
    for (const std::string& command : order) {
        fmt::format_to(std::back_inserter(out),
                       "\n## {}\n\n| sent | queue | answer | place | |\n|---|---|---|---|---|\n", command);
        for (const row& r : by_command[command])
            fmt::format_to(std::back_inserter(out), "| {} | {} | {} | {} | {} |\n", r.sent, name_of(r.on), name_of(r),
                           place_of(r), r.note);
    }
    return out;
}

}  // namespace causeway::conformance
