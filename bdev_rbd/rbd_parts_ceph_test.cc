// SPDX-License-Identifier: Apache-2.0
// I/O that goes to librbd in several parts, when the cluster or the gateway stands still between them.

#include "bdev_rbd/testing/ceph_fixture.h"

namespace causeway::bdev_rbd {
namespace {

using bdev::op;
namespace sc = nvme::sc;

/// An I/O that nobody waits for.
struct sent_io : bdev::io {
    void send(bdev::device& d, core::reactor& from) {
        context = this;
        done = [](bdev::io& i) noexcept { static_cast<sent_io*>(i.context)->ended = true; };
        from.execute([this, &d] { d.start(*this); });
    }
    std::atomic<bool> ended{false};
};

/// 16 objects, of which the last has data; a deallocation of all but the first takes two pieces.
class RbdParts : public CephTest {
  protected:
    static constexpr std::uint64_t object_blocks = (4 << 20) / 4096;
    static constexpr std::uint64_t last_object = 15 * object_blocks;

    void open_with_data() {
        ASSERT_TRUE(run(clusters_.add("parts", o)));
        auto p = params(image);
        p.cluster_name = "parts";
        p.block_size = 4096;
        d = open(p);
        ASSERT_TRUE(d);
        for (const std::uint64_t block : {std::uint64_t{0}, last_object})
            ASSERT_EQ(write(*d, core(0), block, old_data), sc::success);
        deallocation.operation = op::unmap;
        deallocation.offset_blocks = object_blocks;
        deallocation.length_blocks = d->blocks() - object_blocks;
    }
    unsigned outstanding() {
        unsigned count = 0;
        on_control([&] { count = clusters_.use("parts")->get()->operations()->count(); });
        return count;
    }
    bytes content(std::uint64_t block) {
        bytes back(4096);
        EXPECT_TRUE(eventually([&] { return read(*d, core(1), block, back).ok(); }));
        return back;
    }

    test_image image{"parts", "64M", "--image-feature layering"};
    ceph::client_options o = options();
    std::shared_ptr<rbd_device> d;
    bytes old_data = pattern(4096, 1), new_data = pattern(4096, 2);
    iovec compared{old_data.data(), old_data.size()}, written{new_data.data(), new_data.size()};
    sent_io deallocation, write_io, compare_and_write;
};

TEST_F(RbdParts, none_is_issued_when_those_before_it_took_too_long) {
    open_with_data();
    compare_and_write.operation = op::compare_and_write;
    compare_and_write.length_blocks = 1;
    compare_and_write.data = {&compared, 1};
    compare_and_write.write_data = {&written, 1};
    {
        stopped_osd stopped;
        deallocation.send(*d, core(1));
        compare_and_write.send(*d, core(1));
        std::this_thread::sleep_for(age_limit::before_issue + 100ms);
        EXPECT_FALSE(deallocation.ended || compare_and_write.ended);
    }
    EXPECT_TRUE(eventually([&] { return deallocation.ended && compare_and_write.ended; }));
    EXPECT_EQ(deallocation.status, sc::success) << "advice: a part may stay as it is";
    EXPECT_EQ(content(last_object), old_data);
    EXPECT_EQ(compare_and_write.status, sc::internal_path_error);
    EXPECT_EQ(content(0), old_data);
    EXPECT_EQ(outstanding(), 0u);
}

TEST_F(RbdParts, none_is_issued_after_a_stall) {
    open_with_data();
    write_io.operation = op::write;
    write_io.length_blocks = 1;
    write_io.data = {&written, 1};
    {
        stopped_osd stopped;
        write_io.send(*d, core(1));
        deallocation.send(*d, core(1));
        EXPECT_TRUE(eventually([&] { return outstanding() == 1 + 7; }));
        const auto stall = d->home()->options().stall_limit + 100ms;
        std::this_thread::sleep_for(stall);
        on(*d->home(), [&] { d->home()->record_stall(stall); });
    }
    EXPECT_TRUE(eventually([&] { return deallocation.ended && write_io.ended; }));
    EXPECT_EQ(write_io.status, sc::success) << "librbd had it";
    EXPECT_EQ(deallocation.status, sc::command_interrupted);
    EXPECT_EQ(content(last_object), old_data);
    EXPECT_EQ(outstanding(), 0u);
}

}  // namespace
}  // namespace causeway::bdev_rbd
