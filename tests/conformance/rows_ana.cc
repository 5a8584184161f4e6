// SPDX-License-Identifier: Apache-2.0
// Asymmetric Namespace Access: what a host is told of it, and what its commands get in each state. NVM Express Base
// Specification 2.0, "Asymmetric Namespace Access Reporting" and "ANA effects on Command Processing".
//
// Namespaces 1 to 5 are in the groups of their numbers, and these in the five states.

#include "tests/conformance/row_makers.h"

#include "nvme/features.h"
#include "nvme/identify.h"
#include "nvme/log_page.h"
#include "nvme/reservation.h"

#include <algorithm>
#include <fmt/format.h>

namespace causeway::conformance {

namespace {

using nvme::ana_state;
using nvme::fid;
using nvme::io_opcode;

constexpr std::uint32_t groups = 5, header_bytes = sizeof(nvme::ana_log_header);
constexpr std::uint32_t descriptor_bytes = sizeof(nvme::ana_group_descriptor);
constexpr std::uint32_t log_bytes = header_bytes + groups * (descriptor_bytes + 4);
constexpr std::uint32_t groups_only_bytes = header_bytes + groups * descriptor_bytes;
constexpr std::uint32_t ana_event = 0x000c0302;  // log page 0Ch, Asymmetric Namespace Access Change, a notice

const bytes page(nvme::identify_bytes);

struct group_state {
    std::uint32_t group;  ///< and the namespace in it
    const char* name;
    ana_state state;
    nvme::status status;  ///< of what needs the namespace
};
const group_state states[] = {
    {1, "optimized", ana_state::optimized, {}},
    {2, "non-optimized", ana_state::non_optimized, {}},
    {3, "inaccessible", ana_state::inaccessible, sc::asymmetric_access_inaccessible},
    {4, "persistent loss", ana_state::persistent_loss, sc::asymmetric_access_persistent_loss},
    {5, "change", ana_state::change, sc::asymmetric_access_transition},
};

template <class T>
T read_at(std::span<const std::byte> data, std::size_t offset) {
    T t{};
    std::memcpy(&t, &data[offset], sizeof t);
    return t;
}

/// A row that also looks at the data as one structure.
template <class T, class Check>
void expect(row& r, Check is_right, const char* what) {
    r.look = [is_right, what](const nvme::completion&, std::span<const std::byte> data) {
        return is_right(read_at<T>(data, 0)) ? std::string() : fmt::format("not {}", what);
    };
}

nvme::command identify(unsigned cns, std::uint32_t nsid = 0) {
    return nvme::make_identify(nvme::cns{static_cast<std::uint8_t>(cns)}, nsid);
}

// ---- Identify.

void add_ana_identify_rows(std::vector<row>& to) {
    row_adder plain(to, "Identify, ANA", queue::admin);
    expect<nvme::identify_controller>(
        plain.works("CNS 01h of a subsystem that reports none: CMIC bit 3, OAES "
                    "bit 11, ANACAP, ANAGRPMAX, NANAGRPID "
                    "and MNAN are 0",
                    identify(0x01), page),
        [](const nvme::identify_controller& c) {
            return !(c.cmic & nvme::cmic_ana) && !(c.oaes & nvme::oaes_ana_change) && c.anacap == 0 && c.anatt == 0 &&
                   c.anagrpmax == 0 && c.nanagrpid == 0 && c.mnan == 0;
        },
        "all 0");
    row_adder add(to, "Identify, ANA", queue::ana);
    expect<nvme::identify_controller>(
        add.works("CNS 01h: CMIC bit 3, OAES bit 11, ANATT, ANACAP 1Fh, "
                  "ANAGRPMAX = NANAGRPID = MNAN = NN",
                  identify(0x01), page),
        [](const nvme::identify_controller& c) {
            return c.cmic & nvme::cmic_ana && c.oaes & nvme::oaes_ana_change && c.anatt != 0 && c.anacap == 0x1f &&
                   c.nn != 0 && c.anagrpmax == c.nn && c.nanagrpid == c.nn && c.mnan == c.nn;
        },
        "what the fields should be");
    expect<nvme::namespace_list>(
        add.works("CNS 02h: namespaces in every state are active", identify(0x02), page),
        [](const nvme::namespace_list& l) {
            return l.nsid[0] == 1 && l.nsid[1] == 2 && l.nsid[2] == 3 && l.nsid[3] == 4 && l.nsid[4] == 5;
        },
        "namespaces 1 to 5");
    for (const group_state& s : states) {
        const bool hides = s.state == ana_state::inaccessible || s.state == ana_state::persistent_loss;
        const std::string in = fmt::format(", {}: ", s.name);
        expect<nvme::identify_namespace>(
            add.works("CNS 00h" + in + "ANAGRPID, NMIC bit 0" + (hides ? ", NUSE 0" : ", NUSE"),
                      identify(0x00, s.group), page),
            [=](const nvme::identify_namespace& n) {
                return n.anagrpid == s.group && n.nmic == nvme::nmic_shared && n.nsze != 0 && (n.nuse == 0) == hides;
            },
            "what the fields should be");
        expect<nvme::identify_namespace_independent>(
            add.works("CNS 08h" + in + "ANAGRPID, NMIC bit 0", identify(0x08, s.group), page),
            [=](const nvme::identify_namespace_independent& n) {
                return n.anagrpid == s.group && n.nmic == nvme::nmic_shared;
            },
            "what the fields should be");
        add.works("CNS 03h" + in + "identifiers", identify(0x03, s.group), page);
        add.works("CNS 05h" + in + "the NVM command set", identify(0x05, s.group), page);
    }
}

// ---- The log page.

nvme::command ana_log(std::uint32_t length, std::uint64_t offset = 0, std::uint8_t lsp = 0, std::uint32_t nsid = 0) {
    return with(nvme::make_get_log_page(nvme::lid::ana, length, nsid), [=](auto& c) {
        c.cdw10 = c.cdw10 | std::uint32_t{lsp} << 8;
        c.cdw12 = static_cast<std::uint32_t>(offset);
        c.cdw13 = static_cast<std::uint32_t>(offset >> 32);
    });
}

/// What is wrong with a whole page; `lists`: with namespaces.
std::string check_log(std::span<const std::byte> data, bool lists) {
    const auto head = read_at<nvme::ana_log_header>(data, 0);
    if (head.ngrps != groups || head.chgcnt == 0)
        return fmt::format("{} groups, change count {}", head.ngrps.value(), head.chgcnt.value());
    std::size_t at = header_bytes;
    for (const group_state& s : states) {
        const auto d = read_at<nvme::ana_group_descriptor>(data, at);
        at += descriptor_bytes;
        if (d.grpid != s.group || d.state != nvme::to_underlying(s.state) || d.nnsids != (lists ? 1 : 0) ||
            d.chgcnt > head.chgcnt)
            return fmt::format("the descriptor of group {} is wrong", s.group);
        if (!lists)
            continue;
        if (read_at<nvme::le32>(data, at) != s.group)
            return fmt::format("the namespace of group {} is wrong", s.group);
        at += 4;
    }
    for (; at < data.size(); ++at)
        if (data[at] != std::byte{})
            return fmt::format("byte {} behind the end of the page is not 0", at);
    return {};
}

row& is_whole(row& r, bool lists) {
    r.look = [lists](const nvme::completion&, std::span<const std::byte> data) { return check_log(data, lists); };
    return r;
}

void is_zero(row& r) {
    r.look = [](const nvme::completion&, std::span<const std::byte> data) {
        return std::ranges::all_of(data, [](std::byte b) { return b == std::byte{}; }) ? "" : "not zeroes";
    };
}

void add_log_rows(std::vector<row>& to) {
    constexpr std::uint8_t rgo = nvme::ana_lsp_return_groups_only;
    const bytes room(1024), little(64);
    const nvme::status absent = sc::invalid_log_page.with_dnr();
    const std::string name = "Get Log Page, LID 0Ch: Asymmetric Namespace Access";
    row_adder(to, name, queue::admin)
        .fails("of a subsystem that reports none", ana_log(1024), absent, at_cdw10, 0, room);
    row_adder(to, name, queue::discovery).fails("of a discovery controller", ana_log(1024), absent, at_cdw10, 0, room);

    row_adder add(to, name, queue::ana);
    is_whole(add.works("the page: five groups in their states, each with its namespace", ana_log(1024), room), true);
    is_whole(add.works("RGO: without namespaces", ana_log(1024, 0, rgo), room), false);
    is_whole(
        add.works("RAE: the event stays", with(ana_log(1024), [](auto& c) { c.cdw10 = c.cdw10 | 1u << 15; }), room),
        true);
    is_whole(add.works("LSP 02h: a reserved bit", ana_log(1024, 0, 2), room), true).note = "reserved bits are ignored";
    is_whole(add.works("NSID FFFFFFFFh", ana_log(1024, 0, 0, nvme::broadcast_nsid), room), true);
    add.fails("NSID 1: no page is about a namespace", ana_log(1024, 0, 0, 1), invalid_field, at_nsid, 0, room);
    expect<nvme::le64>(
        add.works("NUMD 1: the change count", ana_log(8), bytes(8)), [](const nvme::le64& count) { return count != 0; },
        "a count");
    add.works("NUMD 0: one dword", ana_log(4), bytes(4));
    expect<nvme::ana_group_descriptor>(
        add.works("LPO 16: the first descriptor", ana_log(32, header_bytes), bytes(32)),
        [](const nvme::ana_group_descriptor& d) { return d.grpid == 1 && d.nnsids == 1; }, "of group 1");
    expect<nvme::ana_group_descriptor>(
        add.works("LPO 48 with RGO: the second descriptor", ana_log(32, header_bytes + descriptor_bytes, rgo),
                  bytes(32)),
        [](const nvme::ana_group_descriptor& d) { return d.grpid == 2 && d.nnsids == 0; }, "of group 2");
    is_zero(add.works("LPO at the end of the page: zeroes", ana_log(64, log_bytes), little));
    is_zero(add.works("LPO at the end of the page with RGO: zeroes", ana_log(64, groups_only_bytes, rgo), little));
    struct {
        const char* sent;
        std::uint64_t offset;
        std::uint8_t lsp;
    } const beyond[] = {{"LPO behind the end", log_bytes + 4, 0},
                        {"LPO behind the end with RGO", groups_only_bytes + 4, rgo},
                        {"LPO 2: not a multiple of 4", 2, 0},
                        {"LPOU 1: 4 GiB behind the beginning", 1ull << 32, 0},
                        {"LPO FFFFFFFFFFFFFFFCh: the end wraps around", ~3ull, 0}};
    for (const auto& b : beyond)
        add.fails(b.sent, ana_log(64, b.offset, b.lsp), invalid_field, at_cdw12, 0, little);
    add.fails("OT: the offset is an index", with(ana_log(64), [](auto& c) { c.cdw14 = 1u << 23; }), invalid_field, 58,
              7, little);
}

// ---- Commands in each state.

nvme::command block_command(io_opcode op, std::uint32_t nsid) {
    const bool moves_data = op != io_opcode::write_zeroes && op != io_opcode::verify;
    return nvme::make_block_command(op, nsid, 0, 1, moves_data ? block_size : 0);
}

nvme::command reservation(io_opcode op, std::uint32_t nsid, std::uint32_t length, std::uint32_t cdw10,
                          std::uint32_t cdw11 = 0) {
    return with(nvme::make_command(nvme::to_underlying(op), nsid, length), [=](auto& c) {
        c.cdw10 = cdw10;
        c.cdw11 = cdw11;
    });
}

struct io_kind {
    const char* name;
    nvme::command (*make)(std::uint32_t nsid);
    bytes data;
    std::uint16_t oncs = 0;     ///< that offers it; 0: always
    bool if_accessible = true;  ///< also where it would be executed
};

std::vector<io_kind> io_kinds() {
    nvme::copy_range source{};
    source.slba = 8;
    const bytes one(block_size);
    return {
        {"Read", [](std::uint32_t n) { return block_command(io_opcode::read, n); }, one},
        {"Write", [](std::uint32_t n) { return block_command(io_opcode::write, n); }, one},
        {"Compare", [](std::uint32_t n) { return block_command(io_opcode::compare, n); }, one},
        {"Write Zeroes", [](std::uint32_t n) { return block_command(io_opcode::write_zeroes, n); }, {}},
        {"Flush", nvme::make_flush, {}},
        {"Dataset Management", [](std::uint32_t n) { return nvme::make_deallocate(n, 1); },
         bytes_of(nvme::dsm_range{.cattr = 0, .nlb = 1, .slba = 0})},
        {"Verify", [](std::uint32_t n) { return block_command(io_opcode::verify, n); }, {}, nvme::oncs_verify},
        {"Copy", [](std::uint32_t n) { return nvme::make_copy(n, 0, 1); }, bytes_of(source), nvme::oncs_copy},
        {"Reservation Report", [](std::uint32_t n) { return reservation(io_opcode::reservation_report, n, 64, 15, 1); },
         bytes(64), nvme::oncs_reservations},
        {"Reservation Register", [](std::uint32_t n) { return reservation(io_opcode::reservation_register, n, 16, 0); },
         bytes_of(nvme::reservation_register_data{.crkey = 0, .nrkey = 1}), nvme::oncs_reservations, false},
        {"Reservation Acquire",
         [](std::uint32_t n) { return reservation(io_opcode::reservation_acquire, n, 16, 1 << 8); }, bytes(16),
         nvme::oncs_reservations, false},
        {"Reservation Release",
         [](std::uint32_t n) { return reservation(io_opcode::reservation_release, n, 8, 1 << 8); }, bytes(8),
         nvme::oncs_reservations, false},
    };
}

row& answers(row_adder& add, std::string sent, nvme::command c, nvme::status status, bytes data = {}) {
    return add.fails_without_location(std::move(sent), c, status, std::move(data));
}

void add_state_rows(std::vector<row>& to, const target_info& t) {
    for (const group_state& s : states) {
        row_adder add(to, fmt::format("ANA state {}", s.name), queue::ana_io);
        for (const io_kind& k : io_kinds())
            if ((!k.oncs || t.oncs & k.oncs) && (k.if_accessible || !s.status.ok()))
                answers(add, k.name, k.make(s.group), s.status, k.data);
        row_adder features(to, fmt::format("ANA state {}", s.name), queue::ana);
        if (!(t.oncs & nvme::oncs_reservations))
            continue;
        for (const auto& [f, name] : {std::pair{fid::reservation_notification_mask, "FID 82h"},
                                      std::pair{fid::reservation_persistence, "FID 83h"}}) {
            const auto of_namespace = [&](nvme::command c) { return with(c, [&](auto& x) { x.nsid = s.group; }); };
            answers(features, std::string("Get Features, ") + name, of_namespace(nvme::make_get_features(f)), s.status);
            answers(features, std::string("Set Features, ") + name, of_namespace(nvme::make_set_features(f, 0)),
                    s.status);
        }
    }
    row_adder all(to, "ANA state of some namespaces", queue::ana_io);
    answers(all, "Flush, NSID FFFFFFFFh", nvme::make_flush(~0u), sc::asymmetric_access_inaccessible).note =
        "as long as one is refused, none is flushed";
    row_adder admin(to, "ANA state of some namespaces", queue::ana);
    if (t.oncs & nvme::oncs_reservations)
        answers(admin, "Set Features, FID 82h, NSID FFFFFFFFh",
                with(nvme::make_set_features(fid::reservation_notification_mask, 0), [](auto& c) { c.nsid = ~0u; }),
                sc::asymmetric_access_inaccessible);
    row_adder not_refused(to, "ANA state of some namespaces", queue::ana_io);
    not_refused.fails("opcode 10h, reserved, to a namespace that is inaccessible", nvme::make_command(0x10, 3),
                      invalid_opcode, 0);
    not_refused.fails("NSID that is not active", block_command(io_opcode::read, 6), invalid_namespace, at_nsid, 0,
                      bytes(block_size));
}

// ---- What changes.

void add_change_rows(std::vector<row>& to, const target_info& t) {
    using list = std::vector<ana_change>;
    const bytes one(block_size), room(1024);
    const nvme::command read = block_command(io_opcode::read, 2);
    const nvme::status transition = sc::asymmetric_access_transition;
    row_adder io(to, "ANA state that changes", queue::ana_io), admin(to, "ANA state that changes", queue::ana);
    const auto changed = [](row& r, list changes, std::optional<std::uint32_t> event) -> row& {
        r.before = std::move(changes);
        r.event = event;
        return r;
    };
    changed(answers(io, "Read, after non-optimized became inaccessible", read, sc::asymmetric_access_inaccessible, one),
            list{{2, ana_state::inaccessible}}, ana_event)
        .note = "the event 000C0302h has come";
    admin.works("the log page is read", ana_log(1024), room);
    answers(io, "Read, still inaccessible", read, sc::asymmetric_access_inaccessible, one);
    changed(answers(io, "Read, after it became optimized", read, transition, one), list{{2, ana_state::optimized}},
            ana_event)
        .note = "until the controller has read the log page: what lay here while "
                "another path was used must not run";
    answers(io, "Write, likewise", block_command(io_opcode::write, 2), transition, one);
    io.works("Read of another group", block_command(io_opcode::read, 1), one);
    admin.works("the log page is read", ana_log(1024), room);
    io.works("Read, after the log page was read", read, one);
    changed(answers(io, "Read, after it became change", read, transition, one), list{{2, ana_state::change}}, {}).note =
        "without an event: the state that follows causes one";
    changed(answers(io, "Read, after change became non-optimized", read, transition, one),
            list{{2, ana_state::non_optimized}}, ana_event);
    admin.works("the log page is read", ana_log(1024), room);
    io.works("Read, after the log page was read", read, one);
    changed(io.works("Read, after non-optimized became optimized", read, one), list{{2, ana_state::optimized}},
            ana_event)
        .note = "it was accessible all the time";
    admin.works("the log page is read", ana_log(1024), room);

    const nvme::connect_parameters good{.subnqn = t.ana_subnqn, .hostnqn = t.hostnqn, .hostid = t.hostid};
    row_adder connect(to, "ANA state that changes", queue::connection);
    connect
        .works("Connect, while no group is accessible", nvme::make_connect_command(good, 32),
               bytes_of(nvme::make_connect_data(good)))
        .before = {{1, ana_state::inaccessible}, {2, ana_state::inaccessible}};
    admin.works("Identify, CNS 01h, while no group is accessible", identify(0x01), page);
    admin.works("the log page is read", ana_log(1024), room);
    changed(answers(io, "Read, after one is accessible", read, transition, one),
            list{{1, ana_state::optimized}, {2, ana_state::non_optimized}}, ana_event);
    is_whole(admin.works("the log page is read", ana_log(1024), room), true);
    io.works("Read, after the log page was read", read, one);
}

}  // namespace

void add_ana_rows(std::vector<row>& to, const target_info& t) {
    if (!t.has_ana)
        return;
    add_ana_identify_rows(to);
    add_log_rows(to);
    add_state_rows(to, t);
    if (t.changes_ana)
        add_change_rows(to, t);
}

}  // namespace causeway::conformance
