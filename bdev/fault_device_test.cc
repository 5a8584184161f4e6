// SPDX-License-Identifier: Apache-2.0
#include "bdev/fault_device.h"

#include "bdev/registry.h"
#include "bdev/testing/bdev_fixture.h"

namespace causeway::bdev {
namespace {

using namespace std::chrono_literals;
using kind = fault_rule::kind;
using test::cut;
using test::request;
using test::run;
namespace sc = nvme::sc;

struct FaultTest : testing::Test {
    core::simulation s{3, 2};
    std::shared_ptr<memory_device> base = test::memory(s[0]);
    std::shared_ptr<fault_device> d = *fault_device::create("EE_memory", base, random_uuid());
    std::string x = std::string(512, 'x');

    void TearDown() override { run(s, d->close()); }
    nvme::status write(std::uint64_t at, std::size_t core = 1) {
        return run(s, *d, core, request(op::write, at, 1, cut(x, 512)));
    }
    std::string content(std::uint64_t at, device& of) {
        std::string back(512, '?');
        EXPECT_EQ(run(s, of, 1, request(op::read, at, 1, cut(back, 512))), sc::success);
        return back;
    }
};

TEST_F(FaultTest, without_rules_it_is_its_base) {
    EXPECT_EQ(d->home(), base->home());
    EXPECT_EQ(d->blocks(), base->blocks());
    EXPECT_EQ(write(3), sc::success);
    EXPECT_EQ(content(3, *d), x);
    EXPECT_EQ(content(3, *base), x);
    EXPECT_FALSE(fault_device::create("again", base, random_uuid())) << "the base is claimed";
}

TEST_F(FaultTest, a_rule_hits_its_operations_and_blocks_so_many_times) {
    d->add_rule({.what = kind::fail,
                 .ops = ops({op::write}),
                 .first_block = 10,
                 .last_block = 19,
                 .times = 2,
                 .status = sc::write_fault});
    EXPECT_EQ(write(9), sc::success);
    EXPECT_EQ(write(20), sc::success);
    std::string two(1024, 'y');
    EXPECT_EQ(run(s, *d, 0, request(op::write, 9, 2, cut(two, 1024))), sc::write_fault) << "it touches block 10";
    EXPECT_EQ(content(9, *d), x) << "and the base has not seen it";
    EXPECT_EQ(content(10, *d), std::string(512, '\0'));
    EXPECT_EQ(write(19), sc::write_fault);
    EXPECT_EQ(write(15), sc::success) << "used up";
}

TEST_F(FaultTest, a_lost_answer_was_done_all_the_same) {
    d->add_rule({.what = kind::fail_after, .times = 1, .status = sc::internal_path_error});
    EXPECT_EQ(write(3), sc::internal_path_error);
    EXPECT_EQ(content(3, *d), x);
}

TEST_F(FaultTest, a_delay_passes_in_virtual_time) {
    d->add_rule({.what = kind::delay, .ops = ops({op::write}), .times = 1, .delay = 1h});
    const auto before = s.time().now();
    request slow(op::write, 0, 1, cut(x, 512));
    s[1].execute([&] { d->start(slow); });
    s.run_for(59min);
    EXPECT_FALSE(slow.ended());
    EXPECT_EQ(d->in_flight(), 1u);
    s.run_until_idle();
    EXPECT_EQ(slow.status, sc::success);
    EXPECT_GE(slow.ended_at - before, static_cast<core::ticks>(3'600'000'000'000));
}

TEST_F(FaultTest, what_hangs_stays_until_it_is_released) {
    d->add_rule({.what = kind::hang, .times = 3});
    request a(op::write, 0, 1, cut(x, 512)), b(op::write, 1, 1, cut(x, 512)), c(op::flush, 0, 0);
    s[0].execute([&] { d->start(a); });
    s[1].execute([&] { d->start(b), d->start(c); });
    s.run_for(24h);
    EXPECT_EQ(d->hung(), 3u);
    EXPECT_EQ(write(7), sc::success) << "the rule is used up; others pass";
    run(s, d->release_hung());
    s.run_until_idle();
    EXPECT_EQ(d->hung(), 0u);
    for (request* r : {&a, &b, &c}) {
        EXPECT_EQ(r->times_ended, 1);
        EXPECT_EQ(r->status, sc::success);
    }
    EXPECT_EQ(content(1, *d), x);
}

TEST_F(FaultTest, what_hangs_may_be_ended_with_an_error) {
    d->add_rule({.what = kind::hang, .times = 1});
    request a(op::write, 5, 1, cut(x, 512));
    s[1].execute([&] { d->start(a); });
    s.run_until_idle();
    run(s, d->release_hung(sc::aborted_by_request));
    EXPECT_EQ(a.status, sc::aborted_by_request);
    EXPECT_EQ(content(5, *d), std::string(512, '\0'));
}

TEST_F(FaultTest, corrupts_the_byte_that_it_is_told_to) {
    EXPECT_EQ(write(3), sc::success);
    d->add_rule({.what = kind::corrupt,
                 .ops = ops({op::read}),
                 .times = 1,
                 .corrupt_offset = 100,
                 .corrupt_value = std::byte{'!'}});
    std::string expected = x;
    expected[100] = '!';
    EXPECT_EQ(content(3, *d), expected);
    EXPECT_EQ(content(3, *d), x);
}

TEST_F(FaultTest, the_same_seed_draws_the_same_faults) {
    const auto failures = [](std::uint64_t seed) {
        core::simulation s(1, 1);
        const auto base = test::memory(s[0]);
        const auto d = *fault_device::create("f", base, random_uuid(), seed);
        d->add_rule({.per_mille = 300});
        std::string drawn;
        for (int n = 0; n < 200; ++n)
            drawn += run(s, *d, 0, request(op::flush, 0, 0)).ok() ? '.' : 'F';
        run(s, d->close());
        return drawn;
    };
    const std::string first = failures(42);
    EXPECT_EQ(failures(42), first);
    EXPECT_NE(failures(43), first);
    const auto count = std::count(first.begin(), first.end(), 'F');
    EXPECT_GT(count, 30);
    EXPECT_LT(count, 90);
}

TEST_F(FaultTest, closing_ends_what_hangs) {
    d->add_rule({.what = kind::hang});
    request a(op::write, 5, 1, cut(x, 512));
    s[1].execute([&] { d->start(a); });
    s.run_until_idle();
    run(s, d->close());
    EXPECT_TRUE(a.ended());
    EXPECT_FALSE(a.status.ok());
    EXPECT_FALSE(base->claimed_by());
}

TEST(fault_device, is_as_healthy_as_its_base) {
    struct sick final : device {
        using device::device;
        std::string_view product_name() const noexcept override { return "sick"; }
        void submit(io& i) noexcept override { i.complete(nvme::sc::success); }
        const health* medium_health() const noexcept override { return &state; }
        health state{};
    };
    struct listener final : observer {
        void resized(device&, std::uint64_t) override {}
        void health_changed(device& d) override { heard = d.medium_health()->critical_warning; }
        void removed(device&) override {}
        int heard = -1;
    };
    core::simulation s(9, 1);
    const auto base =
        std::make_shared<sick>(s.group(), "sick", device_geometry{.blocks = 8}, device_capabilities{}, random_uuid());
    const auto d = *fault_device::create("EE_sick", base, random_uuid());
    listener l;
    s[0].execute([&] {
        EXPECT_TRUE(d->claim(l));
        base->state.critical_warning = 4;
        base->announce_health();
    });
    s.run_until_idle();
    EXPECT_EQ(l.heard, 4);
    d->release(l);
    run(s, d->close());
}

TEST(fault_device, goes_with_its_base) {
    core::simulation s(9, 2);
    registry all(s.group());
    const auto base = test::memory(s[0]);
    ASSERT_TRUE(all.add(base));
    auto d = *fault_device::create("EE_memory", base, random_uuid());
    ASSERT_TRUE(all.add(d));
    d->on_base_removed = [&] { core::detach(all.remove("EE_memory"), [](core::result<>) {}); };
    s[0].execute([&] { base->set_blocks(77); });
    s.run_until_idle();
    EXPECT_EQ(d->blocks(), 77u);
    d.reset();
    EXPECT_TRUE(run(s, all.remove("memory")));
    EXPECT_TRUE(all.all().empty());
}

}  // namespace
}  // namespace causeway::bdev
