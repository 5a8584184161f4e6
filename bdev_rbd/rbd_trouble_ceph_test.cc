// SPDX-License-Identifier: Apache-2.0
// A cluster that is out of reach, hangs, or has thrown us out: what else runs must not feel it.

#include "bdev_rbd/testing/ceph_fixture.h"

#include <filesystem>
#include <fstream>

namespace causeway::bdev_rbd {
namespace {

using bdev::op;
namespace sc = nvme::sc;

class RbdTrouble : public CephTest {
  protected:
    /// Ceph's configuration with a monitor at a port where nobody answers.
    ceph::client_options unreachable(core::nanoseconds limit) {
        ceph::client_options o;
        o.read_config_file = false;
        o.config_param = {{"mon_host", "[v2:127.0.0.1:1,v1:127.0.0.1:2]"}, {"auth_client_required", "none"}};
        o.time_limit = limit;
        return o;
    }
};

/// No turn of a reactor may take this long, on a machine that does other things, too.
constexpr auto a_blink = 400ms;

TEST_F(RbdTrouble, an_unreachable_cluster_costs_the_others_nothing) {
    test_image image("x", "8M");
    const auto disk = memory(core(0));
    load on_home(*disk, core(0), op::read, 4), from_other(*disk, core(1), op::write, 4);
    std::this_thread::sleep_for(1s);
    const auto before = on_home.done() + from_other.done();
    on_home.reset(), from_other.reset();

    auto p = params(image, "far");
    p.cluster_name.clear();
    p.client = unreachable(3s);
    const auto began = steady::now();
    const auto opened = run(disks_.create(p));
    const auto took = steady::now() - began;
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, ETIMEDOUT);
    EXPECT_THAT(opened.error().text(), testing::StartsWith("client.admin: "));
    EXPECT_GE(took, 2500ms);
    EXPECT_LE(took, 5s);

    const double rate = static_cast<double>(on_home.done() + from_other.done() - before) / (took / 1s);
    std::printf("memory device: %lu I/O in the second before, %.0f per second meanwhile\n",
                static_cast<unsigned long>(before), rate);
    EXPECT_GT(rate, static_cast<double>(before) / 3);
    EXPECT_LT(on_home.longest_gap(), a_blink);
    EXPECT_LT(from_other.longest_gap(), a_blink);
}

TEST_F(RbdTrouble, an_opening_that_hangs_is_deleted_at_once) {
    test_image image("x", "8M");
    auto p = params(image, "far");
    p.cluster_name.clear();
    p.client = unreachable(6s);
    auto opened = start(disks_.create(p));
    ASSERT_TRUE(eventually([&] {
        std::size_t n = 0;
        on_control([&] { n = disks_.opening(); });
        return n == 1;
    }));
    const auto began = steady::now();
    EXPECT_TRUE(remove("far"));
    const auto r = opened.get();
    EXPECT_LT(steady::now() - began, a_blink);
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, ECANCELED);
    // Its call goes on waiting for a monitor; with the same options it would be refused.
    auto elsewhere = p;
    elsewhere.client = unreachable(7s);
    disks ending(registry_, clusters_, homes_);
    auto second = start(ending.create(elsewhere));
    ASSERT_TRUE(eventually([&] {
        std::size_t n = 0;
        on_control([&] { n = ending.opening(); });
        return n == 1;
    }));
    on_control([&] { ending.cancel_openings(); });
    EXPECT_EQ(second.get().error().code, ECANCELED);
    // The name is free again, while the clients of these tries still wait for their monitor.
    p = params(image, "far");
    EXPECT_TRUE(open(p));
}

TEST_F(RbdTrouble, a_registration_that_hangs_is_given_up_at_once) {
    auto added = start(clusters_.add("far", unreachable(6s)));
    ASSERT_TRUE(eventually([&] {
        bool there = false;
        on_control([&] { there = !clusters_.all().empty(); });
        return there;
    }));
    test_image image("x", "8M");
    auto p = params(image);
    p.cluster_name = "far";
    const auto early = run(disks_.create(p));
    ASSERT_FALSE(early);
    EXPECT_EQ(early.error().text(), "far: the cluster is still being connected");
    const auto began = steady::now();
    EXPECT_TRUE(run(clusters_.remove("far")));
    const auto r = added.get();
    EXPECT_LT(steady::now() - began, a_blink);
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, ECANCELED);
    EXPECT_TRUE(run(clusters_.add("far", options())));
}

TEST_F(RbdTrouble, hung_openings_of_one_cluster_are_counted_and_hold_up_nobody_else) {
    test_image image("hung", "8M");
    auto o = options();
    o.time_limit = 1s;
    ASSERT_TRUE(run(clusters_.add("hangs", o)));
    auto p = params(image);
    p.cluster_name = "hangs";
    {
        stopped_osd stopped;
        std::vector<std::future<core::result<std::shared_ptr<rbd_device>>>> tries;
        for (int n = 0; n < 128; ++n) {
            p.name = "hung" + std::to_string(n);
            p.image.name = n == 0 ? image.name() : "hung" + std::to_string(n);
            tries.push_back(start(disks_.create(p)));
        }
        for (auto& t : tries)
            EXPECT_EQ(t.get().error().code, ETIMEDOUT);
        std::vector<ceph::clusters::view> views;
        on_control([&] { views = clusters_.all(); });
        EXPECT_EQ(views.at(0).hung.size(), ceph::cluster_threads::max_running);

        const auto began = steady::now();
        EXPECT_EQ(run(disks_.create(p)).error().code, EBUSY);
        EXPECT_TRUE(run(clusters_.add("another", options())));
        EXPECT_TRUE(run(core::run_on(pool_, [] { return true; })));
        EXPECT_LT(steady::now() - began, 1s + a_blink);
    }
    p.image.name = image.name();
    EXPECT_TRUE(eventually([&] {
        std::vector<ceph::clusters::view> views;
        on_control([&] { views = clusters_.all(); });
        return views.at(0).hung.empty();
    }));
    EXPECT_TRUE(run(disks_.create(p)));
}

TEST_F(RbdTrouble, an_image_that_does_not_open_in_time_is_left_alone) {
    test_image image("slow", "8M");
    auto o = options();
    o.time_limit = 2s;
    ASSERT_TRUE(run(clusters_.add("c", o)));
    auto p = params(image);
    p.cluster_name = "c";
    {
        stopped_osd stopped;
        const auto r = run(disks_.create(p));
        ASSERT_FALSE(r);
        EXPECT_EQ(r.error().text(), "rbd/slow: the image could not be opened within 2 s: the cluster does not serve "
                                    "its header object");
        // Nobody uses the cluster any more; the late opening has it to itself.
        EXPECT_TRUE(run(clusters_.remove("c")));
    }
    EXPECT_TRUE(open(image));
}

TEST_F(RbdTrouble, a_hung_osd_holds_up_its_own_images_alone) {
    test_image image("hung");
    const auto d = open(image);
    ASSERT_TRUE(d);
    const auto disk = memory(*d->home());
    load local(*disk, core(0), op::read, 4);
    // Deeper than librados' stock limits, at which it would block whoever calls it.
    load reads(*d, core(0), op::read, 1500), writes(*d, core(1), op::write, 1500);
    ASSERT_TRUE(eventually([&] { return reads.done() > 3000 && writes.done() > 3000; }, 120s));
    local.reset();

    stopped_osd stopped;
    ASSERT_TRUE(eventually([&, last = reads.done() + writes.done()]() mutable {
        std::this_thread::sleep_for(500ms);
        return last == std::exchange(last, reads.done() + writes.done());
    }));
    const auto stuck = reads.done() + writes.done(), began = local.done();
    EXPECT_EQ(reads.in_flight() + writes.in_flight(), 3000u);
    std::this_thread::sleep_for(4s);
    std::printf("memory device beside 3,000 hung I/Os: %.0f I/O per second, longest gap %.1f ms\n",
                static_cast<double>(local.done() - began) / 4,
                std::chrono::duration<double, std::milli>(local.longest_gap()).count());
    EXPECT_EQ(reads.done() + writes.done(), stuck);
    EXPECT_GT(local.done() - began, 4000u);
    EXPECT_LT(local.longest_gap(), a_blink);

    stopped.resume();
    EXPECT_TRUE(eventually([&] { return reads.done() + writes.done() > stuck + 6000; }, 120s));
    reads.stop(), writes.stop(), local.stop();
    EXPECT_EQ(reads.failed() + writes.failed(), 0u);
}

TEST_F(RbdTrouble, deallocations_before_a_hung_osd_take_their_share_and_no_core) {
    // Without an object map each of its 64 objects is an operation, there or not.
    test_image image("deallocated", "256M", "--image-feature layering,exclusive-lock"), other("beside", "8M");
    auto o = options();
    o.max_outstanding_ops = 512;
    ASSERT_TRUE(run(clusters_.add("bounded", o)));
    auto p = params(image);
    p.cluster_name = "bounded";
    const auto d = open(p);
    ASSERT_TRUE(d);
    ASSERT_EQ(write(*d, core(0), 0, pattern(4096, 1)), sc::success);  // takes the lock
    unsigned outstanding = 0;
    const auto look = [&] {
        on_control([&] { outstanding = clusters_.use("bounded")->get()->operations()->count(); });
        return outstanding;
    };

    const auto disk = memory(*d->home());
    load local(*disk, *d->home(), op::read, 4);
    stopped_osd stopped;
    std::vector<bdev::io> deallocations(120);
    std::atomic<unsigned> done{0}, failed{0};
    struct counters {
        std::atomic<unsigned>&done, &failed;
    } count{done, failed};
    on(core(1), [&] {
        for (auto& i : deallocations) {
            i.operation = op::unmap;
            i.length_blocks = d->blocks();
            i.context = &count;
            i.done = [](bdev::io& i) noexcept {
                auto& c = *static_cast<counters*>(i.context);
                c.failed += !i.status.ok();
                ++c.done;
            };
            d->start(i);
        }
    });
    ASSERT_TRUE(eventually([&] { return look() >= issue_queue::max_long; }));
    EXPECT_LE(outstanding, issue_queue::max_long);
    load reads(*d, core(1), op::read, 100);
    EXPECT_TRUE(eventually([&] { return look() == issue_queue::max_long + 100; })) << "reads are not behind them";
    EXPECT_LT(local.longest_gap(), a_blink);
    EXPECT_EQ(done, 0u);

    stopped.resume();
    EXPECT_TRUE(eventually([&] { return done == deallocations.size(); }));
    EXPECT_EQ(failed, 0u);
    reads.stop(), local.stop();
    EXPECT_EQ(reads.failed(), 0u);
    EXPECT_EQ(look(), 0u);
}

TEST_F(RbdTrouble, removing_an_image_waits_for_its_hung_io_and_nobody_else_does) {
    test_image image("removed", "8M"), other("bystander", "8M");
    const auto d = open(image);
    ASSERT_TRUE(d);
    load writes(*d, core(1), op::write, 16);
    ASSERT_TRUE(eventually([&] { return writes.done() > 100; }));
    stopped_osd stopped;
    std::this_thread::sleep_for(200ms);
    auto stopping = std::async(std::launch::async, [&] { writes.stop(); });
    auto removed = start(disks_.remove("Ceph0"));
    EXPECT_EQ(removed.wait_for(1s), std::future_status::timeout);
    // The control reactor goes on: names are listed, other commands answered.
    std::size_t listed = 1;
    const auto began = steady::now();
    on_control([&] { listed = registry_.all().size(); });
    EXPECT_LT(steady::now() - began, a_blink);
    EXPECT_EQ(listed, 0u);
    const auto again = run(disks_.create(params(image, "Ceph0")));
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, EEXIST) << "not before the handle is closed";
    stopped.resume();
    EXPECT_TRUE(removed.get());
    EXPECT_EQ(writes.failed(), 0u);
    EXPECT_TRUE(open(params(image, "Ceph0")));
}

TEST_F(RbdTrouble, hung_io_ends_by_the_limit_as_a_path_error_and_the_image_goes_on) {
    test_image image("timeout", "16M");
    auto o = options();
    o.config_param = {{"rados_osd_op_timeout", "1"}};
    ASSERT_TRUE(run(clusters_.add("impatient", o)));
    auto p = params(image);
    p.cluster_name = "impatient";
    const auto d = open(p);
    ASSERT_TRUE(d);
    bytes data = pattern(4096, 1);
    EXPECT_EQ(write(*d, core(1), 0, data), sc::success);
    const std::uint64_t new_object = (4 << 20) / 512;
    {
        stopped_osd stopped;
        EXPECT_EQ(read(*d, core(1), 0, data), sc::internal_path_error);
        EXPECT_EQ(write(*d, core(0), 0, data), sc::internal_path_error);
        EXPECT_EQ(write(*d, core(1), new_object, data), sc::internal_path_error) << "its object map update";
        EXPECT_EQ(io(*d, core(0), {op::unmap, 0, new_object}), sc::internal_path_error);
    }
    data = pattern(4096, 2);
    EXPECT_TRUE(eventually([&] { return write(*d, core(1), new_object, data).ok(); }));
    EXPECT_EQ(tool("rbd info rbd/timeout").find("invalid"), std::string::npos) << "the object map is as it was";
    bytes back(4096);
    EXPECT_EQ(read(*d, core(0), new_object, back), sc::success);
    EXPECT_EQ(back, data);
    EXPECT_FALSE(d->fenced());
}

TEST_F(RbdTrouble, what_waited_too_long_for_a_hung_osd_never_reaches_it) {
    test_image image("late", "8M");
    auto o = options();
    o.config_param = {{"rados_osd_op_timeout", "5"}};
    o.max_outstanding_ops = ceph::operation_share::floor;
    ASSERT_TRUE(run(clusters_.add("narrow", o)));
    auto p = params(image);
    p.cluster_name = "narrow";
    const auto d = open(p);
    ASSERT_TRUE(d);
    bytes data = pattern(4096, 1);
    ASSERT_EQ(write(*d, core(0), 0, data), sc::success);  // takes the lock

    iovec from{data.data(), data.size()};
    std::vector<bdev::io> writes(2 * ceph::operation_share::floor);  // the second half waits for the first
    std::atomic<std::size_t> ended{0};
    {
        stopped_osd stopped;
        on(core(1), [&] {
            for (std::size_t n = 0; n < writes.size(); ++n) {
                bdev::io& i = writes[n];
                i.operation = op::write;
                i.offset_blocks = 8 * (n + 1);
                i.length_blocks = 8;
                i.data = {&from, 1};
                i.context = &ended;
                i.done = [](bdev::io& i) noexcept { ++*static_cast<std::atomic<std::size_t>*>(i.context); };
                d->start(i);
            }
        });
        EXPECT_TRUE(eventually([&] { return ended == writes.size(); }));
    }
    for (const bdev::io& i : writes)
        EXPECT_EQ(i.status, sc::internal_path_error) << i.offset_blocks << ": " << nvme::to_string(i.status);
    EXPECT_TRUE(eventually([&] { return write(*d, core(1), 0, data).ok(); })) << "the image goes on";
    on_control([&] { EXPECT_EQ(clusters_.use("narrow")->get()->operations()->count(), 0u); });
    ASSERT_TRUE(remove(d->name()));
    const bytes content = image.content();
    const auto late = content.begin() + (1 + ceph::operation_share::floor) * 4096;
    EXPECT_TRUE(std::all_of(late, content.end(), [](std::byte b) { return b == std::byte{0}; }));
}

}  // namespace
}  // namespace causeway::bdev_rbd
