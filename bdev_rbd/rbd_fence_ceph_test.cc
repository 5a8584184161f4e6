// SPDX-License-Identifier: Apache-2.0
// The cluster has put a client of ours on its blocklist: what hosts see, and how its images come back.

#include "bdev_rbd/testing/ceph_fixture.h"

#include <rados/librados.h>

namespace causeway::bdev_rbd {
namespace {

using bdev::op;
namespace sc = nvme::sc;

class RbdFence : public CephTest {
  protected:
    std::string address_of(const std::string& cluster) {
        std::string text;
        on_control([&] {
            auto lease = clusters_.use(cluster);
            ASSERT_TRUE(lease);
            text = address(lease->get()->handle());
        });
        return text;
    }
    static std::string address(rados_t client) {
        char* text = nullptr;
        rados_getaddrs(client, &text);
        const std::string copy = text;
        ::free(text);
        return copy;
    }
    std::shared_ptr<ceph::outstanding_operations> operations_of(const std::string& cluster) {
        std::shared_ptr<ceph::outstanding_operations> found;
        on_control([&] { found = clusters_.use(cluster)->get()->operations(); });
        return found;
    }
    void fence(const std::string& cluster) { tool("ceph osd blocklist add " + address_of(cluster)); }
    ceph::clusters::view view_of(const std::string& cluster) {
        ceph::clusters::view found{};
        on_control([&] {
            for (auto& v : clusters_.all())
                if (v.name == cluster)
                    found = std::move(v);
        });
        return found;
    }
    static core::task<bool> suspended(rbd_device& d) {
        co_await d.suspend();
        co_return true;
    }
    /// What a host that tries again and again gets in the end.
    bool writes_again(rbd_device& d, const bytes& data) {
        return eventually([&] {
            const auto s = write(d, core(1), 0, data);
            EXPECT_TRUE(s.ok() || s == sc::internal_path_error) << nvme::to_string(s);
            return s.ok();
        });
    }
};

TEST_F(RbdFence, all_images_of_a_fenced_client_come_back_on_a_fresh_one) {
    test_image one("one", "8M"), two("two", "8M");
    const auto a = open(one), b = open(two);
    ASSERT_TRUE(a && b);
    const auto data = pattern(4096, 1);
    EXPECT_EQ(write(*a, core(0), 0, data), sc::success);
    const std::string before = address_of("shared");
    const auto counted = operations_of("shared");
    fence("shared");
    EXPECT_TRUE(writes_again(*a, data));
    EXPECT_TRUE(writes_again(*b, data));
    EXPECT_TRUE(eventually([&] { return a->reopened() == 1 && b->reopened() == 1; }));
    EXPECT_FALSE(a->fenced() || b->fenced());
    EXPECT_NE(address_of("shared"), before);
    EXPECT_EQ(operations_of("shared"), counted) << "images opened later share the limit with those that came along";
    EXPECT_EQ(view_of("shared").fences, 1u);
    EXPECT_FALSE(view_of("shared").fenced);

    tool("rbd resize --no-progress rbd/two --size 16M");
    EXPECT_TRUE(eventually([&] { return b->blocks() == (16u << 20) / 512; })) << "the size is followed again";
    EXPECT_TRUE(remove(a->name()));
    const auto content = one.content();
    EXPECT_TRUE(std::equal(data.begin(), data.end(), content.begin()));
}

TEST_F(RbdFence, an_idle_image_is_back_before_a_host_feels_it) {
    test_image image("idle", "8M");
    const auto d = open(image);
    ASSERT_TRUE(d);
    fence("shared");
    EXPECT_TRUE(eventually([&] { return d->reopened() == 1; })) << "librbd hears of it by its watch";
    EXPECT_EQ(write(*d, core(0), 0, pattern(4096, 1)), sc::success);
}

TEST_F(RbdFence, an_image_says_so_each_time_it_is_asked) {
    test_image on("asked", "8M");
    ASSERT_TRUE(run(clusters_.add("c", options())));
    std::shared_ptr<ceph::client> c;
    on_control([&] { c = clusters_.use("c")->get(); });
    const auto opened = image::open(std::move(c), on.spec());
    ASSERT_TRUE(opened) << opened.error().text();
    fence("c");
    const auto is_fenced = [&] {
        const auto size = (*opened)->size();
        return !size && size.error().code == ESHUTDOWN;
    };
    ASSERT_TRUE(eventually(is_fenced));
    EXPECT_TRUE(is_fenced()) << "librbd tells once; the one that it tells may be itself";
}

TEST_F(RbdFence, what_was_held_and_changes_content_is_left_to_its_host_while_reads_go_on) {
    test_image image("held", "8M");
    const auto d = open(image);
    ASSERT_TRUE(d);
    const auto newer = pattern(4096, 1);
    ASSERT_EQ(write(*d, core(0), 0, newer), sc::success);
    std::shared_ptr<ceph::client> shared;
    on_control([&] { shared = clusters_.use("shared")->get(); });
    auto fresh = image::open(std::move(shared), image.spec());
    ASSERT_TRUE(fresh) << fresh.error().text();

    ASSERT_TRUE(run(suspended(*d)));
    bytes out_of_date = pattern(4096, 2), back(4096);
    iovec from{out_of_date.data(), out_of_date.size()}, into{back.data(), back.size()};
    std::vector<bdev::io> ios(5);
    std::atomic<std::size_t> ended{0};
    const op operations[] = {op::write, op::write_zeroes, op::unmap, op::read, op::flush};
    on(core(1), [&] {
        for (std::size_t n = 0; n < ios.size(); ++n) {
            bdev::io& i = ios[n];
            i.operation = operations[n];
            i.length_blocks = i.operation == op::flush ? 0 : 8;
            i.data = {i.operation == op::read ? &into : &from, 1};
            i.context = &ended;
            i.done = [](bdev::io& i) noexcept { ++*static_cast<std::atomic<std::size_t>*>(i.context); };
            d->start(i);
        }
    });
    const auto resumed = run(d->resume(std::move(*fresh)));
    ASSERT_TRUE(resumed) << resumed.error().text();
    ASSERT_TRUE(eventually([&] { return ended == ios.size(); }));
    for (const bdev::io& i : ios)
        EXPECT_EQ(i.status, bdev::changes_content(i.operation) ? sc::internal_path_error : sc::success)
            << bdev::to_string(i.operation) << ": " << nvme::to_string(i.status);
    EXPECT_EQ(back, newer);
    EXPECT_EQ(write(*d, core(0), 0, out_of_date), sc::success) << "what comes now goes on";
}

TEST_F(RbdFence, nothing_is_issued_by_a_fresh_client_before_its_device_may_resume) {
    test_image image("asked", "8M");
    const auto d = open(image);
    ASSERT_TRUE(d);
    core::event may_resume;
    std::atomic<unsigned> asked{0};
    on_control([&] {
        d->before_resume = [&](rbd_device::header_location) -> core::task<core::result<>> {
            if (++asked == 1)
                co_return core::fail(EIO, "not yet");
            co_await may_resume.wait();
            co_return core::result<>();
        };
    });
    fence("shared");
    EXPECT_TRUE(eventually([&] {
        bytes back(4096);
        (void)read(*d, core(1), 0, back);
        return asked == 2;
    }));
    bytes back(4096);
    EXPECT_EQ(read(*d, core(1), 0, back), sc::internal_path_error);
    on_control([&] { may_resume.set(); });
    EXPECT_TRUE(writes_again(*d, pattern(4096, 1)));
    on_control([&] { d->before_resume = nullptr; });
}

TEST_F(RbdFence, a_fresh_client_that_is_fenced_at_once_is_replaced_too) {
    test_image image("twice", "8M");
    const auto d = open(image);
    ASSERT_TRUE(d);
    const std::string first = address_of("shared");
    fence("shared");
    std::string second;
    ASSERT_TRUE(eventually([&] {
        on_control([&] {
            if (auto lease = clusters_.use("shared"))
                second = address(lease->get()->handle());
        });
        return !second.empty() && second != first;
    }));
    tool("ceph osd blocklist add " + second);
    EXPECT_TRUE(eventually([&] { return view_of("shared").fences == 2 && !view_of("shared").fenced; }));
    EXPECT_TRUE(writes_again(*d, pattern(4096, 1)));
}

TEST_F(RbdFence, under_load_each_io_ends_once_and_the_load_goes_on) {
    test_image image("loaded", "8M");
    const auto d = open(image);
    ASSERT_TRUE(d);
    load writes(*d, core(0), op::write, 16), reads(*d, core(1), op::read, 16),
        zeroes(*d, core(1), op::write_zeroes, 4, 4096);
    ASSERT_TRUE(eventually([&] { return writes.done() > 200 && reads.done() > 200 && zeroes.done() > 20; }));
    for (unsigned times = 1; times <= 2; ++times) {
        const std::string old = address_of("shared");
        tool("ceph osd blocklist add " + old);
        ASSERT_TRUE(eventually([&] { return d->reopened() == times; }));
        const auto done = writes.done() + reads.done();
        ASSERT_TRUE(eventually([&] { return writes.done() + reads.done() > done + 400; }));
    }
    writes.stop(), reads.stop(), zeroes.stop();
    EXPECT_GT(writes.failed() + reads.failed() + zeroes.failed(), 0u);
    EXPECT_EQ(d->in_flight(), 0u);
}

TEST_F(RbdFence, an_image_with_a_client_of_its_own_comes_back_too) {
    test_image image("own", "8M");
    auto p = params(image);
    p.cluster_name.clear();
    p.client = options();
    const auto d = open(p);
    ASSERT_TRUE(d);
    const auto watchers = tool("rbd status rbd/own");
    const auto at = watchers.find("watcher=") + 8;
    tool("ceph osd blocklist add " + watchers.substr(at, watchers.find(' ', at) - at));
    EXPECT_TRUE(writes_again(*d, pattern(4096, 1)));
    EXPECT_EQ(d->reopened(), 1u);
}

TEST_F(RbdFence, where_the_operator_wants_it_images_stay_inaccessible) {
    test_image one("one", "8M"), two("two", "8M");
    auto o = options();
    o.on_fenced = ceph::fence_policy::offline;
    ASSERT_TRUE(run(clusters_.add("c", o)));
    auto p = params(one), q = params(two);
    p.cluster_name = q.cluster_name = "c";
    const auto a = open(p), b = open(q);
    ASSERT_TRUE(a && b);
    bytes data = pattern(4096, 1);
    EXPECT_EQ(write(*a, core(0), 0, data), sc::success);
    EXPECT_FALSE(a->fenced());
    fence("c");
    nvme::status s{};
    EXPECT_TRUE(eventually([&] { return !(s = write(*a, core(1), 0, pattern(4096, 2))).ok(); }));
    EXPECT_EQ(s, sc::internal_path_error) << nvme::to_string(s);
    EXPECT_TRUE(eventually([&] { return b->fenced(); })) << "its neighbour, too, which has had no I/O";
    EXPECT_EQ(read(*b, core(0), 0, data), sc::internal_path_error);
    EXPECT_TRUE(view_of("c").fenced);
    p.name = "again";
    p.image = q.image;
    EXPECT_EQ(run(disks_.create(p)).error().code, ESHUTDOWN);
    EXPECT_TRUE(remove(a->name()));
    const auto content = one.content();
    data = pattern(4096, 1);
    EXPECT_TRUE(std::equal(data.begin(), data.end(), content.begin()));
}

TEST_F(RbdFence, an_image_is_deleted_in_the_middle_of_its_recovery) {
    test_image image("away", "8M");
    auto o = options();
    o.time_limit = 1s;
    ASSERT_TRUE(run(clusters_.add("c", o)));
    auto p = params(image);
    p.cluster_name = "c";
    auto d = open(p);
    ASSERT_TRUE(d);
    fence("c");
    {
        ASSERT_TRUE(eventually([&] { return d->fenced() || d->reopened(); }));
        stopped_osd stopped;
        auto removed = start(disks_.remove(d->name()));
        d.reset();
        stopped.resume();
        EXPECT_TRUE(removed.get());
    }
    EXPECT_TRUE(eventually([&] { return bool(run(clusters_.remove("c"))); }));
    // What was being reopened is closed on its thread.
    EXPECT_TRUE(eventually([] { return tool("rbd status rbd/away").find("Watchers: none") != std::string::npos; }));
}

}  // namespace
}  // namespace causeway::bdev_rbd
