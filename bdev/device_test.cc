// SPDX-License-Identifier: Apache-2.0
#include "bdev/device.h"

#include "bdev/null_device.h"
#include "bdev/testing/bdev_fixture.h"

#include <list>

namespace causeway::bdev {
namespace {

using namespace std::chrono_literals;
using test::cut;
using test::request;
using test::run;
namespace sc = nvme::sc;

/// Completes each I/O when the test says so, from a "thread" of its own.
class slow_device final : public device {
  public:
    slow_device(core::reactor_group& g, device_geometry shape, device_capabilities c)
        : device(g, "slow", shape, c, random_uuid()) {}
    std::string_view product_name() const noexcept override { return "Slow"; }
    io* waiting = nullptr;

  private:
    void submit(io& i) noexcept override { waiting = &i; }
};

struct range_row {
    const char* sentence;
    std::uint64_t offset, length;
    nvme::status expected;
};

TEST(device, refuses_ranges_that_are_not_all_its_own) {
    core::simulation s(1);
    null_device d(s.group(), "n", {.block_size = 512, .blocks = 100}, random_uuid());
    const auto out = sc::lba_out_of_range.with_dnr();
    const range_row rows[] = {
        {"all of it", 0, 100, sc::success},
        {"the last block", 99, 1, sc::success},
        {"a block too far", 100, 1, out},
        {"a block too long", 99, 2, out},
        {"longer than the device", 0, 101, out},
        {"an end beyond 2^64", ~0ull, 2, out},
        {"an end that wraps to a valid block", ~0ull - 1, 50, out},
        {"a length of 2^64 - 1", 1, ~0ull, out},
        {"nothing, at the end", 100, 0, sc::success},
        {"nothing, past the end", 101, 0, out},
    };
    for (const auto& r : rows)
        EXPECT_EQ(run(s, d, 0, request(op::unmap, r.offset, r.length)), r.expected) << r.sentence;
    EXPECT_EQ(run(s, d, 0, request(op::flush, 0, 0)), sc::success);
    EXPECT_EQ(run(s, d, 0, request(op::compare_and_write, 0, 2)), sc::atomic_write_unit_exceeded.with_dnr());

    s[0].execute([&] { d.set_blocks(50); });
    s.run_until_idle();
    EXPECT_EQ(run(s, d, 0, request(op::write, 49, 2)), out) << "a shrink came between";
}

TEST(device, refuses_copies_from_where_it_has_nothing_and_of_more_than_it_takes) {
    core::simulation s(1);
    slow_device d(s.group(),
                  {.block_size = 512, .blocks = 100, .copy_source_blocks = 8, .copy_blocks = 10, .copy_sources = 2},
                  {.ops = ops({op::copy})});
    const auto too_much = sc::command_size_limit_exceeded.with_dnr();
    const auto out = sc::lba_out_of_range.with_dnr();
    struct {
        const char* sentence;
        std::uint64_t to;
        std::vector<copy_source> from;
        nvme::status expected;
    } const rows[] = {
        {"one source more than it takes", 0, {{0, 1}, {1, 1}, {2, 1}}, too_much},
        {"a source of a block more", 0, {{50, 9}}, too_much},
        {"a block more altogether", 0, {{50, 8}, {60, 3}}, too_much},
        {"a source past the end", 0, {{50, 1}, {100, 1}}, out},
        {"a source across the end", 0, {{93, 8}}, out},
        {"a source that wraps around", 0, {{~0ull, 2}}, out},
        {"a destination across the end", 93, {{0, 8}}, out},
        {"nothing", 0, {}, sc::success},
    };
    for (const auto& row : rows) {
        request r(op::copy, row.to, 0);
        for (const auto& source : row.from)
            r.length_blocks += source.length_blocks;
        r.sources = row.from;
        EXPECT_EQ(run(s, d, 0, r), row.expected) << row.sentence;
    }
    const std::vector<copy_source> most = {{92, 8}, {98, 2}};
    request good(op::copy, 90, 10);
    good.sources = most;
    s[0].execute([&] { d.start(good); });
    s.run_until_idle();
    ASSERT_EQ(d.waiting, &good) << "all of it is within the limits";
    good.complete_from_anywhere(sc::success);
    s.run_until_idle();
}

TEST(device, refuses_what_it_cannot_do) {
    core::simulation s(1);
    slow_device reader(s.group(), {.blocks = 8}, {.ops = ops({op::read}), .read_only = true});
    EXPECT_EQ(run(s, reader, 0, request(op::write, 0, 1)), sc::namespace_is_write_protected.with_dnr());
    EXPECT_EQ(run(s, reader, 0, request(op::unmap, 0, 1)), sc::namespace_is_write_protected.with_dnr());
    EXPECT_EQ(run(s, reader, 0, request(op::compare, 0, 1)), sc::invalid_opcode.with_dnr());
    EXPECT_EQ(reader.stats().on(0).failed.get(), 3u);
    EXPECT_EQ(reader.in_flight(), 0u);
}

TEST(device, an_io_comes_back_to_the_core_that_issued_it_and_is_counted_there) {
    core::simulation s(7, 3);
    slow_device d(s.group(), {.block_size = 4096, .blocks = 100}, {.ops = ops({op::read, op::write})});
    request r(op::read, 10, 4);
    s[2].execute([&] { d.start(r); });
    s.run_until_idle();
    ASSERT_EQ(d.waiting, &r);
    EXPECT_EQ(d.in_flight(), 1u);
    s.run_for(5ms);
    r.complete_from_anywhere(sc::success);  // on no reactor at all
    s.run_until_idle();
    EXPECT_EQ(r.times_ended, 1);  // and the hook checks where

    const auto& mine = d.stats().on(2);
    EXPECT_EQ(mine.started.get(), 1u);
    EXPECT_EQ(mine.completed.get(), 1u);
    const auto& reads = mine.ops[static_cast<unsigned>(op::read)];
    EXPECT_EQ(reads.count.get(), 1u);
    EXPECT_EQ(reads.blocks.get(), 4u);
    EXPECT_GE(reads.ticks.get(), 5'000'000u);
    EXPECT_EQ(reads.slowest.get(), reads.ticks.get());
    EXPECT_EQ(reads.fastest.get(), reads.ticks.get());
    EXPECT_EQ(d.stats().on(0).started.get() + d.stats().on(1).started.get(), 0u);
    EXPECT_EQ(d.in_flight(), 0u);
}

TEST(device, a_miscompare_is_a_failure_that_was_asked_for) {
    core::simulation s(1);
    null_device d(s.group(), "n", {.block_size = 512, .blocks = 8}, random_uuid());
    std::string zero(512, '\0'), other(512, 'x');
    EXPECT_EQ(run(s, d, 0, request(op::compare, 0, 1, cut(zero, 512))), sc::success);
    EXPECT_EQ(run(s, d, 0, request(op::compare, 0, 1, cut(other, 512))), sc::compare_failure.with_dnr());
    EXPECT_EQ(d.stats().on(0).failed.get(), 1u);
    EXPECT_EQ(d.stats().on(0).miscompared.get(), 1u);
}

TEST(device, close_waits_for_what_is_in_flight) {
    core::simulation s(3, 2);
    slow_device d(s.group(), {.blocks = 8}, {.ops = ops({op::write})});
    request r(op::write, 0, 1);
    s[1].execute([&] { d.start(r); });
    s.run_until_idle();
    bool closed = false;
    s[0].execute([&] {
        core::detach([](device& d, bool& closed) -> core::task<> {
            co_await d.close();
            closed = true;
        }(d, closed));
    });
    s.run_for(100ms);
    EXPECT_FALSE(closed);
    r.complete_from_anywhere(sc::success);
    s.run_until_idle();
    EXPECT_TRUE(closed);
}

/// I/O of all cores, ended in any order; the device goes at once when close() ends.
TEST(device, close_waits_for_the_last_io_of_every_core_and_the_device_may_go_then) {
    for (const std::uint64_t seed : {1, 2, 3, 4, 5, 6, 7, 8}) {
        core::simulation s(seed, 3);
        auto d = std::make_unique<slow_device>(s.group(), device_geometry{.blocks = 8},
                                               device_capabilities{.ops = ops({op::write})});
        std::list<request> all;
        std::vector<request*> waiting;
        for (unsigned i = 0; i < 6; ++i) {
            request& r = all.emplace_back(op::write, 0, 1);
            waiting.push_back(&r);
            s[i % 2].execute([&] { d->start(r); });  // the third core has none
        }
        s.run_until_idle();
        s[0].execute([&] {
            core::detach([](std::unique_ptr<slow_device>& d) -> core::task<> {
                co_await d->close();
                EXPECT_EQ(d->in_flight(), 0u);
                d.reset();
            }(d));
        });
        while (!waiting.empty()) {
            s.run_for(1ms);
            ASSERT_TRUE(d) << "seed " << seed << ": " << waiting.size() << " are in flight";
            const auto which = waiting.begin() + static_cast<std::ptrdiff_t>(s.random().below(waiting.size()));
            (*which)->complete_from_anywhere(sc::success);
            waiting.erase(which);
        }
        s.run_until_idle();
        EXPECT_FALSE(d) << "seed " << seed;
    }
}

struct listener final : observer {
    void resized(device&, std::uint64_t blocks) override { size = blocks; }
    void removed(device&) override { ++removals; }
    std::uint64_t size = 0;
    int removals = 0;
};

TEST(device, one_observer_has_the_claim_and_hears_of_changes) {
    core::simulation s(1);
    null_device d(s.group(), "n", {.block_size = 512, .blocks = 8}, random_uuid());
    listener a, b;
    s[0].execute([&] {
        d.set_blocks(9);  // no observer
        EXPECT_TRUE(d.claim(a));
        const auto refused = d.claim(b);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, EBUSY);
        d.set_blocks(9);
        EXPECT_EQ(a.size, 0u) << "nothing has changed";
        d.set_blocks(10);
        EXPECT_EQ(a.size, 10u);
        d.announce_removal();
        EXPECT_EQ(a.removals, 1);
        d.release(a);
        EXPECT_TRUE(d.claim(b));
        d.release(b);
    });
    s.run_until_idle();
}

TEST(buffers, copies_end_where_they_are_told_to_even_inside_a_piece) {
    std::string scattered = "abcdefghij";
    std::array<std::byte, 10> flat{};
    copy_out(flat.data(), cut(scattered, 3), 7);
    EXPECT_EQ(std::memcmp(flat.data(), "abcdefg\0\0\0", 10), 0);
    std::string target = "..........";
    copy_in(cut(target, 4), reinterpret_cast<const std::byte*>("0123456789"), 6);
    EXPECT_EQ(target, "012345....");
    EXPECT_TRUE(equal(cut(target, 3), reinterpret_cast<const std::byte*>("012345xxxx"), 6));
    EXPECT_FALSE(equal(cut(target, 3), reinterpret_cast<const std::byte*>("012345xxxx"), 7));
    EXPECT_EQ(bytes_of(cut(target, 3)), 10u);
}

}  // namespace
}  // namespace causeway::bdev
