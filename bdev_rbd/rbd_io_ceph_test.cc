// SPDX-License-Identifier: Apache-2.0
// Every operation of an RBD image, checked against what the cluster itself says the image holds.

#include "bdev_rbd/testing/ceph_fixture.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <unistd.h>

namespace causeway::bdev_rbd {
namespace {

using bdev::op;
namespace sc = nvme::sc;

constexpr std::size_t block = 512;

class RbdIo : public CephTest {};

bool same(const bytes& a, const bytes& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size()) == 0;
}

TEST_F(RbdIo, what_either_core_writes_is_in_the_cluster) {
    test_image image("write");
    const auto d = open(image);
    ASSERT_TRUE(d);
    EXPECT_EQ(d->blocks(), (64u << 20) / block);
    EXPECT_EQ(d->name(), "Ceph0");
    EXPECT_EQ(registry_.find("rbd/write"), d);

    const bytes small = pattern(block, 1), large = pattern(128 << 10, 2), across = pattern(64 << 10, 3);
    const std::uint64_t object = (4 << 20) / block;
    EXPECT_EQ(write(*d, core(0), 7, small), sc::success);
    EXPECT_EQ(write(*d, core(1), 4096, large), sc::success);
    EXPECT_EQ(write(*d, core(1), object - 13, across), sc::success);  // from the first object into the second
    EXPECT_EQ(write(*d, core(0), d->blocks() - 1, small), sc::success);

    bytes expected(64 << 20);
    std::copy(small.begin(), small.end(), expected.begin() + 7 * block);
    std::copy(large.begin(), large.end(), expected.begin() + 4096 * block);
    std::copy(across.begin(), across.end(), expected.begin() + static_cast<long>((object - 13) * block));
    std::copy(small.begin(), small.end(), expected.end() - block);

    for (std::size_t from = 0; from < 2; ++from) {
        bytes back(across.size(), std::byte{0xee});
        EXPECT_EQ(read(*d, core(from), object - 13, back), sc::success);
        EXPECT_EQ(back, across);
        bytes never_written(4096, std::byte{0xee});
        EXPECT_EQ(read(*d, core(from), 100000, never_written), sc::success);
        EXPECT_EQ(never_written, bytes(4096));
    }
    EXPECT_EQ(io(*d, core(0), {op::flush}), sc::success);
    EXPECT_TRUE(same(image.content(), expected));
}

TEST_F(RbdIo, a_thousand_random_operations_leave_what_a_model_says) {
    test_image image("model", "16M");
    const auto d = open(image);
    ASSERT_TRUE(d);
    bytes model(16 << 20);
    std::mt19937 random(20240917);
    const auto below = [&](std::uint64_t n) { return std::uniform_int_distribution<std::uint64_t>(0, n - 1)(random); };

    for (int n = 0; n < 1000; ++n) {
        core::reactor& from = core(below(2));
        const std::uint64_t length = 1 + below(below(4) ? 64 : 2048);
        const std::uint64_t offset = below(d->blocks() - length + 1);
        const auto begin = model.begin() + static_cast<long>(offset * block);
        const auto end = begin + static_cast<long>(length * block);
        switch (below(7)) {
        case 0:
        case 1: {
            const bytes data = pattern(length * block, static_cast<unsigned>(n));
            ASSERT_EQ(write(*d, from, offset, data, below(8) == 0), sc::success);
            std::copy(data.begin(), data.end(), begin);
            break;
        }
        case 2:
            ASSERT_EQ(io(*d, from, {op::write_zeroes, offset, length}), sc::success);
            std::fill(begin, end, std::byte{0});
            break;
        case 3: {
            ASSERT_EQ(io(*d, from, {op::unmap, offset, length}), sc::success);
            bytes after(length * block);
            ASSERT_EQ(read(*d, from, offset, after), sc::success);
            for (std::size_t i = 0; i < after.size(); ++i)  // zeroes, or what was there before
                ASSERT_TRUE(after[i] == std::byte{0} || after[i] == begin[static_cast<long>(i)]) << n << " " << i;
            std::copy(after.begin(), after.end(), begin);
            break;
        }
        case 4: {
            bytes data(begin, end);
            const bool same = below(2);
            if (!same)
                data[below(data.size())] ^= std::byte{1};
            ASSERT_EQ(io(*d, from, {op::compare, offset, length}, scattered(data)),
                      same ? sc::success : sc::compare_failure.with_dnr());
            break;
        }
        case 5: {
            bytes old(begin, begin + block), fresh = pattern(block, static_cast<unsigned>(n) + 7);
            const bool same = below(2);
            if (!same)
                old[below(block)] ^= std::byte{0x80};
            const std::size_t piece = below(2) ? 200 : block;  // scattered, or flat
            ASSERT_EQ(io(*d, from, {op::compare_and_write, offset, 1}, scattered(old, piece), scattered(fresh, piece)),
                      same ? sc::success : sc::compare_failure.with_dnr());
            if (same)
                std::copy(fresh.begin(), fresh.end(), begin);
            break;
        }
        default: {
            bytes data(length * block, std::byte{0xee});
            ASSERT_EQ(read(*d, from, offset, data), sc::success);
            ASSERT_EQ(std::memcmp(&*begin, data.data(), data.size()), 0) << n;
        }
        }
    }
    EXPECT_EQ(io(*d, core(1), {op::flush}), sc::success);
    EXPECT_TRUE(same(image.content(), model));
}

TEST_F(RbdIo, forced_unit_access_reaches_the_cluster_past_a_write_back_cache) {
    test_image image("fua", "8M");
    auto o = options();
    o.config_param = {{"rbd_cache", "true"},
                      {"rbd_cache_policy", "writeback"},
                      {"rbd_cache_writethrough_until_flush", "false"},
                      {"rbd_cache_max_dirty_age", "3600"}};
    ASSERT_TRUE(run(clusters_.add("write back", o)));
    auto p = params(image);
    p.cluster_name = "write back";
    const auto d = open(p);
    ASSERT_TRUE(d);
    EXPECT_TRUE(d->capabilities().volatile_write_cache);

    const bytes kept = pattern(block, 1), forced = pattern(block, 2), flushed = pattern(block, 3);
    EXPECT_EQ(write(*d, core(0), 0, kept), sc::success);
    EXPECT_TRUE(same(image.content(), bytes(8 << 20))) << "then this test says nothing";
    EXPECT_EQ(write(*d, core(1), 1, forced, true), sc::success);
    bytes now = image.content();
    EXPECT_TRUE(std::equal(forced.begin(), forced.end(), now.begin() + block));
    EXPECT_EQ(write(*d, core(1), 9, flushed), sc::success);
    EXPECT_EQ(io(*d, core(0), {op::flush}), sc::success);
    now = image.content();
    EXPECT_TRUE(std::equal(flushed.begin(), flushed.end(), now.begin() + 9 * block));
}

TEST_F(RbdIo, nothing_volatile_is_kept_unless_it_was_asked_for) {
    // Other clients of a cluster may well cache: their configuration file is no wish of a gateway's operator.
    const auto file = std::filesystem::path(testing::TempDir()) / ("ceph.conf." + std::to_string(::getpid()));
    auto o = options();
    std::filesystem::copy_file(o.config_file, file, std::filesystem::copy_options::overwrite_existing);
    std::ofstream(file, std::ios::app) << "\n[client]\nrbd_cache = true\n";
    o.config_file = file;
    ASSERT_TRUE(run(clusters_.add("caches by its file", o)));
    std::filesystem::remove(file);

    test_image plain("plain", "8M"), wished("wished", "8M");
    tool("rbd config image set rbd/wished rbd_cache true");
    auto p = params(plain);
    p.cluster_name = "caches by its file";
    const auto d = open(p);
    ASSERT_TRUE(d);
    EXPECT_FALSE(d->capabilities().volatile_write_cache);
    EXPECT_EQ(write(*d, core(1), 5, pattern(block, 1), true), sc::success);
    EXPECT_EQ(io(*d, core(1), {op::flush}), sc::success);

    const auto cached = open(wished);
    ASSERT_TRUE(cached);
    EXPECT_TRUE(cached->capabilities().volatile_write_cache);
}

TEST_F(RbdIo, compare_and_write_is_atomic_between_cores_and_gateways) {
    test_image image("atomic", "8M");
    const auto first = open(image);
    ASSERT_TRUE(first);
    // A second gateway: with clients and registry of its own, it may open the same image.
    ceph::clusters other_clusters(group_);
    bdev::registry other_registry(group_);
    disks other(other_registry, other_clusters, homes_);
    auto p = params(image);
    p.cluster_name.clear();
    p.client = options();
    const auto second = run(other.create(p));
    ASSERT_TRUE(second) << second.error().text();
    EXPECT_EQ((*second)->id(), first->id()) << "hosts take both for the same disk";

    const auto count_up = [&](bdev::device& d, core::reactor& from, unsigned times) {
        for (unsigned done = 0; done < times;) {
            bytes now(block);
            ASSERT_EQ(read(d, from, 3, now), sc::success);
            bytes next = now;
            ++reinterpret_cast<std::uint64_t&>(next[0]);
            const auto s = io(d, from, {op::compare_and_write, 3, 1}, scattered(now, block), scattered(next, block));
            ASSERT_TRUE(s.ok() || s.is(sc::compare_failure)) << nvme::to_string(s);
            done += s.ok();
        }
    };
    std::thread a([&] { count_up(*first, core(0), 50); }), b([&] { count_up(*first, core(1), 50); }),
        c([&] { count_up(**second, core(1), 50); });
    a.join(), b.join(), c.join();
    EXPECT_EQ(run(other.remove((*second)->name())).has_value(), true);
    const bytes end = image.content();
    EXPECT_EQ(reinterpret_cast<const std::uint64_t&>(end[3 * block]), 150u);
}

/// The image from which `child` is made is protected, and released with it.
class clone {
  public:
    clone() {
        tool("rbd snap create --no-progress rbd/parent@base");
        tool("rbd snap protect rbd/parent@base");
        tool("rbd clone rbd/parent@base rbd/child");
    }
    ~clone() {
        tool("rbd rm --no-progress rbd/child");
        tool("rbd snap unprotect rbd/parent@base");
        tool("rbd snap rm --no-progress rbd/parent@base");
    }
    clone(const clone&) = delete;
};

class RbdCompareAndWrite : public RbdIo {
  protected:
    static constexpr std::size_t page = 4096;  // VMFS's block

    nvme::status compare_and_write(bdev::device& d, core::reactor& from, std::uint64_t block_number, bytes expected,
                                   bytes fresh) {
        return io(d, from, {op::compare_and_write, block_number, 1}, scattered(expected), scattered(fresh));
    }
    std::shared_ptr<rbd_device> open_pages(disk_params p) {
        p.block_size = page;
        return open(p);
    }
};

TEST_F(RbdCompareAndWrite, a_block_of_4096_bytes_is_compared_and_written_whole) {
    test_image image("pages", "16M", "--object-size 4M --stripe-unit 8K --stripe-count 2");
    const auto d = open_pages(params(image));
    ASSERT_TRUE(d);
    ASSERT_TRUE(d->capabilities().supports(op::compare_and_write));
    const bytes a = pattern(page, 1), b = pattern(page, 2);
    EXPECT_EQ(compare_and_write(*d, core(0), 5, bytes(page), a), sc::success) << "of what was never written";
    for (const std::size_t wrong : {std::size_t{0}, std::size_t{511}, std::size_t{512}, page - 1}) {
        bytes other = a;
        other[wrong] ^= std::byte{1};
        EXPECT_EQ(compare_and_write(*d, core(1), 5, other, b), sc::compare_failure.with_dnr()) << wrong;
    }
    EXPECT_EQ(compare_and_write(*d, core(1), 5, a, b), sc::success);
    EXPECT_EQ(compare_and_write(*d, core(0), d->blocks() - 1, bytes(page), a), sc::success);
    bytes expected(16 << 20);
    std::copy(b.begin(), b.end(), expected.begin() + 5 * page);
    std::copy(a.begin(), a.end(), expected.end() - page);
    EXPECT_TRUE(same(image.content(), expected)) << "and nothing else";
    EXPECT_EQ(d->geometry().atomic_boundary_blocks, 2u) << "the stripe unit";
}

TEST_F(RbdCompareAndWrite, cores_and_gateways_count_up_in_a_block_of_4096_bytes) {
    test_image image("counted", "8M");
    const auto first = open_pages(params(image));
    ASSERT_TRUE(first);
    ceph::clusters other_clusters(group_);
    bdev::registry other_registry(group_);
    disks other(other_registry, other_clusters, homes_);
    auto p = params(image);
    p.block_size = page;
    p.cluster_name.clear();
    p.client = options();
    const auto second = run(other.create(p));
    ASSERT_TRUE(second) << second.error().text();

    const auto count_up = [&](bdev::device& d, core::reactor& from, unsigned times) {
        for (unsigned done = 0; done < times;) {
            bytes now(page);
            ASSERT_EQ(read(d, from, 3, now), sc::success);
            bytes next = now;
            ++reinterpret_cast<std::uint64_t&>(next[page - 8]);  // not in the first sector
            const auto s = compare_and_write(d, from, 3, now, next);
            ASSERT_TRUE(s.ok() || s.is(sc::compare_failure)) << nvme::to_string(s);
            done += s.ok();
        }
    };
    std::thread a([&] { count_up(*first, core(0), 40); }), b([&] { count_up(*first, core(1), 40); }),
        c([&] { count_up(**second, core(1), 40); });
    a.join(), b.join(), c.join();
    EXPECT_TRUE(run(other.remove((*second)->name())));
    const bytes end = image.content();
    EXPECT_EQ(reinterpret_cast<const std::uint64_t&>(end[4 * page - 8]), 120u);
}

TEST_F(RbdCompareAndWrite, a_block_that_is_given_up_between_the_steps_is_not_written) {
    test_image other("elsewhere", "8M"), image("shrinking", "16M");
    const auto first = open(other);
    const auto d = open_pages(params(image));
    ASSERT_TRUE(first && d);
    core::reactor& home = *d->home();
    ASSERT_NE(&home, &group_.control()) << "which begins the shrink";
    const std::uint64_t small = (8 << 20) / page, beyond = d->blocks() - 1;
    bytes both(2 * page);
    // Its object is there, and a librbd that takes no more than a sector has said so.
    ASSERT_EQ(compare_and_write(*d, core(0), beyond, bytes(page), bytes(page)), sc::success);
    iovec compared{both.data(), page}, written{both.data() + page, page};
    std::promise<void> ended;
    bdev::io i;
    i.operation = op::compare_and_write;
    i.offset_blocks = beyond;
    i.length_blocks = 1;
    i.data = {&compared, 1};
    i.write_data = {&written, 1};
    i.context = &ended;
    i.done = [](bdev::io& i) noexcept { static_cast<std::promise<void>*>(i.context)->set_value(); };
    std::future<core::result<>> shrunk;
    on(home, [&] {  // which gets to the second step only when the blocks are gone
        d->start(i);
        shrunk = start(d->resize({.bytes = 8 << 20, .allow_shrink = true}));
        EXPECT_TRUE(eventually([&] { return d->blocks() == small; }));
    });
    ended.get_future().wait();
    EXPECT_EQ(i.status, sc::lba_out_of_range.with_dnr()) << nvme::to_string(i.status);
    EXPECT_TRUE(shrunk.get());
}

TEST_F(RbdCompareAndWrite, a_clone_is_copied_up_and_a_snapshot_keeps_what_was) {
    test_image parent("parent", "8M");
    const bytes old = pattern(64 << 10, 1), fresh = pattern(page, 2);
    {
        const auto d = open_pages(params(parent));
        ASSERT_TRUE(d);
        ASSERT_EQ(write(*d, core(0), 0, old), sc::success);
        ASSERT_TRUE(remove("Ceph0"));
    }
    clone child;
    auto p = params(parent);
    p.image.name = "child";
    const auto d = open_pages(p);
    ASSERT_TRUE(d);
    const bytes expected(old.begin() + page, old.begin() + 2 * page);
    EXPECT_EQ(compare_and_write(*d, core(1), 1, expected, fresh), sc::success);
    bytes now(old.size());
    EXPECT_EQ(read(*d, core(0), 0, now), sc::success);
    bytes all = old;
    std::copy(fresh.begin(), fresh.end(), all.begin() + page);
    EXPECT_EQ(now, all);
    EXPECT_TRUE(std::equal(old.begin(), old.end(), parent.content().begin())) << "the parent is as it was";

    tool("rbd snap create --no-progress rbd/child@before");
    EXPECT_EQ(compare_and_write(*d, core(0), 1, fresh, expected), sc::success);
    EXPECT_TRUE(remove("Ceph0"));
    tool("rbd snap rollback --no-progress rbd/child@before");
    tool("rbd snap rm --no-progress rbd/child@before");
    const auto rolled_back = open_pages(p);
    ASSERT_TRUE(rolled_back);
    EXPECT_EQ(read(*rolled_back, core(0), 0, now), sc::success);
    EXPECT_EQ(now, all);
    EXPECT_TRUE(remove("Ceph0"));
}

TEST_F(RbdCompareAndWrite, is_not_on_offer_where_it_would_go_past_a_journal) {
    test_image image("journaled", "8M", "--image-feature layering,exclusive-lock,journaling");
    const auto sectors = open(image);
    ASSERT_TRUE(sectors);
    EXPECT_TRUE(sectors->capabilities().supports(op::compare_and_write));
    EXPECT_TRUE(remove("Ceph0"));
    const auto pages = open_pages(params(image));
    ASSERT_TRUE(pages);
    EXPECT_FALSE(pages->capabilities().supports(op::compare_and_write));
}

TEST_F(RbdIo, a_block_larger_than_a_stripe_unit_is_refused) {
    test_image image("striped", "8M", "--object-size 4M --stripe-unit 2K --stripe-count 2");
    auto p = params(image);
    p.block_size = 2048;
    const auto d = open(p);
    ASSERT_TRUE(d);
    EXPECT_EQ(d->geometry().physical_block_size, 2048u) << "no more is written whole or not at all";
    EXPECT_TRUE(remove("Ceph0"));
    p.block_size = 4096;
    const auto refused = run(disks_.create(p));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, EINVAL);
}

TEST_F(RbdIo, what_the_device_cannot_do_is_refused_before_librbd) {
    test_image image("refuse", "8M");
    const auto d = open(image);
    ASSERT_TRUE(d);
    bytes two(2 * block);
    EXPECT_EQ(write(*d, core(0), d->blocks() - 1, two), sc::lba_out_of_range.with_dnr());
    EXPECT_EQ(io(*d, core(1), {op::unmap, ~0ull, 2}), sc::lba_out_of_range.with_dnr());
    EXPECT_EQ(io(*d, core(1), {op::compare_and_write, 0, 2}, scattered(two), scattered(two)),
              sc::atomic_write_unit_exceeded.with_dnr());
}

TEST_F(RbdIo, unmap_gives_memory_back_to_the_cluster) {
    test_image image("unmap", "2G", "--object-size 1M");
    const auto d = open(image);
    ASSERT_TRUE(d);
    for (unsigned n = 0; n < 4; ++n)
        EXPECT_EQ(write(*d, core(1), n * (512u << 20) / block, pattern(64 << 10, n)), sc::success);
    EXPECT_EQ(io(*d, core(0), {op::flush}), sc::success);
    const std::string prefix = "rados -p rbd ls | grep -c rbd_data." + d->info().id + " || true";
    EXPECT_EQ(std::stoi(tool(prefix)), 4);
    // More than librbd takes at once.
    EXPECT_EQ(io(*d, core(1), {op::unmap, 0, d->blocks()}), sc::success);
    EXPECT_EQ(io(*d, core(1), {op::flush}), sc::success);
    EXPECT_EQ(std::stoi(tool(prefix)), 0);
}

}  // namespace
}  // namespace causeway::bdev_rbd
