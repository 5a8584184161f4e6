// SPDX-License-Identifier: Apache-2.0
// What hosts are told of ANA: the log page, its events, Identify.

#include "nvmf/testing/ana_fixture.h"

namespace causeway::nvmf::test {
namespace {

using nvme::ana_state;
using nvme::lid;

constexpr std::uint32_t ana_notices = 0x800;
constexpr std::uint32_t ana_changed_dw0 = 0x000c0302;  // log page 0Ch, information 03h, type 2h

class ana_log_page : public ana_fixture {
  protected:
    static bytes from(std::initializer_list<unsigned> list) {
        bytes b;
        for (const unsigned n : list)
            b.push_back(static_cast<std::byte>(n));
        return b;
    }
    static bytes part(const bytes& of, std::size_t from, std::size_t length) {
        return {of.begin() + static_cast<std::ptrdiff_t>(from),
                of.begin() + static_cast<std::ptrdiff_t>(from + length)};
    }
    std::uint64_t changes(host& h) { return read_log(h, 16, true).page<nvme::ana_log_header>().chgcnt; }
    capsule& ask(host& of) { return of.admin->send(admin(nvme::admin_opcode::async_event_request)); }
    void listen(host& h) {
        EXPECT_EQ(h.admin->call(set_features(nvme::fid::async_event_configuration, ana_notices)).status(), sc::success);
    }
    void settle() { w.pass(std::chrono::milliseconds(1)); }
};

TEST_F(ana_log_page, is_byte_for_byte_what_the_specification_says) {
    EXPECT_EQ(move(2, 7), 0);                       // the fourth change, after two new namespaces and the first count
    EXPECT_EQ(set(ana_state::inaccessible, 7), 0);  // the fifth
    w.make_memory("third");
    EXPECT_EQ(w.add(*s, "third", 5), 5u);  // the sixth
    EXPECT_EQ(move(5, 1), 0);              // the seventh
    // clang-format off
    const bytes page = from({
        7, 0, 0, 0, 0, 0, 0, 0,  2, 0,  0, 0, 0, 0, 0, 0,                  // changes, groups
        1, 0, 0, 0,  2, 0, 0, 0,  7, 0, 0, 0, 0, 0, 0, 0,  1, 0, 0, 0,     // group, namespaces, its last change, state
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        1, 0, 0, 0,  5, 0, 0, 0,                                           // nsids
        7, 0, 0, 0,  1, 0, 0, 0,  5, 0, 0, 0, 0, 0, 0, 0,  3, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        2, 0, 0, 0,
    });
    // clang-format on
    ASSERT_EQ(page.size(), 92u);
    const bytes read = read_log(near, 100).data;
    EXPECT_EQ(part(read, 0, 92), page);
    EXPECT_EQ(part(read, 92, 8), bytes(8)) << "zeroes follow";
    bytes of_far = page;
    of_far[0] = std::byte{6};             // one change fewer by that listener
    of_far[24] = std::byte{6};            // of group 1 when its last namespace came
    of_far[16 + 40 + 8] = std::byte{4};   // of group 7 when its namespace came
    of_far[16 + 40 + 16] = std::byte{1};  // optimized
    EXPECT_EQ(part(read_log(far, 92).data, 0, 92), of_far);
}

TEST_F(ana_log_page, has_no_lists_if_only_groups_are_asked_for) {
    nvme::command c = get_log_page(lid::ana, 128);
    c.cdw10 = c.cdw10 | 1u << 8;  // RGO
    const bytes page = near.admin->call(c).data;
    const auto header = near.admin->call(c).page<nvme::ana_log_header>();
    EXPECT_EQ(header.ngrps, 2u);
    nvme::ana_group_descriptor second;
    std::memcpy(&second, page.data() + 16 + 32, sizeof second);
    EXPECT_EQ(second.grpid, 2u);
    EXPECT_EQ(second.nnsids, 0u);
    EXPECT_EQ(part(page, 16 + 64, 128 - 80), bytes(128 - 80));
}

TEST_F(ana_log_page, is_read_in_parts) {
    const bytes whole = read_log(near, 88).data;
    bytes parts;
    for (std::uint32_t at = 0; at < 88; at += 8) {
        const bytes& p = near.admin->call(get_log_page(lid::ana, 8, at)).data;
        parts.insert(parts.end(), p.begin(), p.end());
    }
    EXPECT_EQ(parts, whole);
    EXPECT_EQ(near.admin->call(get_log_page(lid::ana, 4, 88)).status(), sc::success) << "nothing is left there";
    EXPECT_TRUE(near.admin->call(get_log_page(lid::ana, 4, 92)).status().is(sc::invalid_field));
}

TEST_F(ana_log_page, counts_what_changes_and_nothing_else) {
    const std::uint64_t before = changes(near);
    set(ana_state::optimized);
    EXPECT_EQ(changes(near), before) << "it was that already";
    set(ana_state::inaccessible, 0);
    EXPECT_EQ(changes(near), before + 1) << "all groups in one change";
    set(ana_state::inaccessible, 1, elsewhere);
    EXPECT_EQ(changes(near), before + 1) << "of another listener";
    EXPECT_EQ(changes(far), before + 1);
    EXPECT_TRUE(w.run(s->namespaces().remove(2)));
    EXPECT_EQ(changes(near), before + 2);
    EXPECT_EQ(read_log(near, 16).page<nvme::ana_log_header>().ngrps, 1u);
}

TEST_F(ana_log_page, has_an_event_for_the_controllers_of_that_listener_until_it_is_read) {
    listen(near);
    listen(far);
    capsule& first = ask(near);
    capsule& of_far = ask(far);
    set(ana_state::non_optimized);
    ASSERT_TRUE(w.until([&] { return first.answered; }));
    EXPECT_EQ(first.status(), sc::success);
    EXPECT_EQ(first.dw0(), ana_changed_dw0);
    capsule& second = ask(near);
    set(ana_state::optimized);
    settle();
    EXPECT_FALSE(second.answered) << "the host knows that it has to look";
    read_log(near, 1024, true);
    set(ana_state::non_optimized);
    settle();
    EXPECT_FALSE(second.answered) << "that reading was to keep the event";
    read_log(near);
    settle();
    EXPECT_FALSE(second.answered) << "what the host has read is not told again";
    set(ana_state::change);
    settle();
    EXPECT_FALSE(second.answered) << "the state that follows is worth an event";
    set(ana_state::optimized);
    ASSERT_TRUE(w.until([&] { return second.answered; }));
    EXPECT_EQ(second.dw0(), ana_changed_dw0);
    EXPECT_FALSE(of_far.answered);
    EXPECT_EQ(move(1, 5), 0);
    EXPECT_TRUE(w.until([&] { return of_far.answered; })) << "an ANAGRPID has changed for everybody";
}

TEST_F(ana_log_page, has_no_event_for_hosts_that_did_not_enable_it) {
    capsule& waiting = ask(near);
    set(ana_state::inaccessible);
    settle();
    EXPECT_FALSE(waiting.answered);
}

TEST_F(ana_log_page, goes_with_what_identify_says) {
    const auto id = near.admin->call(identify(nvme::cns::controller)).page<nvme::identify_controller>();
    EXPECT_EQ(id.cmic & 1 << 3, 1 << 3);
    EXPECT_EQ(id.oaes & 1u << 11, 1u << 11);
    EXPECT_EQ(id.anatt, 10);
    EXPECT_EQ(id.anacap, 0x1f);
    EXPECT_EQ(id.anagrpmax, 8u);
    EXPECT_EQ(id.nanagrpid, 8u);
    EXPECT_EQ(id.mnan, 8u);

    EXPECT_EQ(move(2, 6), 0);
    const auto ns = [&](host& h) { return h.admin->call(identify(nvme::cns::ns, 2)).page<nvme::identify_namespace>(); };
    const auto independent =
        near.admin->call(identify(nvme::cns::ns_independent, 2)).page<nvme::identify_namespace_independent>();
    EXPECT_EQ(independent.anagrpid, 6u);
    EXPECT_EQ(ns(near).anagrpid, 6u);
    EXPECT_EQ(ns(near).nuse, 2048u);
    for (const ana_state state : {ana_state::change, ana_state::inaccessible, ana_state::persistent_loss}) {
        set(state, 6);
        EXPECT_EQ(ns(near).nsze, 2048u);
        EXPECT_EQ(ns(near).ncap, 2048u) << "or hosts would take it for an inactive one";
        EXPECT_EQ(ns(near).nuse, state == ana_state::change ? 2048u : 0u) << to_string(state);
        EXPECT_EQ(ns(far).nuse, 2048u);
    }
}

TEST_F(ana_log_page, is_absent_where_ana_is_not_reported) {
    subsystem& plain = w.make_subsystem("nqn.2024-01.io.example:plain");
    w.make_memory("plain");
    w.add(plain, "plain");
    host h = w.make_host(host_a, 1, plain.nqn());
    EXPECT_TRUE(read_log(h).status().is(sc::invalid_log_page));
    EXPECT_FALSE(h.admin->call(get_log_page(lid::supported_log_pages, 1024))
                     .page<nvme::supported_log_pages>()
                     .page[nvme::to_underlying(lid::ana)]);
    const auto id = h.admin->call(identify(nvme::cns::controller)).page<nvme::identify_controller>();
    EXPECT_EQ(id.cmic & 1 << 3, 0);
    EXPECT_EQ(id.oaes & 1u << 11, 0u);
    EXPECT_EQ(id.anagrpmax, 0u);
    EXPECT_EQ(h.admin->call(identify(nvme::cns::ns, 1)).page<nvme::identify_namespace>().anagrpid, 0u);
    EXPECT_TRUE(
        h.admin->call(set_features(nvme::fid::async_event_configuration, ana_notices)).status().is(sc::invalid_field));
}

}  // namespace
}  // namespace causeway::nvmf::test
