// SPDX-License-Identifier: Apache-2.0
// What a discard leaves of an image, and what is counted of it: what hosts are told by DLFEAT, NPDG, NPDA and NUSE.

#include "bdev_rbd/testing/ceph_fixture.h"

#include <algorithm>

namespace causeway::bdev_rbd {
namespace {

using bdev::op;
namespace sc = nvme::sc;

constexpr std::uint64_t object = 1 << 20, image_bytes = 4 * object;

/// An image for one test, gone when its device is.
class made_image {
  public:
    explicit made_image(const std::string& create) { tool("rbd " + create); }
    ~made_image() { tool("rbd rm --no-progress rbd/discarded"); }
    made_image(const made_image&) = delete;
};

/// From which images can be cloned: rbd/base@s.
class base_snapshot {
  public:
    base_snapshot() {
        tool("rbd snap create --no-progress rbd/base@s");
        tool("rbd snap protect rbd/base@s");
    }
    ~base_snapshot() {
        tool("rbd snap unprotect rbd/base@s");
        tool("rbd snap rm --no-progress rbd/base@s");
    }
    base_snapshot(const base_snapshot&) = delete;
};

class RbdDiscard : public CephTest {
  protected:
    static constexpr std::uint32_t block = 4096;

    std::shared_ptr<rbd_device> open_made(const test_image& any) {
        auto p = params(any);
        p.image.name = "discarded";
        p.block_size = block;
        return open(p);
    }
    void discard(bdev::device& d, std::uint64_t from, std::uint64_t length) {
        EXPECT_EQ(io(d, core(1), {op::unmap, from / block, length / block}), sc::success);
    }
};

const struct {
    const char* sentence;
    const char* create;
    bool clone;
} kinds[] = {
    {"an image with a lock", "create --size 4M --image-feature layering,exclusive-lock", false},
    {"with an object map", "create --size 4M --image-feature layering,exclusive-lock,object-map,fast-diff", false},
    {"with neither", "create --size 4M --image-feature layering", false},
    {"a clone with a lock", "clone rbd/base@s --image-feature layering,exclusive-lock", true},
    {"with an object map", "clone rbd/base@s --image-feature layering,exclusive-lock,object-map,fast-diff", true},
    {"with neither", "clone rbd/base@s --image-feature layering", true},
};

/// Each object is full at first: of its own, or of its parent's.
TEST_F(RbdDiscard, what_was_discarded_reads_as_zeroes_and_the_rest_of_the_range_as_before) {
    test_image base("base", "4M", "--object-size 1M");
    const bytes full = pattern(image_bytes, 1);
    {
        const auto d = open(base);
        ASSERT_TRUE(d);
        ASSERT_EQ(write(*d, core(0), 0, full), sc::success);
        ASSERT_TRUE(remove(d->name()));
    }
    const base_snapshot snapshot;
    for (const auto& kind : kinds) {
        SCOPED_TRACE(kind.sentence);
        const made_image made(kind.create + std::string(" --object-size 1M rbd/discarded"));
        const auto d = open_made(base);
        ASSERT_TRUE(d);
        bytes expected = full;
        if (!kind.clone) {
            ASSERT_EQ(write(*d, core(0), 0, full), sc::success);
        }
        const auto zero = [&](std::uint64_t from, std::uint64_t length) {
            std::fill_n(expected.begin() + static_cast<std::ptrdiff_t>(from), length, std::byte{0});
        };
        const auto as_expected = [&] {
            bytes now(image_bytes);
            return read(*d, core(0), 0, now).ok() && now == expected;
        };
        EXPECT_TRUE(d->capabilities().unmap_reads_zeroes);
        const std::uint64_t grain = std::uint64_t{d->geometry().unmap_granularity_blocks} * block;
        EXPECT_EQ(grain, 64u << 10);
        EXPECT_EQ(d->geometry().unmap_alignment_blocks, d->geometry().unmap_granularity_blocks);

        discard(*d, block, block);
        EXPECT_TRUE(as_expected()) << "less than a granule is advice that librbd does not take";
        discard(*d, grain + block, grain);
        EXPECT_TRUE(as_expected()) << "as long as one, and none whole";
        discard(*d, 5 * grain - block, grain + 2 * block);
        zero(5 * grain, grain);
        EXPECT_TRUE(as_expected()) << "what lies beside one stays";
        discard(*d, object, object);
        zero(object, object);
        EXPECT_TRUE(as_expected()) << "an object";
        discard(*d, 2 * object + object / 2, object);
        zero(2 * object + object / 2, object);
        EXPECT_TRUE(as_expected()) << "halves of two";
        EXPECT_EQ(io(*d, core(0), {op::write_zeroes, 9, 1}), sc::success);
        zero(9 * block, block);
        EXPECT_TRUE(as_expected()) << "zeroes are no advice";
        discard(*d, 0, image_bytes);
        zero(0, image_bytes);
        EXPECT_TRUE(as_expected()) << "all of it";
        EXPECT_TRUE(remove(d->name()));
    }
}

TEST_F(RbdDiscard, of_a_striped_image_whole_stripes_are_discarded) {
    test_image image("stripes", "8M", "--object-size 1M --stripe-unit 16K --stripe-count 4");
    auto p = params(image);
    p.block_size = block;
    const auto d = open(p);
    ASSERT_TRUE(d);
    const std::uint32_t grain = d->geometry().unmap_granularity_blocks;
    EXPECT_EQ(grain, 4 * (64u << 10) / block);
    EXPECT_EQ(d->geometry().optimal_io_boundary_blocks, (16u << 10) / block);
    const bytes data = pattern(2 * std::size_t{grain} * block, 1);
    bytes back(data.size() / 2);
    ASSERT_EQ(write(*d, core(0), 0, data), sc::success);
    EXPECT_EQ(io(*d, core(1), {op::unmap, grain, grain}), sc::success);
    EXPECT_EQ(read(*d, core(0), grain, back), sc::success);
    EXPECT_EQ(back, bytes(back.size()));
    EXPECT_EQ(io(*d, core(1), {op::unmap, grain / 2, grain / 2}), sc::success);
    EXPECT_EQ(read(*d, core(0), 0, back), sc::success);
    EXPECT_TRUE(std::equal(back.begin(), back.end(), data.begin())) << "half a granule is none";
}

TEST_F(RbdDiscard, what_is_allocated_is_counted_where_there_is_an_object_map) {
    test_image plain("uncounted", "64M", "--image-feature layering,exclusive-lock");
    test_image image("counted", "64M", "--image-feature layering,exclusive-lock,object-map,fast-diff");
    const auto other = open(plain), d = open(image);
    ASSERT_TRUE(other && d);
    const auto allocated = [&](bdev::device& of) {
        std::optional<std::uint64_t> n;
        on_control([&] { n = of.allocated_blocks(); });
        return n;
    };
    EXPECT_EQ(allocated(*other), std::nullopt);
    EXPECT_TRUE(eventually([&] { return allocated(*d) == 0u; })) << "counted when it was opened";
    const bytes data = pattern(4096, 1);
    const std::uint64_t per_object = (4 << 20) / 512;
    ASSERT_EQ(write(*d, core(0), 0, data), sc::success);
    ASSERT_EQ(write(*d, core(1), 5 * per_object, data), sc::success);
    EXPECT_TRUE(eventually([&] { return allocated(*d) == 2 * per_object; }));

    stopped_osd stopped;  // while counts hang, whoever asks gets the last one
    const auto begins = steady::now() + allocation::min_age;
    EXPECT_TRUE(eventually([&] {
        const bool may_count = steady::now() > begins;
        EXPECT_EQ(allocated(*d), 2 * per_object);
        return may_count;
    }));
    auto removed = start(disks_.remove(d->name()));
    stopped.resume();
    EXPECT_TRUE(removed.get()) << "the count has ended, and the image is closed";
}

}  // namespace
}  // namespace causeway::bdev_rbd
