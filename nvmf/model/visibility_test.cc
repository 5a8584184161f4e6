// SPDX-License-Identifier: Apache-2.0
// Two hosts, of which one sees a namespace that the other does not: every command, list, log and event, and the change
// from one to the other.

#include "core/random.h"
#include "nvmf/testing/ana_fixture.h"
#include "nvmf/testing/reservation_fixture.h"

#include <gmock/gmock.h>

namespace causeway::nvmf::test {
namespace {

using nvme::cns;
using nvme::io_opcode;
using nvme::lid;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::uint32_t shared = 1, masked = 2, inactive = 9;
const status no_such_namespace = sc::invalid_namespace_or_format.with_dnr();

/// Counts flushes; its medium may be ill.
struct counting_device final : bdev::device {
    using device::device;
    std::string_view product_name() const noexcept override { return "counting"; }
    void submit(bdev::io& i) noexcept override {
        flushes += i.operation == bdev::op::flush;
        i.complete(sc::success);
    }
    const bdev::health* medium_health() const noexcept override { return &medium; }
    bdev::health medium{};
    unsigned flushes = 0;
};

class visibility : public testing::Test {
  protected:
    visibility() {
        w.make_memory("shared");
        w.add(s, "shared", shared);
        disk = w.make_faulty("masked");
        EXPECT_EQ(add("masked", masked), 0);
        EXPECT_EQ(show(host_a), 0);
        a = w.make_host(host_a, 2);
        b = w.make_host(host_b, 2);
    }
    static int code(const core::result<>& r) { return r ? 0 : r.error().code; }
    /// A namespace that no host sees.
    int add(std::string bdev, std::uint32_t nsid) {
        const auto added =
            w.run(s.namespaces().add({.bdev_name = std::move(bdev), .nsid = nsid, .auto_visible = false}));
        return added ? 0 : added.error().code;
    }
    std::shared_ptr<counting_device> add_counting(const std::string& name, std::uint32_t nsid,
                                                  bdev::device_capabilities c) {
        auto d = std::make_shared<counting_device>(
            w.sim.group(), name, bdev::device_geometry{.block_size = 512, .blocks = 8}, c, bdev::uuid_of_name(name));
        EXPECT_TRUE(w.devices.add(d));
        EXPECT_EQ(add(name, nsid), 0);
        return d;
    }
    int show(std::string nqn, std::uint32_t nsid = masked) {
        return code(w.run(s.namespaces().add_host(nsid, std::move(nqn))));
    }
    int hide(std::string nqn, std::uint32_t nsid = masked) {
        return code(w.run(s.namespaces().remove_host(nsid, std::move(nqn))));
    }
    int set_auto_visible(bool to, std::uint32_t nsid = masked) {
        return code(w.run(s.namespaces().set_auto_visible(nsid, to)));
    }

    static std::vector<std::uint32_t> nsids(const nvme::namespace_list& list) {
        std::vector<std::uint32_t> all;
        for (const auto& nsid : list.nsid)
            if (nsid.value() != 0)
                all.push_back(nsid.value());
        return all;
    }
    static std::vector<std::uint32_t> active(host& h, cns list = cns::active_ns_list) {
        return nsids(h.admin->call_for(identify(list), 4096).page<nvme::namespace_list>());
    }
    static std::vector<std::uint32_t> changed(host& h) {
        return nsids(
            h.admin->call_for(get_log_page(lid::changed_namespace_list, 4096), 4096).page<nvme::namespace_list>());
    }
    static status read(host& h, std::uint32_t nsid, std::size_t queue = 0) {
        return h.queues[queue]->call(io(io_opcode::read, nsid), bytes(512)).status().with_more(false);
    }
    capsule& listen(host& h) {
        EXPECT_TRUE(h.admin->call(set_features(nvme::fid::async_event_configuration, 0x100 | 0x1f)).status().ok());
        return h.admin->send(admin(nvme::admin_opcode::async_event_request));
    }
    bool told(capsule& event) {
        w.pass(std::chrono::milliseconds(1));
        return event.answered;
    }

    nvmf_fixture w;
    subsystem& s = w.make_subsystem();
    std::shared_ptr<bdev::fault_device> disk;
    host a, b;  ///< A sees `masked`
};

// ---- Admin commands.

TEST_F(visibility, decides_which_namespaces_are_listed) {
    for (const cns list : {cns::active_ns_list, cns::csi_active_ns_list}) {
        EXPECT_THAT(active(a, list), ElementsAre(shared, masked));
        EXPECT_THAT(active(b, list), ElementsAre(shared));
    }
}

TEST_F(visibility, makes_every_page_about_a_namespace_that_of_an_inactive_one) {
    for (const cns page : {cns::ns, cns::ns_id_descriptors, cns::csi_ns, cns::ns_independent}) {
        SCOPED_TRACE(static_cast<int>(page));
        const capsule& seen = a.admin->call_for(identify(page, masked), 4096);
        const capsule& hidden = b.admin->call_for(identify(page, masked), 4096);
        const capsule& free = b.admin->call_for(identify(page, inactive), 4096);
        EXPECT_EQ(seen.status(), sc::success);
        EXPECT_EQ(hidden.status(), free.status());
        EXPECT_EQ(hidden.data, free.data);
        EXPECT_TRUE(page == cns::csi_ns || !hidden.status().ok() || seen.data != hidden.data);
    }
    EXPECT_EQ(a.admin->call_for(identify(cns::ns, masked), 4096).page<nvme::identify_namespace>().nsze, 2048u);
    EXPECT_EQ(b.admin->call_for(identify(cns::ns, masked), 4096).data, bytes(4096)) << "zeroes";
    EXPECT_EQ(b.admin->call_for(identify(cns::ns_id_descriptors, masked), 4096).status().with_more(false),
              no_such_namespace);
}

TEST_F(visibility, decides_what_the_controller_offers) {
    const bdev::device_capabilities cached{.ops = ~(1u << nvme::to_underlying(bdev::op::verify)),
                                           .volatile_write_cache = true};
    add_counting("cached", 3, cached);
    EXPECT_EQ(show(host_a, 3), 0);
    const auto controller_of = [](host& h) {
        return h.admin->call_for(identify(cns::controller), 4096).page<nvme::identify_controller>();
    };
    const auto effects_of_verify = [](host& h) {
        return h.admin->call_for(get_log_page(lid::commands_effects, 4096), 4096)
            .page<nvme::commands_effects_log>()
            .io[0x0c]
            .value();
    };
    EXPECT_TRUE(controller_of(a).vwc & nvme::vwc_present);
    EXPECT_FALSE(controller_of(b).vwc & nvme::vwc_present);
    EXPECT_TRUE(a.admin->call(get_features(nvme::fid::volatile_write_cache)).dw0() & 1);
    EXPECT_FALSE(b.admin->call(get_features(nvme::fid::volatile_write_cache)).dw0() & 1);
    EXPECT_FALSE(controller_of(a).oncs & nvme::oncs_verify) << "it sees a device that cannot";
    EXPECT_TRUE(controller_of(b).oncs & nvme::oncs_verify);
    EXPECT_EQ(effects_of_verify(a), 0u);
    EXPECT_NE(effects_of_verify(b), 0u);
}

TEST_F(visibility, decides_whose_media_are_in_the_smart_page_and_its_warnings) {
    const auto ill = add_counting("ill", 3, {});
    EXPECT_EQ(show(host_a, 3), 0);
    capsule& of_a = listen(a);
    capsule& of_b = listen(b);
    w.at_control([&] {
        ill->medium.critical_warning = nvme::critical_warning_spare;
        ill->announce_health();
    });
    EXPECT_TRUE(told(of_a));
    EXPECT_EQ(of_a.dw0(), 0x00020201u) << "SMART page, spare, SMART";
    EXPECT_FALSE(told(of_b));
    const auto warnings = [](host& h) {
        return h.admin->call_for(get_log_page(lid::smart, 512), 512).page<nvme::smart_log>().critical_warning;
    };
    EXPECT_EQ(warnings(a), nvme::critical_warning_spare);
    EXPECT_EQ(warnings(b), 0);
    EXPECT_EQ(show(host_b, 3), 0);
    EXPECT_TRUE(told(of_b)) << "with the namespace come its warnings";
}

class visibility_of_groups : public ana_fixture {};

TEST_F(visibility_of_groups, decides_which_groups_the_ana_log_lists) {
    const auto groups = [&](host& h) {
        const bytes log = read_log(h, 96).data;
        return std::vector{log[8], log[16], log[52]};  // their number, and the numbers of the first two
    };
    const auto changes = [&](host& h) { return read_log(h, 16).page<nvme::ana_log_header>().chgcnt.value(); };
    const std::uint64_t before = changes(near);
    EXPECT_TRUE(w.run(s->namespaces().set_auto_visible(1, false)));
    EXPECT_TRUE(w.run(s->namespaces().add_host(1, host_a)));
    EXPECT_GT(changes(near), before);
    EXPECT_THAT(groups(near), ElementsAre(std::byte{2}, std::byte{1}, std::byte{2}));
    EXPECT_THAT(groups(far), ElementsAre(std::byte{1}, std::byte{2}, std::byte{0}));

    const auto listen = [](host& h) -> capsule& {
        EXPECT_TRUE(h.admin->call(set_features(nvme::fid::async_event_configuration, 0x800)).status().ok());
        return h.admin->send(admin(nvme::admin_opcode::async_event_request));
    };
    capsule& of_near = listen(near);
    capsule& of_far = listen(far);
    for (const transport_address& at : {here, elsewhere})
        EXPECT_EQ(set(nvme::ana_state::non_optimized, 1, at), 0);
    EXPECT_TRUE(w.until([&] { return of_near.answered; }));
    w.pass(std::chrono::milliseconds(1));
    EXPECT_FALSE(of_far.answered) << "it sees no namespace of that group";
    EXPECT_EQ(set(nvme::ana_state::inaccessible, 1, elsewhere), 0);
    EXPECT_EQ(read(far), no_such_namespace) << "and not that it is inaccessible";
}

// ---- I/O commands.

TEST_F(visibility, makes_every_io_command_that_on_an_inactive_namespace) {
    for (unsigned opcode = 0; opcode < 256; ++opcode) {
        SCOPED_TRACE(opcode);
        const auto answer = [&](std::uint32_t nsid) {
            nvme::command c = command(static_cast<std::uint8_t>(opcode), nsid);
            return b.queues[0]->call(c, bytes(512)).status().with_more(false);
        };
        EXPECT_EQ(answer(masked), answer(inactive));
    }
    EXPECT_EQ(read(b, masked), no_such_namespace);
    EXPECT_EQ(read(a, masked), sc::success);
    EXPECT_EQ(read(b, shared), sc::success);
}

TEST_F(visibility, fails_a_compare_and_write) {
    capsule& compare = b.queues[0]->send(fused(io(io_opcode::compare, masked), nvme::fuse::first), bytes(512));
    capsule& write = b.queues[0]->call(fused(io(io_opcode::write, masked), nvme::fuse::second), bytes(512));
    EXPECT_TRUE(w.until([&] { return compare.answered; }));
    EXPECT_EQ(compare.status().with_more(false), no_such_namespace);
    EXPECT_EQ(write.status().with_more(false), sc::aborted_failed_fused);
}

TEST_F(visibility, limits_a_flush_of_all_namespaces) {
    const auto d = add_counting("cached", 3, {.ops = ~0u, .volatile_write_cache = true});
    EXPECT_EQ(show(host_a, 3), 0);
    EXPECT_EQ(b.queues[0]->call(io(io_opcode::flush, nvme::broadcast_nsid)).status(), sc::success);
    EXPECT_EQ(d->flushes, 0u);
    EXPECT_EQ(a.queues[0]->call(io(io_opcode::flush, nvme::broadcast_nsid)).status(), sc::success);
    EXPECT_EQ(d->flushes, 1u);
}

// ---- Changes.

struct change {
    const char* sentence;
    std::function<void()> make;
    bool a_is_told, b_is_told;
    bool a_sees, b_sees;  ///< afterwards
};

TEST_F(visibility, is_changed_for_exactly_the_hosts_that_see_a_difference) {
    const change changes[] = {
        {"a host is added", [&] { EXPECT_EQ(show(host_b), 0); }, false, true, true, true},
        {"it is there already", [&] { EXPECT_EQ(show(host_b), 0); }, false, false, true, true},
        {"a host is removed", [&] { EXPECT_EQ(hide(host_a), 0); }, true, false, false, true},
        {"it is not there", [&] { EXPECT_EQ(hide(host_a), 0); }, false, false, false, true},
        {"a host that is not connected", [&] { EXPECT_EQ(show(host_a + "0"), 0); }, false, false, false, true},
        {"all hosts", [&] { EXPECT_EQ(set_auto_visible(true), 0); }, true, false, true, true},
        {"all hosts, again", [&] { EXPECT_EQ(set_auto_visible(true), 0); }, false, false, true, true},
        {"no host", [&] { EXPECT_EQ(set_auto_visible(false), 0); }, true, true, false, false},
        {"one of them", [&] { EXPECT_EQ(show(host_b), 0); }, false, true, false, true},
        {"the namespace goes", [&] { EXPECT_TRUE(w.run(s.namespaces().remove(masked))); }, false, true, false, false},
        {"it comes again", [&] { EXPECT_EQ(add("masked", masked), 0); }, false, false, false, false},
    };
    capsule* event[] = {&listen(a), &listen(b)};
    for (const change& c : changes) {
        SCOPED_TRACE(c.sentence);
        c.make();
        const bool expected[] = {c.a_is_told, c.b_is_told};
        for (host* h : {&a, &b}) {
            const std::size_t i = h == &b;
            EXPECT_EQ(told(*event[i]), expected[i]) << (i ? "B" : "A");
            EXPECT_THAT(changed(*h), expected[i] ? std::vector{masked} : std::vector<std::uint32_t>());
            if (event[i]->answered) {
                EXPECT_EQ(event[i]->dw0(), 0x00040002u) << "changed namespace list, namespace attribute, notice";
                event[i] = &h->admin->send(admin(nvme::admin_opcode::async_event_request));
            }
        }
        EXPECT_EQ(active(a).size() == 2, c.a_sees);
        EXPECT_EQ(active(b).size() == 2, c.b_sees);
        for (std::size_t queue : {0, 1}) {  // on different cores
            EXPECT_EQ(read(a, masked, queue), c.a_sees ? status(sc::success) : no_such_namespace);
            EXPECT_EQ(read(b, masked, queue), c.b_sees ? status(sc::success) : no_such_namespace);
            EXPECT_EQ(read(a, shared, queue), sc::success);
        }
    }
}

TEST_F(visibility, counts_for_hosts_that_connect_later) {
    host again = w.make_host(host_a), another = w.make_host(host_b);
    EXPECT_THAT(active(again), ElementsAre(shared, masked));
    EXPECT_EQ(read(again, masked), sc::success);
    EXPECT_THAT(active(another), ElementsAre(shared));
    EXPECT_EQ(read(another, masked), no_such_namespace);
    host nameless;
    nameless.admin = &w.connect_to(0);
    EXPECT_TRUE(nameless.admin->call(connect(0), raw(connect_data(subsystem_nqn, ""))).status().ok());
    w.enable(nameless);
    EXPECT_THAT(active(nameless), ElementsAre(shared));
}

TEST_F(visibility, tells_of_a_new_size_those_who_see_it) {
    w.make_memory("grows");
    EXPECT_EQ(add("grows", 3), 0);
    EXPECT_EQ(show(host_a, 3), 0);
    EXPECT_THAT(changed(a), ElementsAre(3u));
    w.at_control([&] { w.devices.find("grows")->set_blocks(4096); });
    EXPECT_THAT(changed(a), ElementsAre(3u));
    EXPECT_THAT(changed(b), IsEmpty());
}

TEST_F(visibility, lets_commands_that_execute_end_as_admitted) {
    connection& q = *a.queues[0];
    q.hold = true;
    capsule& waits = q.send(io(io_opcode::write, masked), filled(512, 7));
    capsule& neighbour = q.send(io(io_opcode::write, shared), filled(512, 7));
    EXPECT_TRUE(w.until([&] { return waits.held && neighbour.held; }));
    disk->add_rule({.what = bdev::fault_rule::kind::hang});
    q.hold = false;
    capsule& hangs = q.send(io(io_opcode::read, masked), bytes(512));
    w.pass(std::chrono::milliseconds(1));
    EXPECT_EQ(hide(host_a), 0) << "which waits for neither";
    EXPECT_EQ(read(a, masked), no_such_namespace);
    EXPECT_FALSE(hangs.answered);
    q.execute_held(waits);
    q.execute_held(neighbour);
    disk->clear_rules();
    w.run(disk->release_hung());
    EXPECT_TRUE(w.until([&] { return hangs.answered && waits.answered; }));
    EXPECT_EQ(hangs.status(), sc::success);
    EXPECT_EQ(waits.status().with_more(false), no_such_namespace) << "its data may have come at any time";
    EXPECT_TRUE(w.until([&] { return neighbour.answered; }));
    EXPECT_EQ(neighbour.status(), sc::success);
}

TEST_F(visibility, ends_what_a_host_could_learn_of_reservations) {
    connection& q = *a.queues[0];
    q.hold = true;
    nvme::command report = reservation_command(io_opcode::reservation_report, 15, {}, masked);
    report.cdw11 = 1u;
    capsule& waits = q.send(report, bytes(64));
    EXPECT_TRUE(w.until([&] { return waits.held; }));
    EXPECT_EQ(hide(host_a), 0);
    q.execute_held(waits);
    EXPECT_TRUE(w.until([&] { return waits.answered; }));
    EXPECT_EQ(waits.status().with_more(false), no_such_namespace) << "it has waited for a buffer at any length";
}

TEST_F(visibility, keeps_notices_of_reservations_from_hosts_that_do_not_see_it) {
    EXPECT_EQ(show(host_b), 0);
    const auto add_key = [&](host& h, std::uint64_t key) {
        return h.queues[0]
            ->call(reservation_command(io_opcode::reservation_register, 0, {}, masked),
                   raw(nvme::reservation_register_data{.crkey = 0, .nrkey = key}))
            .status();
    };
    const auto clears = [&](host& h, std::uint64_t key) {
        return h.queues[0]
            ->call(reservation_command(io_opcode::reservation_release, 1, {}, masked),
                   raw(nvme::reservation_release_data{.crkey = key}))
            .status();
    };
    const auto notices = [&](host& h) {
        const nvme::command c = get_log_page(lid::reservation_notification, 64);
        return h.admin->call_for(c, 64).page<nvme::reservation_notification_log>().count.value();
    };
    for (const bool sees : {true, false}) {
        EXPECT_EQ(add_key(a, 1), sc::success);
        EXPECT_EQ(add_key(b, 2), sc::success);
        EXPECT_EQ(sees ? 0 : hide(host_a), 0);
        EXPECT_EQ(clears(b, 2), sc::success);
        EXPECT_EQ(notices(a), sees ? 1u : 0u);
    }
}

TEST_F(visibility, is_refused_for_a_reason) {
    EXPECT_EQ(show(host_b, inactive), ENODEV);
    EXPECT_EQ(hide(host_b, inactive), ENODEV);
    EXPECT_EQ(set_auto_visible(false, inactive), ENODEV);
    EXPECT_EQ(show(host_b, shared), EPERM) << "all hosts see it";
    EXPECT_EQ(hide(host_b, shared), EPERM);
    EXPECT_EQ(show(""), EINVAL);
    EXPECT_EQ(show(std::string(224, 'n')), EINVAL);
}

TEST_F(visibility, follows_the_last_of_many_changes_at_once) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        SCOPED_TRACE(seed);
        core::random_source random(seed);
        unsigned left = 30;
        bool sees = false;
        w.at_control([&] {
            for (unsigned i = left; i != 0; --i) {
                sees = random.below(2);
                auto change =
                    sees ? s.namespaces().add_host(masked, host_b) : s.namespaces().remove_host(masked, host_b);
                core::detach(std::move(change), [&left](core::result<> r) {
                    EXPECT_TRUE(r);
                    --left;
                });
            }
        });
        EXPECT_TRUE(w.until([&] { return left == 0; }));
        EXPECT_EQ(active(b).size(), sees ? 2u : 1u);
        for (std::size_t queue : {0, 1})
            EXPECT_EQ(read(b, masked, queue), sees ? status(sc::success) : no_such_namespace);
    }
}

TEST_F(visibility, changes_end_when_the_namespace_is_removed_meanwhile) {
    int codes[2] = {-1, -1};
    bool removed = false;
    capsule& event = listen(b);
    w.at_control([&] {
        core::detach(s.namespaces().add_host(masked, host_b), [&](core::result<> r) { codes[0] = code(r); });
        core::detach(s.namespaces().remove_host(masked, host_a), [&](core::result<> r) { codes[1] = code(r); });
        core::detach(s.namespaces().remove(masked), [&](core::result<> r) { removed = r.has_value(); });
    });
    EXPECT_TRUE(w.until([&] { return removed && codes[0] >= 0 && codes[1] >= 0; }));
    EXPECT_EQ(codes[1], ENODEV);
    EXPECT_FALSE(told(event)) << "it never saw the namespace";
    EXPECT_THAT(changed(a), ElementsAre(masked));
    EXPECT_THAT(active(a), ElementsAre(shared));
}

}  // namespace
}  // namespace causeway::nvmf::test
