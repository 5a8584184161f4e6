// SPDX-License-Identifier: Apache-2.0
#include "nvme/discovery.h"

#include "nvme/text.h"
#include "nvmf/testing/target_fixture.h"

namespace causeway::nvmf::test {
namespace {

class discovery : public testing::Test {
  protected:
    nvmf_fixture w;

    struct log {
        nvme::discovery_log_header header;
        std::vector<nvme::discovery_log_entry> entries;
    };
    nvme::discovery_log_entry read_entry(host& d, std::uint64_t i) {
        return d.admin->call(get_log_page(nvme::lid::discovery, 1024, 1024 * (i + 1)))
            .page<nvme::discovery_log_entry>();
    }
    /// The first entry is that of the discovery subsystem itself: here are the others.
    log read(host& d) {
        log l{};
        l.header = d.admin->call(get_log_page(nvme::lid::discovery, 1024)).page<nvme::discovery_log_header>();
        for (std::uint64_t i = 1; i < l.header.numrec; ++i)
            l.entries.push_back(read_entry(d, i));
        return l;
    }
    host ask(std::string nqn) { return w.make_host(std::move(nqn), 0, std::string(nvme::discovery_nqn)); }
};

TEST_F(discovery, has_an_entry_for_each_listener_byte_by_byte) {
    auto& s = w.make_subsystem();
    ASSERT_TRUE(w.run(s.listeners().add({"FAKE", "IPv6", "fe80::1", "4421"})));
    host d = ask(host_a);
    const log l = read(d);
    EXPECT_EQ(l.header.recfmt, 0u);
    ASSERT_EQ(l.entries.size(), 2u);
    const bytes e = raw(l.entries[0]);
    const auto text = [&](std::size_t at, std::size_t n) {
        return std::string(reinterpret_cast<const char*>(&e[at]), n);
    };
    EXPECT_EQ(e[0], std::byte{254}) << "TRTYPE: within the host";
    EXPECT_EQ(e[1], std::byte{1}) << "ADRFAM: IPv4";
    EXPECT_EQ(e[2], std::byte{2}) << "SUBTYPE: NVM subsystem";
    EXPECT_EQ(e[3], std::byte{4}) << "TREQ: nothing of a secure channel, SQ flow control may be off";
    EXPECT_EQ(bytes(e.begin() + 4, e.begin() + 6), raw(nvme::le16(1))) << "PORTID";
    EXPECT_EQ(bytes(e.begin() + 6, e.begin() + 8), raw(nvme::le16(0xffff))) << "CNTLID: dynamic";
    EXPECT_EQ(bytes(e.begin() + 8, e.begin() + 10), raw(nvme::le16(128))) << "ASQSZ";
    EXPECT_EQ(bytes(e.begin() + 10, e.begin() + 32), bytes(22)) << "EFLAGS";
    EXPECT_EQ(text(32, 32), "4420" + std::string(28, ' '));
    EXPECT_EQ(text(256, 256), subsystem_nqn + std::string(256 - subsystem_nqn.size(), '\0'));
    EXPECT_EQ(text(512, 256), "10.0.0.1" + std::string(248, ' '));
    EXPECT_EQ(bytes(e.begin() + 768, e.begin() + 772), (bytes{std::byte{1}, std::byte{5}, std::byte{1}, std::byte{0}}))
        << "TSAS, from the transport";
    EXPECT_EQ(l.entries[1].adrfam, 2u);
    EXPECT_EQ(l.entries[1].portid, 2u);
}

TEST_F(discovery, has_an_entry_of_its_own) {
    w.make_subsystem();
    host d = ask(host_a);
    const auto e = read_entry(d, 0);
    EXPECT_EQ(e.subtype, 3u) << "the discovery subsystem that answers";
    EXPECT_EQ(std::string_view(e.subnqn), nvme::discovery_nqn);
    EXPECT_EQ(nvme::padded_text(e.traddr), here.traddr) << "where it was asked";
    EXPECT_EQ(nvme::padded_text(e.trsvcid), here.trsvcid);
    EXPECT_EQ(e.portid, 1u);
    EXPECT_EQ(e.eflags, 2u) << "EPCSD: a host may stay connected, and hears of changes";
}

TEST_F(discovery, says_which_listeners_are_secured) {
    auto& s = w.make_subsystem();
    ASSERT_TRUE(w.run(s.listeners().add(elsewhere, {.secure_channel = true})));
    host d = ask(host_a);
    const log l = read(d);
    ASSERT_EQ(l.entries.size(), 2u);
    EXPECT_EQ(l.entries[1].treq, 5u) << "TREQ: secure channel required, SQ flow control may be off";
    EXPECT_EQ(l.entries[0].tsas[3], 0u);
    EXPECT_EQ(l.entries[1].tsas[3], 1u) << "the transport was told";
}

TEST_F(discovery, a_wildcard_is_the_address_by_which_the_host_came) {
    auto& s = w.make_subsystem();
    ASSERT_TRUE(w.run(s.listeners().add({"FAKE", "IPv4", "0.0.0.0", "4421"})));
    ASSERT_TRUE(w.run(s.listeners().add({"FAKE", "IPv6", "::", "4421"})));
    const auto seen_from = [&](const transport_address& at) {
        host d;
        d.admin = &w.connect_to(0, at);
        EXPECT_TRUE(d.admin->call(connect(0), raw(connect_data(nvme::discovery_nqn, host_a))).status().ok());
        w.enable(d);
        std::vector<std::string> all;
        for (const auto& e : read(d).entries) {
            const std::string_view traddr(e.traddr, sizeof e.traddr), trsvcid(e.trsvcid, sizeof e.trsvcid);
            all.push_back(std::string(traddr.substr(0, traddr.find(' '))) + " " + std::string(trsvcid.substr(0, 4)));
        }
        return all;
    };
    using list = std::vector<std::string>;
    EXPECT_EQ(seen_from(here), (list{"10.0.0.1 4420", "10.0.0.1 4421"}));
    EXPECT_EQ(seen_from({"FAKE", "IPv4", "10.0.0.7", "4421"}), (list{"10.0.0.1 4420", "10.0.0.7 4421"}));
    EXPECT_EQ(seen_from({"FAKE", "IPv6", "fd77::1", "4421"}), (list{"10.0.0.1 4420", "fd77::1 4421"}));
    EXPECT_EQ(seen_from({"FAKE", "IPv6", "fe80::1%eth0", "4421"}), (list{"10.0.0.1 4420", "fe80::1 4421"}));
}

TEST_F(discovery, shows_a_host_what_it_may_use) {
    auto& open = w.make_subsystem();
    auto& closed = w.make_subsystem("nqn.2024-01.io.example:closed");
    w.run(closed.access().set_allow_any_host(false));
    EXPECT_TRUE(closed.access().add_host(host_b));
    host a = ask(host_a), b = ask(host_b);
    EXPECT_EQ(read(a).entries.size(), 1u);
    EXPECT_EQ(read(b).entries.size(), 2u);
    EXPECT_EQ(read(b).entries[0].portid, read(b).entries[1].portid) << "the same port";
    EXPECT_TRUE(w.run(closed.access().remove_host(host_b)));
    EXPECT_EQ(read(b).entries.size(), 1u);
    EXPECT_TRUE(w.run(open.listeners().remove(here)));
    EXPECT_EQ(read(a).entries.size(), 0u);
}

TEST_F(discovery, generation_moves_with_every_change) {
    auto& s = w.make_subsystem();
    host d = ask(host_a);
    std::uint64_t last = read(d).header.genctr;
    EXPECT_EQ(read(d).header.genctr, last);
    const auto moved = [&] {
        const std::uint64_t now = read(d).header.genctr;
        return std::exchange(last, now) < now;
    };
    EXPECT_TRUE(w.run(s.listeners().add(elsewhere)));
    EXPECT_TRUE(moved());
    EXPECT_TRUE(w.run(s.listeners().remove(elsewhere)));
    EXPECT_TRUE(moved());
    w.run(s.access().set_allow_any_host(false));
    EXPECT_TRUE(moved());
    EXPECT_TRUE(s.access().add_host(host_a));
    EXPECT_TRUE(moved());
    EXPECT_TRUE(w.run(s.access().remove_host(host_a)));
    EXPECT_TRUE(moved());
    EXPECT_TRUE(s.access().add_host(host_b));
    EXPECT_FALSE(moved()) << "it is another host's";
    EXPECT_TRUE(s.access().add_host(host_a));
    EXPECT_TRUE(moved());
    EXPECT_TRUE(w.run(w.target.delete_subsystem(subsystem_nqn)));
    EXPECT_TRUE(moved());
    EXPECT_FALSE(moved());
}

TEST_F(discovery, generation_and_events_are_of_what_the_host_sees) {
    auto& s = w.make_subsystem();
    auto& closed = w.make_subsystem("nqn.2024-01.io.example:closed");
    w.run(closed.access().set_allow_any_host(false));
    EXPECT_TRUE(closed.access().add_host(host_b));
    host d = ask(host_a);
    d.admin->call(set_features(nvme::fid::async_event_configuration, 0x80000000));
    const std::uint64_t before = read(d).header.genctr;
    const capsule& event = d.admin->send(admin(nvme::admin_opcode::async_event_request));
    const auto change = [&](const char* sentence, const std::function<void()>& make) {
        SCOPED_TRACE(sentence);
        make();
        w.pass(std::chrono::seconds(1));
        EXPECT_EQ(read(d).header.genctr, before);
        EXPECT_FALSE(event.answered);
    };
    const transport_address other_family{"FAKE", "IPv6", "::", "4421"};
    change("at all addresses of the other family", [&] { EXPECT_TRUE(w.run(s.listeners().add(other_family))); });
    change("and no more", [&] { EXPECT_TRUE(w.run(s.listeners().remove(other_family))); });
    change("it is not allowed there", [&] { EXPECT_TRUE(w.run(closed.listeners().add(elsewhere))); });
    change("nor is it now", [&] { EXPECT_TRUE(closed.access().add_host(host_b + "0")); });
    change("it may ask, as before", [&] { EXPECT_TRUE(w.target.discovery().access().add_host(host_a)); });
    change("others may not", [&] { w.run(w.target.discovery().access().set_allow_any_host(false)); });
    change("discovery listens where the host asks",
           [&] { EXPECT_TRUE(w.run(w.target.discovery().listeners().add(here))); });
    change("something without a listener", [&] {
        subsystem_options o;
        o.nqn = "nqn.2024-01.io.example:nowhere";
        o.allow_any_host = true;
        EXPECT_TRUE(w.run(w.target.create_subsystem(o)));
        EXPECT_TRUE(w.run(w.target.delete_subsystem(o.nqn)));
    });
    EXPECT_TRUE(w.run(s.listeners().add(elsewhere)));
    EXPECT_TRUE(w.until([&] { return event.answered; }));
    EXPECT_EQ(event.dw0(), 0x0070f002u);
    EXPECT_GT(read(d).header.genctr, before);
}

TEST_F(discovery, has_entries_of_listeners_of_its_own) {
    w.make_subsystem();
    auto& itself = w.target.discovery();
    host d = ask(host_a);
    const std::uint64_t before = read(d).header.genctr;
    EXPECT_TRUE(w.run(itself.listeners().add(here)));
    EXPECT_TRUE(w.run(itself.listeners().add(elsewhere)));
    const log l = read(d);
    EXPECT_GT(l.header.genctr, before);
    ASSERT_EQ(l.entries.size(), 2u) << "where the host asks it is listed already";
    EXPECT_EQ(l.entries[0].subtype, 3u);
    EXPECT_EQ(l.entries[0].eflags, 2u);
    EXPECT_EQ(nvme::padded_text(l.entries[0].traddr), elsewhere.traddr);
    EXPECT_EQ(std::string_view(l.entries[0].subnqn), nvme::discovery_nqn);
    EXPECT_EQ(l.entries[1].subtype, 2u);
    EXPECT_TRUE(w.run(itself.listeners().remove(elsewhere)));
    EXPECT_EQ(read(d).entries.size(), 1u);
}

struct filter_row {
    const char* sentence;
    discovery_filter filter;
    std::vector<std::string> seen;  ///< by a host that asks at 10.0.0.1:4420
};
const filter_row filter_rows[] = {
    {"no filter", {}, {"10.0.0.1:4420", "10.0.0.1:4421", "10.0.0.2:4420", "10.0.0.1:4422"}},
    {"the same fabric", {.transport = true}, {"10.0.0.1:4420", "10.0.0.1:4421", "10.0.0.2:4420", "10.0.0.1:4422"}},
    {"the same address", {.address = true}, {"10.0.0.1:4420", "10.0.0.1:4421", "10.0.0.1:4422"}},
    {"the same port", {.service = true}, {"10.0.0.1:4420", "10.0.0.2:4420"}},
    {"both", {.address = true, .service = true}, {"10.0.0.1:4420"}},
};

TEST(discovery_filter, lets_listeners_pass_that_agree_with_where_the_host_asks) {
    for (const filter_row& row : filter_rows) {
        SCOPED_TRACE(row.sentence);
        nvmf_fixture w(1, 2, {.filter = row.filter});
        auto& s = w.make_subsystem();
        for (const transport_address& at : {transport_address{"FAKE", "IPv4", "10.0.0.1", "4421"}, elsewhere,
                                            transport_address{"FAKE", "IPv4", "0.0.0.0", "4422"}})
            EXPECT_TRUE(w.run(s.listeners().add(at)));
        host d = w.make_host(host_a, 0, std::string(nvme::discovery_nqn));
        const bytes page = d.admin->call(get_log_page(nvme::lid::discovery, 6 * 1024)).data;
        std::vector<std::string> seen;
        for (std::size_t at = 2 * 1024; at + 1024 <= page.size(); at += 1024) {
            nvme::discovery_log_entry e;
            std::memcpy(&e, &page[at], sizeof e);
            if (e.subtype == 2)
                seen.push_back(std::string(nvme::padded_text(e.traddr)) + ":" +
                               std::string(nvme::padded_text(e.trsvcid)));
        }
        EXPECT_EQ(seen, row.seen);
    }
}

// ---- Extended entries.

constexpr std::uint32_t extended = 1 << 8;  ///< of CDW10: LSP, EXTDLPE

nvme::command get_extended_log(std::uint32_t length, std::uint64_t offset = 0) {
    nvme::command c = get_log_page(nvme::lid::discovery, length, offset);
    c.cdw10 = c.cdw10 | extended;
    return c;
}

TEST_F(discovery, can_have_extended_entries_byte_by_byte) {
    subsystem_options o;
    o.nqn = subsystem_nqn;
    o.allow_any_host = true;
    o.admin_label = "Rack 7";
    auto labelled = w.run(w.target.create_subsystem(o));
    ASSERT_TRUE(labelled);
    EXPECT_TRUE(w.run((*labelled)->listeners().add(here)));
    host d = ask(host_a);
    EXPECT_EQ(
        d.admin->call(get_log_page(nvme::lid::supported_log_pages, 1024)).page<nvme::supported_log_pages>().page[0x70],
        0x00010001u)
        << "LSUPP, and EXTDLPES";

    constexpr std::size_t size = 1024 + 1032 + 1044;
    const capsule& answer = d.admin->call(get_extended_log(size));
    const bytes& page = answer.data;
    const bytes plain = d.admin->call(get_log_page(nvme::lid::discovery, 3 * 1024)).data;
    const auto part = [](const bytes& of, std::size_t at, std::size_t n) {
        return bytes(of.begin() + static_cast<std::ptrdiff_t>(at), of.begin() + static_cast<std::ptrdiff_t>(at + n));
    };
    EXPECT_EQ(part(page, 0, 18), part(plain, 0, 18)) << "GENCTR, NUMREC and RECFMT";
    EXPECT_EQ(page[18], std::byte{1}) << "DLPF: EXTDLPE";
    EXPECT_EQ(part(page, 20, 4), raw(nvme::le32(size))) << "TDLPL";
    EXPECT_EQ(plain[18], std::byte{0});
    EXPECT_EQ(part(page, 1024, 1024), part(plain, 1024, 1024)) << "discovery itself";
    EXPECT_EQ(part(page, 2048, 4), raw(nvme::le32(1032))) << "TEL";
    EXPECT_EQ(part(page, 2052, 4), bytes(4)) << "NUMEXAT";
    EXPECT_EQ(part(page, 2056, 1024), part(plain, 2048, 1024)) << "the subsystem";
    EXPECT_EQ(part(page, 3080, 4), raw(nvme::le32(1044))) << "TEL";
    EXPECT_EQ(part(page, 3084, 4), raw(nvme::le32(1))) << "NUMEXAT";
    EXPECT_EQ(part(page, 3088, 4), raw(nvme::le32(8 << 16 | 2))) << "EXATTYPE: admin label; EXATLEN";
    EXPECT_EQ(part(page, 3092, 8), raw(std::to_array({'R', 'a', 'c', 'k', ' ', '7', '\0', '\0'})));

    bytes parts;
    for (std::uint32_t at = 0; at < size; at += 100) {
        const bytes next = d.admin->call(get_extended_log(std::min<std::uint32_t>(100, size - at), at)).data;
        parts.insert(parts.end(), next.begin(), next.end());
    }
    EXPECT_EQ(parts, page) << "in parts as at once";
    EXPECT_TRUE(d.admin->call(get_extended_log(4, size + 4)).status().is(sc::invalid_field));
}

TEST_F(discovery, a_whole_log_can_be_read_at_once_or_in_parts) {
    for (int i = 0; i < 20; ++i)
        w.make_subsystem("nqn.2024-01.io.example:n" + std::to_string(i));
    host d = ask(host_a);
    const bytes whole = d.admin->call(get_log_page(nvme::lid::discovery, 22 * 1024)).data;
    bytes parts;
    for (std::uint32_t at = 0; at < whole.size(); at += 4096) {
        const auto n = std::min<std::uint32_t>(4096, static_cast<std::uint32_t>(whole.size()) - at);
        const bytes part = d.admin->call(get_log_page(nvme::lid::discovery, n, at, true)).data;
        parts.insert(parts.end(), part.begin(), part.end());
    }
    EXPECT_EQ(parts, whole);
    EXPECT_TRUE(d.admin->call(get_log_page(nvme::lid::discovery, 1024, 22 * 1024 + 4)).status().is(sc::invalid_field));
}

TEST_F(discovery, parts_of_a_log_fit_together_whatever_changes_between_them) {
    for (int i = 0; i < 3; ++i)
        w.make_subsystem("nqn.2024-01.io.example:n" + std::to_string(i));
    host d = ask(host_a);
    const auto before = d.admin->call(get_log_page(nvme::lid::discovery, 1024)).page<nvme::discovery_log_header>();
    EXPECT_EQ(before.numrec, 1u + 3);
    for (int i = 0; i < 3; ++i)
        EXPECT_TRUE(w.run(w.target.delete_subsystem("nqn.2024-01.io.example:n" + std::to_string(i))));
    for (std::uint32_t i = 1; i <= 3; ++i) {
        const capsule& part = d.admin->call(get_log_page(nvme::lid::discovery, 1024, 1024 * (i + 1)));
        ASSERT_EQ(part.status(), sc::success) << "it is as long as the header said";
        EXPECT_EQ(part.page<nvme::discovery_log_entry>().subnqn, "nqn.2024-01.io.example:n" + std::to_string(i - 1));
    }
    const auto after = d.admin->call(get_log_page(nvme::lid::discovery, 1024)).page<nvme::discovery_log_header>();
    EXPECT_GT(after.genctr, before.genctr) << "so that the host reads again";
    EXPECT_EQ(after.numrec, 1u);
}

TEST_F(discovery, is_put_together_once_for_a_change_that_concerns_the_host) {
    auto& s = w.make_subsystem();
    w.run(s.access().set_allow_any_host(false));
    host a = ask(host_a), again = ask(host_a), b = ask(host_b);
    for (host* h : {&a, &again, &b})
        read(*h);
    const auto built_by = [&](const std::function<void()>& change) {
        const std::uint64_t before = w.target.discovery_log().pages_built();
        change();
        for (int i = 0; i < 3; ++i)
            for (host* h : {&a, &again, &b})
                read(*h);
        return w.target.discovery_log().pages_built() - before;
    };
    EXPECT_EQ(built_by([] {}), 0u);
    EXPECT_EQ(built_by([&] { EXPECT_TRUE(s.access().add_host(host_a)); }), 1u) << "for both controllers of one host";
    EXPECT_EQ(built_by([&] { EXPECT_TRUE(w.run(s.listeners().add(elsewhere))); }), 1u) << "the other may not see it";
    EXPECT_EQ(built_by([&] { w.run(s.access().set_allow_any_host(true)); }), 1u) << "it was on the list before";
    EXPECT_EQ(built_by([&] { EXPECT_TRUE(w.run(s.listeners().remove(elsewhere))); }), 2u);
    EXPECT_EQ(built_by([&] {
                  subsystem_options o;
                  o.nqn = "nqn.2024-01.io.example:nowhere";
                  EXPECT_TRUE(w.run(w.target.create_subsystem(o)));
                  EXPECT_TRUE(w.run(w.target.delete_subsystem(o.nqn)));
              }),
              0u)
        << "what has no listener is in no log";
}

TEST_F(discovery, tells_only_hosts_whose_log_has_changed) {
    auto& s = w.make_subsystem();
    w.run(s.access().set_allow_any_host(false));
    EXPECT_TRUE(s.access().add_host(host_a));
    host a = ask(host_a), b = ask(host_b);
    capsule* waiting[2];
    for (host* h : {&a, &b}) {
        h->admin->call(set_features(nvme::fid::async_event_configuration, 0x80000000));
        waiting[h == &b] = &h->admin->send(admin(nvme::admin_opcode::async_event_request));
    }
    EXPECT_TRUE(w.run(s.listeners().add(elsewhere)));
    EXPECT_TRUE(w.until([&] { return waiting[0]->answered; }));
    w.pass(std::chrono::seconds(1));
    EXPECT_FALSE(waiting[1]->answered) << "it may not use the subsystem";
    EXPECT_TRUE(s.access().add_host(host_b));
    EXPECT_TRUE(w.until([&] { return waiting[1]->answered; }));
}

struct limit_row {
    const char* sentence;
    discovery_limits limits;
    unsigned admitted;  ///< of four controllers of host A and then four of host B, from one address
};
const limit_row limit_rows[] = {
    {"in all", {.controllers = 5}, 5},
    {"from one address", {.per_address = 6}, 6},
    {"of one host", {.per_host = 3}, 6},
};

TEST(discovery_limits, hold_and_are_not_final) {
    for (const limit_row& row : limit_rows) {
        SCOPED_TRACE(row.sentence);
        nvmf_fixture w(1, 3, {.discovery = row.limits});
        w.make_subsystem();
        std::vector<connection*> in;
        const auto come = [&](const std::string& nqn) {
            auto& c = w.connect_to(1);
            const status s = c.call(connect(0), raw(connect_data(nvme::discovery_nqn, nqn))).status();
            if (s.ok()) {
                in.push_back(&c);
            } else {
                EXPECT_TRUE(s.is(sc::connect_controller_busy));
                EXPECT_FALSE(s.dnr());
            }
            return s.ok();
        };
        for (int i = 0; i < 4; ++i)
            come(host_a);
        for (int i = 0; i < 4; ++i)
            come(host_b);
        EXPECT_EQ(in.size(), row.admitted);
        EXPECT_EQ(w.target.discovery_log().controllers(), row.admitted);
        EXPECT_EQ(w.target.discovery_log().refused(), 8 - row.admitted);
        EXPECT_EQ(w.connect_to(1).call(connect(0), raw(connect_data(subsystem_nqn, host_b))).status(), sc::success)
            << "controllers of disks are not counted";
        in.back()->drop();
        EXPECT_TRUE(w.until([&] { return in.back()->gone; }));
        EXPECT_TRUE(come(host_b)) << "who goes makes room";
    }
}

TEST_F(discovery, accepts_what_it_should_and_nothing_else) {
    w.make_subsystem();
    host d = ask(host_a);
    for (unsigned opcode = 0; opcode < 256; ++opcode) {
        const bool known = opcode == 0x02 || opcode == 0x06 || opcode == 0x09 || opcode == 0x0a || opcode == 0x0c ||
                           opcode == 0x18 || opcode == 0x7f;
        if (!known) {
            EXPECT_TRUE(d.admin->call(command(static_cast<std::uint8_t>(opcode))).status().is(sc::invalid_opcode))
                << opcode;
        }
    }
    const capsule& io_queue =
        w.connect_to(0).call(connect(1), raw(connect_data(nvme::discovery_nqn, host_a, d.cntlid)));
    EXPECT_TRUE(io_queue.status().is(sc::connect_invalid_parameters));
    EXPECT_EQ(io_queue.dw0(), 42u) << "QID, in the command";
}

TEST_F(discovery, has_a_list_of_hosts_like_any_subsystem) {
    auto& s = w.make_subsystem();
    auto& d = w.target.discovery();
    host a = ask(host_a), b = ask(host_b);
    EXPECT_TRUE(d.access().add_host(host_a));
    w.run(d.access().set_allow_any_host(false));
    EXPECT_FALSE(a.admin->closed);
    EXPECT_EQ(b.admin->closed, disconnect_reason::host_removed);
    const auto asks = [&](const std::string& nqn) {
        return w.connect_to(0).call(connect(0), raw(connect_data(nvme::discovery_nqn, nqn))).status();
    };
    EXPECT_EQ(asks(host_a), sc::success);
    EXPECT_TRUE(asks(host_b).is(sc::connect_invalid_host));
    EXPECT_TRUE(s.access().allows(host_b)) << "a list of its own";
    w.run(d.access().set_allow_any_host(true));
    EXPECT_EQ(asks(host_b), sc::success);
}

TEST_F(discovery, that_is_deleted_tells_nobody_anything_and_leaves_the_others_alone) {
    w.make_subsystem();
    host asking = ask(host_a), with_disks = w.make_host(host_b);
    EXPECT_TRUE(w.run(w.target.delete_subsystem(std::string(nvme::discovery_nqn))));
    EXPECT_EQ(asking.admin->closed, disconnect_reason::subsystem_deleted);
    EXPECT_FALSE(with_disks.admin->closed);
    EXPECT_TRUE(w.connect_to(0)
                    .call(connect(0), raw(connect_data(nvme::discovery_nqn, host_a)))
                    .status()
                    .is(sc::connect_invalid_parameters));
    subsystem_options more;
    more.nqn = "nqn.2024-01.io.example:more";
    const auto another = w.run(w.target.create_subsystem(more));
    ASSERT_TRUE(another) << "what would have been told does no harm";
    EXPECT_TRUE(w.run((*another)->listeners().add(here)));
    EXPECT_TRUE(w.run(w.target.delete_subsystem(more.nqn)));
}

TEST_F(discovery, that_is_deleted_with_all_others_does_not_hold_up_the_end) {
    EXPECT_TRUE(w.run(w.target.delete_subsystem(std::string(nvme::discovery_nqn))));
    w.run(w.target.shutdown());
}

TEST_F(discovery, is_behind_every_listener) {
    w.make_subsystem();
    EXPECT_EQ(w.connect_to(0, elsewhere).call(connect(0), raw(connect_data(nvme::discovery_nqn, host_b))).status(),
              sc::success);
}

}  // namespace
}  // namespace causeway::nvmf::test
