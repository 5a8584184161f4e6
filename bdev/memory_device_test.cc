// SPDX-License-Identifier: Apache-2.0
#include "bdev/memory_device.h"

#include "bdev/null_device.h"
#include "bdev/testing/bdev_fixture.h"

namespace causeway::bdev {
namespace {

using test::cut;
using test::memory;
using test::request;
using test::run;
namespace sc = nvme::sc;

TEST(memory_device, keeps_what_any_core_writes) {
    core::simulation s(5, 3);
    const auto d = memory(s[1]);
    EXPECT_EQ(d->home(), &s[1]);
    std::string text;
    for (int i = 0; i < 4096; ++i)
        text += static_cast<char>(i * 7);
    EXPECT_EQ(run(s, *d, 0, request(op::write, 10, 8, cut(text, 1000))), sc::success);
    for (std::size_t core : {0, 1, 2}) {
        std::string back(4096, '?');
        EXPECT_EQ(run(s, *d, core, request(op::read, 10, 8, cut(back, 333))), sc::success);
        EXPECT_EQ(back, text);
        EXPECT_EQ(run(s, *d, core, request(op::compare, 10, 8, cut(text, 4096))), sc::success);
    }
    text[4095] ^= 1;
    EXPECT_EQ(run(s, *d, 2, request(op::compare, 10, 8, cut(text, 100))), sc::compare_failure.with_dnr());
    EXPECT_EQ(run(s, *d, 2, request(op::flush, 0, 0)), sc::success);
}

TEST(memory_device, what_was_never_written_or_was_given_up_is_zero) {
    core::simulation s(5, 2);
    const auto d = memory(s[0], 64 << 11);  // 64 MiB
    const std::uint64_t size = d->blocks();
    std::string data(16384, 'x');
    for (op o : {op::unmap, op::write_zeroes}) {
        for (std::uint64_t at : {std::uint64_t{0}, std::uint64_t{3}, size - 32})
            EXPECT_EQ(run(s, *d, 1, request(op::write, at, 32, cut(data, 16384))), sc::success);
        // Begins and ends inside a page, and takes many turns.
        EXPECT_EQ(run(s, *d, 1, request(o, 5, size - 5 - 3)), sc::success);
        std::string front(8 * 512, '?'), back(8 * 512, '?');
        EXPECT_EQ(run(s, *d, 0, request(op::read, 0, 8, cut(front, 4096))), sc::success);
        EXPECT_EQ(front, std::string(5 * 512, 'x') + std::string(3 * 512, '\0'));
        EXPECT_EQ(run(s, *d, 0, request(op::read, size - 8, 8, cut(back, 4096))), sc::success);
        EXPECT_EQ(back, std::string(5 * 512, '\0') + std::string(3 * 512, 'x'));
    }
}

TEST(memory_device, a_long_zeroing_lets_others_in_between) {
    core::simulation s(5, 1);
    const auto d = memory(s[0], 512 << 11);  // 512 MiB: 512 turns
    request zeroing(op::write_zeroes, 0, d->blocks()), small(op::flush, 0, 0);
    s[0].execute([&] {
        d->start(zeroing);
        d->start(small);
    });
    s.run_until([&] { return small.ended(); });
    EXPECT_FALSE(zeroing.ended());
    s.run_until_idle();
    EXPECT_EQ(zeroing.status, sc::success);
}

/// A number in one block, counted up by compare_and_write from three cores at once.
struct counting : request {
    counting(device& d, std::uint64_t times) : request(op::read, 7, 1), target(d), left(times) {
        done = [](io& i) noexcept { static_cast<counting&>(i).next(); };
    }
    void begin() {
        operation = op::read;
        data = {&now_vector, 1};
        target.start(*this);
    }
    void next() {
        if (operation == op::read) {
            fresh = now;
            std::uint64_t n;
            std::memcpy(&n, now.data(), sizeof n);
            ++n;
            std::memcpy(fresh.data(), &n, sizeof n);
            operation = op::compare_and_write;
            write_data = {&fresh_vector, 1};
            return target.start(*this);
        }
        ASSERT_TRUE(status.ok() || status.is(sc::compare_failure));
        (status.ok() ? left : lost) += status.ok() ? -1 : 1;
        if (left)
            begin();
    }
    device& target;
    std::uint64_t left, lost = 0;
    std::string now = std::string(512, '\0'), fresh = now;
    iovec now_vector{now.data(), 512}, fresh_vector{fresh.data(), 512};
};

TEST(memory_device, compare_and_write_is_atomic_between_cores) {
    std::uint64_t lost = 0;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        core::simulation s(seed, 3);
        const auto d = memory(s[seed % 3]);
        std::vector<std::unique_ptr<counting>> counters;
        for (std::size_t core = 0; core < 3; ++core) {
            counters.push_back(std::make_unique<counting>(*d, 100));
            s[core].execute([c = counters.back().get()] { c->begin(); });
        }
        s.run_until_idle();
        std::string end(512, '?');
        EXPECT_EQ(run(s, *d, 0, request(op::read, 7, 1, cut(end, 512))), sc::success);
        std::uint64_t n;
        std::memcpy(&n, end.data(), sizeof n);
        EXPECT_EQ(n, 300u) << "seed " << seed;
        for (const auto& c : counters)
            lost += c->lost;
    }
    EXPECT_GT(lost, 0u) << "the cores never collided: the test shows nothing";
}

TEST(memory_device, copies_sources_one_after_the_other) {
    core::simulation s(5, 2);
    const auto d = memory(s[0]);
    std::string text;
    for (const char block : {'a', 'b', 'c', 'd'})
        text += std::string(512, block);
    EXPECT_EQ(run(s, *d, 1, request(op::write, 0, 4, cut(text, 2048))), sc::success);
    const auto copied = [&](std::uint64_t to, std::vector<copy_source> sources) {
        request r(op::copy, to, 0);
        for (const auto& from : sources)
            r.length_blocks += from.length_blocks;
        r.sources = sources;
        EXPECT_EQ(run(s, *d, 1, r), sc::success);
        std::string back(8 * 512, '?'), blocks;
        EXPECT_EQ(run(s, *d, 1, request(op::read, 0, 8, cut(back, 4096))), sc::success);
        for (std::size_t at = 0; at < back.size(); at += 512)
            blocks += back[at] ? back[at] : '.';
        return blocks;
    };
    EXPECT_EQ(copied(4, {{2, 2}, {0, 1}}), "abcdcda.");
    EXPECT_EQ(copied(1, {{0, 3}}), "aabccda.") << "a source that overlaps is read before it is written";
    EXPECT_EQ(copied(0, {{1, 2}, {0, 1}, {6, 1}}), "abaacda.");
    EXPECT_EQ(copied(0, {{6, 2}, {5, 1}, {7, 1}}), "a.d.cda.");
}

TEST(memory_device, verifies_what_is_there_and_nothing_else) {
    core::simulation s(5, 2);
    const auto d = memory(s[0]);
    EXPECT_EQ(run(s, *d, 1, request(op::verify, 0, d->blocks())), sc::success);
    EXPECT_EQ(run(s, *d, 1, request(op::verify, 1, d->blocks())), sc::lba_out_of_range.with_dnr());
}

TEST(memory_device, refuses_shapes_that_cannot_be) {
    core::simulation s(1);
    const auto make = [&](std::uint32_t block_size, std::uint64_t blocks) {
        return memory_device::create(s[0], "m", {.block_size = block_size, .blocks = blocks}, random_uuid());
    };
    for (const auto& [block_size, blocks] :
         {std::pair<std::uint32_t, std::uint64_t>{500, 8}, {256, 8}, {0, 8}, {512, 0}, {4096, ~0ull}}) {
        const auto d = make(block_size, blocks);
        ASSERT_FALSE(d) << block_size << " " << blocks;
        EXPECT_EQ(d.error().code, EINVAL);
    }
    const auto huge = make(4096, 1ull << 45);
    ASSERT_FALSE(huge);
    EXPECT_EQ(huge.error().code, ENOMEM);
}

TEST(null_device, a_read_brings_nothing_of_what_was_in_the_buffer) {
    core::simulation s(1, 2);
    null_device d(s.group(), "n", {.block_size = 512, .blocks = 100}, random_uuid());
    std::string secret(4096, 's');
    EXPECT_EQ(run(s, d, 1, request(op::write, 0, 8, cut(secret, 1000))), sc::success);
    EXPECT_EQ(run(s, d, 1, request(op::read, 0, 8, cut(secret, 1000))), sc::success);
    EXPECT_EQ(secret, std::string(4096, '\0'));
}

TEST(null_device, copies_and_verifies_nothing_at_all) {
    core::simulation s(1);
    null_device d(s.group(), "n", {.block_size = 512, .blocks = 100}, random_uuid());
    const std::vector<copy_source> all = {{0, 50}};
    request copy(op::copy, 50, 50);
    copy.sources = all;
    EXPECT_EQ(run(s, d, 0, copy), sc::success);
    EXPECT_EQ(run(s, d, 0, request(op::verify, 0, 100)), sc::success);
}

}  // namespace
}  // namespace causeway::bdev
