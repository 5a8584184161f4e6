// SPDX-License-Identifier: Apache-2.0
// A reservation that gateways share: who confirms, who is fenced, and what nobody may do meanwhile.

#include "nvmf/reservation/shared_store.h"

#include "nvmf/testing/shared_reservation_fixture.h"

namespace causeway::nvmf::test {
namespace {

using namespace std::chrono_literals;
using nvme::io_opcode;
using nvme::reservation_type;
using reservation::gateway_entry;

const status conflict = sc::reservation_conflict.with_dnr();

class shared_reservation : public testing::Test {
  protected:
    shared_reservation_fixture f{3};
    nvmf_fixture& w = f.w;
    host &a = f.hosts[0], &b = f.hosts[1];

    void SetUp() override {
        EXPECT_EQ(f.register_by(a, 0, 1), sc::success);
        EXPECT_EQ(f.register_by(b, 1, 2), sc::success);
    }
    capsule& acquire_at_0() { return f.send_acquire(a, 0, 1, reservation_type::exclusive_access); }
};

TEST_F(shared_reservation, is_enforced_by_all_when_its_host_is_answered) {
    EXPECT_EQ(f.acquire_by(a, 0, 1, reservation_type::exclusive_access), sc::success);
    for (std::size_t g = 0; g < 3; ++g) {
        EXPECT_EQ(f.write_by(b, g), conflict);
        EXPECT_EQ(f.write_by(a, g), sc::success);
    }
    EXPECT_EQ(f.release_by(a, 2, 1, reservation_type::exclusive_access), sc::success);
    for (std::size_t g = 0; g < 3; ++g)
        EXPECT_EQ(f.write_by(b, g), sc::success);
}

TEST_F(shared_reservation, is_answered_when_a_gateway_that_does_not_confirm_is_fenced) {
    f.stop(1);
    capsule& acquired = acquire_at_0();
    w.pass(3s);
    EXPECT_FALSE(acquired.answered);
    EXPECT_EQ(f.write_by(b, 0), conflict) << "it is enforced here before it is stored";
    EXPECT_EQ(f.finish(acquired), sc::success);
    EXPECT_TRUE(f.is_fenced(1));
    EXPECT_FALSE(f.is_fenced(2));
    EXPECT_FALSE(f.cluster.object.contains(gateway_entry(f.object(1).address())));
    EXPECT_EQ(f.object(2).map_epoch(), f.cluster.epoch) << "the third one knows of the fence, too";

    EXPECT_EQ(f.write_by(b, 1), sc::internal_path_error) << "it has heard of nothing, but its disk refuses it";
    f.go_on(1);
    f.start_recovery(1);
    EXPECT_TRUE(w.until([&] { return !f.recovering[1]; }));
    EXPECT_EQ(f.write_by(b, 1), conflict);
    EXPECT_EQ(f.write_by(a, 1), sc::success);
}

TEST_F(shared_reservation, fences_nobody_who_misses_one_notice) {
    f.stop(1);
    capsule& acquired = acquire_at_0();
    w.pass(3s);
    f.go_on(1);
    EXPECT_EQ(f.finish(acquired), sc::success);
    EXPECT_TRUE(f.cluster.fenced.empty());
    EXPECT_EQ(f.write_by(b, 1), conflict);
}

TEST_F(shared_reservation, fences_nobody_while_the_cluster_does_not_answer) {
    capsule& acquired = acquire_at_0();
    EXPECT_TRUE(w.until([&] { return f.write_by(b, 0) == conflict; }));
    w.at_control([&] { f.cluster.stopped = true; });
    EXPECT_EQ(f.finish(acquired), sc::internal_path_error);
    EXPECT_EQ(f.write_by(b, 0), conflict) << "it may have been stored";
    w.at_control([&] { f.cluster.stopped = false; });
    w.pass(60s);
    EXPECT_TRUE(f.cluster.fenced.empty());
    const bool stored = reservation::from_entries(f.cluster.object)->kept.state.is_held();
    EXPECT_EQ(f.write_by(b, 0), stored ? conflict : status(sc::success));
    EXPECT_EQ(f.acquire_by(a, 0, 1, reservation_type::exclusive_access), sc::success);
    EXPECT_EQ(f.write_by(b, 1), conflict);
}

TEST_F(shared_reservation, stays_enforced_where_a_write_may_still_have_an_effect) {
    EXPECT_EQ(f.acquire_by(a, 0, 1, reservation_type::exclusive_access), sc::success);
    w.at_control([&] { f.cluster.trouble.failed_write = 1000; });
    for (unsigned i = 0; i < 8; ++i)
        (void)f.release_by(a, 0, 1, reservation_type::exclusive_access);
    w.at_control([&] { f.cluster.trouble.failed_write = 0; });
    w.pass(60s);
    const bool released = !reservation::from_entries(f.cluster.object)->kept.state.is_held();
    for (std::size_t g = 0; g < 3; ++g)
        EXPECT_EQ(f.write_by(b, g), released ? status(sc::success) : conflict) << g;
}

TEST_F(shared_reservation, is_settled_before_a_late_write_could_have_an_effect) {
    w.at_control([&] { f.cluster.trouble.failed_write = f.cluster.trouble.late_write = 1000; });
    EXPECT_EQ(f.finish(acquire_at_0()), sc::internal_path_error);
    EXPECT_EQ(f.write_by(b, 0), conflict);
    w.at_control([&] { f.cluster.trouble.failed_write = 0; });
    EXPECT_TRUE(w.until([&] { return f.write_by(b, 0).ok(); })) << "it has not been stored";
    w.pass(10s);
    EXPECT_FALSE(reservation::from_entries(f.cluster.object)->kept.state.is_held()) << "nor will it be";
}

TEST_F(shared_reservation, ends_commands_of_all_gateways_with_preempt_and_abort) {
    EXPECT_EQ(f.acquire_by(b, 1, 2, reservation_type::write_exclusive), sc::success);
    f.disks[1]->add_rule({.what = bdev::fault_rule::kind::hang, .times = 1});
    capsule& hanging = b.queues[0]->send(io(io_opcode::write, 2), bytes(512));
    EXPECT_TRUE(w.until([&] { return f.disks[1]->hung() == 1; }));
    capsule& preempted = f.send_acquire(a, 0, 1, reservation_type::exclusive_access, 2, 2);
    w.pass(3s);
    EXPECT_FALSE(preempted.answered);
    EXPECT_FALSE(hanging.answered);
    EXPECT_EQ(f.write_by(b, 1), conflict);
    w.at_control([&] { core::detach(f.disks[1]->release_hung()); });
    EXPECT_EQ(f.finish(preempted), sc::success);
    EXPECT_TRUE(hanging.answered);
    EXPECT_TRUE(f.cluster.fenced.empty());
}

TEST_F(shared_reservation, ends_commands_of_a_gateway_that_removes_its_namespace) {
    EXPECT_EQ(f.acquire_by(b, 1, 2, reservation_type::write_exclusive), sc::success);
    f.disks[1]->add_rule({.what = bdev::fault_rule::kind::hang, .times = 1});
    capsule& hanging = b.queues[0]->send(io(io_opcode::write, 2), bytes(512));
    EXPECT_TRUE(w.until([&] { return f.disks[1]->hung() == 1; }));
    EXPECT_TRUE(w.run(f.s.namespaces().remove(2)));
    capsule& preempted = f.send_acquire(a, 0, 1, reservation_type::exclusive_access, 2, 2);
    w.pass(3s);
    EXPECT_FALSE(preempted.answered) << "what is in flight may still be written";
    EXPECT_FALSE(hanging.answered);
    w.at_control([&] { core::detach(f.disks[1]->release_hung()); });
    EXPECT_EQ(f.finish(preempted), sc::success);
    EXPECT_TRUE(hanging.answered);
    EXPECT_TRUE(f.cluster.fenced.empty());
}

TEST_F(shared_reservation, is_changed_where_preempt_and_abort_meets_a_disk_that_hangs_elsewhere) {
    EXPECT_EQ(f.acquire_by(b, 1, 2, reservation_type::write_exclusive), sc::success);
    f.disks[1]->add_rule({.what = bdev::fault_rule::kind::hang, .times = 1});
    b.queues[0]->send(io(io_opcode::write, 2), bytes(512));
    EXPECT_TRUE(w.until([&] { return f.disks[1]->hung() == 1; }));
    EXPECT_EQ(f.finish(f.send_acquire(a, 0, 1, reservation_type::exclusive_access, 2, 2)), sc::command_interrupted);
    EXPECT_TRUE(f.cluster.fenced.empty()) << "it answers, and enforces";
    EXPECT_EQ(f.write_by(b, 1), conflict);
    w.at_control([&] { core::detach(f.disks[1]->release_hung()); });
}

TEST_F(shared_reservation, is_changed_by_two_gateways_at_once_without_waiting_for_each_other) {
    for (unsigned i = 0; i < 50; ++i) {
        capsule& one = f.send_acquire(a, 0, 1, reservation_type::exclusive_access, 1, 2);
        capsule& two = f.send_acquire(b, 1, 2, reservation_type::exclusive_access, 1, 1);
        w.pass(1s);
        ASSERT_TRUE(one.answered && two.answered);
        ASSERT_NE(one.status().ok(), two.status().ok()) << "one has preempted the other";
        (void)f.register_by(a, 0, 1);
        (void)f.register_by(b, 1, 2);
    }
    EXPECT_TRUE(f.cluster.fenced.empty());
}

TEST_F(shared_reservation, that_is_there_already_is_confirmed_before_it_is_answered) {
    f.stop(1);
    capsule& lost = acquire_at_0();
    w.pass(1s);
    EXPECT_FALSE(lost.answered) << "stored, but not confirmed; and its gateway dies now";
    f.stop(0);
    capsule& again = f.send_acquire(a, 2, 1, reservation_type::exclusive_access);
    EXPECT_EQ(f.finish(again), sc::success);
    EXPECT_TRUE(f.is_fenced(1) && f.is_fenced(0));
}

TEST_F(shared_reservation, does_not_wait_for_a_gateway_that_has_left) {
    EXPECT_TRUE(w.run(f.s.namespaces().remove(2)));
    w.pass(1s);
    const unsigned before = f.cluster.notices;
    EXPECT_EQ(f.acquire_by(a, 0, 1, reservation_type::exclusive_access), sc::success);
    EXPECT_LE(f.cluster.notices, before + 1);
    EXPECT_TRUE(f.cluster.fenced.empty());
    EXPECT_TRUE(w.run(f.s.namespaces().remove(3)));
    w.pass(1s);
    const unsigned alone = f.cluster.notices;
    EXPECT_EQ(f.release_by(a, 0, 1, reservation_type::exclusive_access), sc::success);
    EXPECT_LE(f.cluster.notices, alone + 1);
    EXPECT_EQ(f.acquire_by(a, 0, 1, reservation_type::exclusive_access), sc::success);
    EXPECT_LE(f.cluster.notices, alone + 1) << "who is alone asks nobody";
}

TEST_F(shared_reservation, is_not_delayed_by_notices_to_a_gateway_that_is_leaving) {
    w.at_control([&] { f.cluster.leaving_takes = 3s; });
    EXPECT_TRUE(w.run(f.s.namespaces().remove(2)));
    const unsigned before = f.cluster.notices;
    capsule& acquired = acquire_at_0();
    w.pass(1s);
    EXPECT_GE(f.cluster.notices, before + 2) << "the first round has ended when all have acknowledged it";
    EXPECT_EQ(f.finish(acquired), sc::success);
    EXPECT_TRUE(f.cluster.fenced.empty());
}

TEST_F(shared_reservation, is_heard_of_again_where_the_watch_is_lost_while_it_is_made_again) {
    w.at_control([&] { f.object(1).lose_watch(); });
    EXPECT_TRUE(w.until([&] { return f.object(1).is_watching(); }));
    w.at_control([&] { f.object(1).lose_watch(); });
    EXPECT_FALSE(f.object(1).is_watching());
    w.pass(2s);
    EXPECT_TRUE(f.object(1).is_watching());
    EXPECT_EQ(f.acquire_by(a, 0, 1, reservation_type::exclusive_access), sc::success);
    EXPECT_TRUE(f.cluster.fenced.empty());
}

TEST_F(shared_reservation, is_enforced_by_a_new_client_when_that_knows_whom_earlier_changes_fenced) {
    f.stop(2);
    EXPECT_EQ(f.finish(acquire_at_0()), sc::success);
    EXPECT_TRUE(f.is_fenced(2));
    w.at_control([&] {
        f.cluster.object.erase(gateway_entry(f.object(1).address()));
        f.cluster.fence(f.object(1).address());
    });
    f.start_recovery(1);
    EXPECT_TRUE(w.until([&] { return !f.recovering[1]; }));
    EXPECT_EQ(f.write_by(a, 1), sc::success);
    EXPECT_EQ(f.object(1).map_epoch(), f.cluster.epoch);
}

TEST_F(shared_reservation, is_found_by_a_gateway_that_comes_later) {
    EXPECT_EQ(f.acquire_by(a, 0, 1, reservation_type::exclusive_access), sc::success);
    EXPECT_TRUE(w.run(f.s.namespaces().remove(3)));
    w.pass(1s);
    w.add(f.s, f.disks[2]->name(), 3);
    EXPECT_EQ(f.write_by(b, 2), conflict);
    EXPECT_EQ(f.write_by(a, 2), sc::success);
}

TEST_F(shared_reservation, refuses_everything_where_others_no_longer_wait_for_this_gateway) {
    w.at_control([&] {
        f.cluster.object.erase(gateway_entry(f.object(1).address()));
        f.object(1).lose_watch();
        f.cluster.trouble.failed_write = 1000;
    });
    EXPECT_TRUE(w.until([&] { return f.write_by(a, 1) == sc::internal_path_error; }));
    w.at_control([&] { f.cluster.trouble.failed_write = 0; });
    EXPECT_TRUE(w.until([&] { return f.write_by(a, 1).ok(); }));
    EXPECT_TRUE(f.cluster.object.contains(gateway_entry(f.object(1).address())));
}

TEST_F(shared_reservation, refuses_everything_where_this_gateway_is_removed_while_it_settles_a_write) {
    w.at_control([&] {
        f.cluster.trouble.failed_write = 1000;
        f.cluster.trouble.late_write = 0;
    });
    EXPECT_EQ(f.finish(acquire_at_0()), sc::internal_path_error);
    w.at_control([&] {
        f.cluster.trouble.failed_write = 0;
        f.cluster.before_write = [this, removed = false](std::size_t by) mutable {
            if (by != 0 || std::exchange(removed, true))
                return;
            const std::uint64_t number = reservation::from_entries(f.cluster.object)->kept.number;
            f.cluster.object.erase(gateway_entry(f.object(0).address()));
            f.cluster.object[reservation::number_entry] = reservation::to_shared_text(number + 1);
        };
    });
    EXPECT_TRUE(w.until([&] { return f.write_by(a, 0) == sc::internal_path_error; }));
    EXPECT_TRUE(w.until([&] { return f.write_by(a, 0).ok(); })) << "it is registered again";
    EXPECT_TRUE(f.cluster.object.contains(gateway_entry(f.object(0).address())));
}

TEST_F(shared_reservation, tells_hosts_of_all_gateways_once) {
    f.stop(2);
    capsule& preempted = f.send_acquire(a, 0, 1, reservation_type::exclusive_access, 1, 2);
    w.pass(3s);
    f.go_on(2);
    EXPECT_EQ(f.finish(preempted), sc::success);
    w.pass(1s);
    std::map<std::uint32_t, unsigned> pages;
    for (;;) {
        const auto page = b.admin->call_for(get_log_page(nvme::lid::reservation_notification, 64), 64)
                              .page<nvme::reservation_notification_log>();
        if (page.count == 0)
            break;
        EXPECT_EQ(page.type, nvme::to_underlying(nvme::reservation_notice::registration_preempted));
        ++pages[page.nsid];
    }
    EXPECT_EQ(pages, (std::map<std::uint32_t, unsigned>{{1, 1}, {2, 1}, {3, 1}}));
}

TEST_F(shared_reservation, that_no_gateway_has_written_keeps_the_namespace_out) {
    EXPECT_TRUE(w.run(f.s.namespaces().remove(3)));
    w.pass(1s);
    w.at_control([&] { f.cluster.object["state"] = "no state"; });
    namespace_params p;
    p.bdev_name = f.disks[2]->name();
    const auto added = w.run(f.s.namespaces().add(p));
    ASSERT_FALSE(added);
    EXPECT_EQ(added.error().code, EINVAL);
    EXPECT_EQ(f.disks[2]->claimed_by(), nullptr);
}

}  // namespace
}  // namespace causeway::nvmf::test
