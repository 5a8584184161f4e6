// SPDX-License-Identifier: Apache-2.0
// A device that cannot be trusted: whatever it does, its I/O is answered, and it is reset or given up.

#include "bdev_nvme/testing/driver_fixture.h"
#include "core/log.h"

#include <cstring>
#include <gtest/gtest.h>

namespace causeway::bdev_nvme {
namespace {

using namespace std::chrono_literals;
using bdev::op;
using testing::controller_model;
using testing::driver_fixture;
using testing::fault;
using testing::fault_rule;
using testing::model_options;
using admin = nvme::admin_opcode;

constexpr std::uint8_t code(admin o) {
    return nvme::to_underlying(o);
}

model_options quick_model() {
    model_options o;
    o.to = 1;
    o.namespaces = {{.blocks = 256}};
    return o;
}

struct controller_faults : ::testing::Test {
    controller_faults() {
        core::log::set_level(core::log::level::error);
        core::log::set_print_level(core::log::level::error);
    }
};

TEST_F(controller_faults, a_healthy_controller_is_not_reset) {
    driver_fixture b;
    const auto m = b.models.add(quick_model());
    ASSERT_TRUE(b.attach("Nvme0", *m));
    EXPECT_EQ(b.state("Nvme0"), controller::state::enabled);
    EXPECT_TRUE(b.io("Nvme0n1", {.operation = op::write, .offset_blocks = 3, .length_blocks = 2, .fill = 7}).ok());
    const auto read = b.user.start("Nvme0n1", {.operation = op::read, .offset_blocks = 4});
    ASSERT_TRUE(b.turn_until([&] { return read->ended; }));
    EXPECT_EQ(read->data, std::vector<std::byte>(512, std::byte{7}));
    b.turn_for(3min);
    EXPECT_EQ(b.find("Nvme0")->stats().resets, 0u);
    EXPECT_EQ(m->dma_faults(), 0u);
    EXPECT_EQ(m->bad_doorbells(), 0u);
    ASSERT_TRUE(b.close());
    EXPECT_TRUE(b.empty());
    EXPECT_EQ(m->submission_queues(), 0u);
    EXPECT_EQ(m->shutdowns(), 1u);
    EXPECT_FALSE(m->dma_started());
}

/// What a device does while it has I/O, and what becomes of its controller.
TEST_F(controller_faults, all_io_is_completed_whatever_a_device_does) {
    enum class end { goes_on, is_reset, fails, is_gone };
    struct row {
        const char* sentence;
        std::function<void(controller_model&)> what;
        end then;
        std::size_t min_cores = 1;
    };
    const auto once = [](fault f, std::uint32_t value = 0) {
        return [=](controller_model& m) { m.inject({.what = f, .qid = 1, .value = value}); };
    };
    const auto of_admin = [](admin o, fault f, std::uint32_t value = 0) {
        return fault_rule{.what = f, .qid = 0, .opcode = code(o), .times = fault_rule::always, .value = value};
    };
    const auto reset_with = [](std::function<void(controller_model&)> f) {
        return [=](controller_model& m) {
            f(m);
            m.set_fatal();
        };
    };
    const row rows[] = {
        {"a status of the medium is the host's", once(fault::wrong_status, 0x281), end::goes_on},
        {"a command that is late", once(fault::delay, 12), end::goes_on},
        {"a command that is withheld is aborted", once(fault::withhold), end::goes_on},
        {"a command that is lost", once(fault::lose), end::is_reset},
        {"another identifier", once(fault::wrong_cid, 0x7777), end::is_reset},
        {"the highest identifier", once(fault::wrong_cid, 0xffff), end::is_reset},
        {"two completions", once(fault::complete_twice), end::is_reset},
        {"another queue", once(fault::wrong_sqid, 2), end::is_reset},
        {"the admin queue", once(fault::wrong_sqid, 0), end::is_reset},
        {"a head outside of the queue", once(fault::wrong_sqhd, 16), end::is_reset},
        {"a phase of the round before", once(fault::wrong_phase), end::is_reset},
        {"a completion of nothing",
         [](controller_model& m) {
             nvme::completion c{};
             c.sqid = 1;
             c.cid = 0x3ff;
             m.post(1, c);
         },
         end::is_reset},
        {"a completion of nothing on the admin queue", [](controller_model& m) { m.post(0, {}); }, end::is_reset},
        {"an Abort that is never answered",
         [&](controller_model& m) {
             m.inject({.what = fault::lose, .qid = 1});
             m.inject(of_admin(admin::abort, fault::lose));
         },
         end::is_reset},
        {"an Abort that is refused",
         [&](controller_model& m) {
             m.inject({.what = fault::lose, .qid = 1});
             m.inject(of_admin(admin::abort, fault::wrong_status, 0x103));
         },
         end::is_reset},
        {"it says that it has failed", [](controller_model& m) { m.set_fatal(); }, end::is_reset},
        {"it is no longer ready, and never again", [](controller_model& m) { m.hold_ready(false); }, end::fails},
        {"it stays ready when it is disabled", reset_with([](controller_model& m) { m.hold_ready(true); }), end::fails},
        {"short Identify data after a reset",
         reset_with([&](controller_model& m) { m.inject(of_admin(admin::identify, fault::short_data)); }), end::fails},
        {"no queues after a reset",
         reset_with([&](controller_model& m) { m.inject(of_admin(admin::create_io_cq, fault::wrong_status, 0x101)); }),
         end::fails},
        {"fewer queues after a reset",
         reset_with([&](controller_model& m) { m.inject(of_admin(admin::set_features, fault::wrong_result, 0)); }),
         end::fails, 2},
        {"no answer after a reset",
         reset_with([&](controller_model& m) { m.inject(of_admin(admin::identify, fault::lose)); }), end::fails},
        {"unknown identifiers after a reset",
         reset_with([&](controller_model& m) { m.inject(of_admin(admin::identify, fault::wrong_cid, 0x1234)); }),
         end::fails},
        {"events without end",
         [](controller_model& m) {
             m.answer_events_at_once(nvme::async_event_dw0(nvme::async_event_type::smart, 1, 2));
         },
         end::goes_on},
        {"events that nobody knows", [](controller_model& m) { m.answer_events_at_once(0xffffffff); }, end::goes_on},
        {"log pages of random bytes",
         [&](controller_model& m) {
             m.inject(of_admin(admin::get_log_page, fault::garbage));
             m.raise(nvme::async_event_type::smart, 0, nvme::lid::smart);
             m.resize_namespace(1, 512);
         },
         end::goes_on},
        {"it is taken out, and the bus says so", [](controller_model& m) { m.remove(true); }, end::is_gone},
        {"it is taken out, and nobody says so", [](controller_model& m) { m.remove(false); }, end::is_gone},
        {"its namespace vanishes", [](controller_model& m) { m.remove_namespace(1); }, end::is_gone},
    };
    for (const std::size_t cores : {1, 2})
        for (const auto& r : rows) {
            SCOPED_TRACE(r.sentence);
            if (cores < r.min_cores)
                continue;
            driver_fixture b(cores);
            const auto m = b.models.add(quick_model());
            ASSERT_TRUE(b.attach("Nvme0", *m));
            r.what(*m);
            std::vector<std::shared_ptr<testing::io_user::outcome>> started;
            for (unsigned i = 0; i < 40; ++i)
                for (const auto o : {op::write, op::read, op::flush, op::compare_and_write})
                    started.push_back(b.user.start("Nvme0n1", {.operation = o, .offset_blocks = i}, i % cores));
            ASSERT_TRUE(b.turn_until([&] { return b.user.outstanding() == 0; }, 1min));
            b.turn_for(10s);
            m->clear_faults();
            m->answer_events_at_once(std::nullopt);
            const auto state = b.state("Nvme0");
            const bool serves = b.io("Nvme0n1", {}, cores - 1).ok();
            if (r.then == end::is_gone) {
                EXPECT_EQ(b.user.devices(), 0u);
            } else {
                EXPECT_EQ(state, r.then == end::fails ? controller::state::failed : controller::state::enabled);
                EXPECT_EQ(serves, r.then != end::fails);
                EXPECT_EQ(b.find("Nvme0")->stats().resets > 0, r.then == end::is_reset || r.then == end::fails);
            }
            if (r.then == end::fails) {
                m->hold_ready(std::nullopt);
                const auto again = b.finish(b.driver.reset("Nvme0"));
                ASSERT_TRUE(again && *again) << (*again).error().text();
                EXPECT_TRUE(b.io("Nvme0n1", {}).ok()) << "an operator's reset brings it back";
            }
            EXPECT_EQ(m->dma_faults(), 0u);
            EXPECT_EQ(m->bad_doorbells(), 0u);
            ASSERT_TRUE(b.close());
            EXPECT_TRUE(b.empty());
        }
}

/// What a device does when it is attached: an error, and nothing of it stays.
TEST_F(controller_faults, an_impossible_device_is_not_attached) {
    struct row {
        const char* sentence;
        std::function<void(model_options&)> made;
        std::function<void(controller_model&)> what;
        int code;
    };
    const auto none = [](auto&) {};
    const auto rule = [](admin o, fault f, std::uint32_t value = 0) {
        return [=](controller_model& m) {
            m.inject({.what = f, .qid = 0, .opcode = code(o), .times = fault_rule::always, .value = value});
        };
    };
    const auto identified = [](std::size_t at, std::uint8_t byte) {
        return [=](controller_model& m) {
            m.on_identify([=](nvme::cns cns, std::uint32_t, std::span<std::byte> d) {
                if (cns == nvme::cns::controller)
                    d[at] = std::byte{byte};
            });
        };
    };
    const row rows[] = {
        {"it never becomes ready", none, [](controller_model& m) { m.hold_ready(false); }, ETIMEDOUT},
        {"it never becomes disabled", [](model_options& o) { o.before = testing::left_behind::enabled; },
         [](controller_model& m) { m.hold_ready(true); }, ETIMEDOUT},
        {"it has failed, and goes on failing",
         [](model_options& o) {
             o.mpsmax = 0;
             o.css = nvme::cap::css_io_command_sets;
         },
         none, EIO},
        {"it is not there", none, [](controller_model& m) { m.remove(false); }, ENODEV},
        {"it has no NVM command set", [](model_options& o) { o.css = nvme::cap::css_admin_only; }, none, ENOTSUP},
        {"its pages are too large", [](model_options& o) { o.mpsmin = 1; }, none, ENOTSUP},
        {"its queues are of one entry", [](model_options& o) { o.mqes = 0; }, none, ENOTSUP},
        {"its Identify data are short", none, rule(admin::identify, fault::short_data), EIO},
        {"its Identify data are refused", none, rule(admin::identify, fault::wrong_status, 2), EIO},
        {"its Identify data do not come", none, rule(admin::identify, fault::lose), ETIMEDOUT},
        {"its submission entries are larger", none, identified(512, 0x77), EIO},
        {"its completion entries are smaller", none, identified(513, 0x33), EIO},
        {"its completions are of others", none, rule(admin::identify, fault::wrong_cid, 0xffff), EIO},
        {"its completions come twice", none, rule(admin::identify, fault::complete_twice), EIO},
        {"it gives no queues", none, rule(admin::set_features, fault::wrong_status, 2), EIO},
        {"it gives more queues than it makes", [](model_options& o) { o.queues = 1; },
         rule(admin::set_features, fault::wrong_result, 0xffffffff), EIO},
        {"it makes no completion queue", none, rule(admin::create_io_cq, fault::wrong_status, 0x101), EIO},
        {"it makes no submission queue", none, rule(admin::create_io_sq, fault::wrong_status, 0x102), EIO},
        {"it needs more memory than anyone has", [](model_options& o) { o.hmpre = o.hmmin = 0xffffffff; }, none,
         ENOMEM},
    };
    for (const auto& r : rows) {
        SCOPED_TRACE(r.sentence);
        driver_fixture b(2);
        auto o = quick_model();
        r.made(o);
        const auto m = b.models.add(o);
        r.what(*m);
        const auto attached = b.attach("Nvme0", *m);
        ASSERT_FALSE(attached);
        EXPECT_EQ(attached.error().code, r.code) << attached.error().text();
        EXPECT_TRUE(b.empty());
        EXPECT_FALSE(m->dma_started());
    }
}

TEST_F(controller_faults, impossible_namespaces_are_left_out) {
    struct row {
        const char* sentence;
        nvme::cns of;
        std::size_t at;
        std::vector<std::uint8_t> bytes;
    };
    const row rows[] = {
        {"blocks of one byte", nvme::cns::ns, 128 + 4 + 2, {0}},
        {"blocks of 2^255 bytes", nvme::cns::ns, 128 + 4 + 2, {255}},
        {"metadata", nvme::cns::ns, 128 + 4, {8, 0}},
        {"no blocks", nvme::cns::ns, 0, {0, 0, 0, 0, 0, 0, 0, 0}},
        {"a list that begins with none", nvme::cns::active_ns_list, 0, {0, 0, 0, 0}},
    };
    for (const auto& r : rows) {
        SCOPED_TRACE(r.sentence);
        driver_fixture b;
        const auto m = b.models.add(quick_model());
        m->on_identify([&](nvme::cns cns, std::uint32_t, std::span<std::byte> d) {
            if (cns == r.of)
                std::memcpy(d.data() + r.at, r.bytes.data(), r.bytes.size());
        });
        ASSERT_TRUE(b.attach("Nvme0", *m));
        EXPECT_EQ(b.user.devices(), 0u);
        m->on_identify(nullptr);
        m->resize_namespace(1, 100);
        EXPECT_TRUE(b.turn_until([&] { return b.devices.all().size() == 1; }, 1min)) << "once it can be, it is there";
    }
}

TEST_F(controller_faults, io_is_answered_only_when_a_device_that_cannot_be_stopped_has_been_given_back) {
    driver_fixture b;
    const auto m = b.models.add(quick_model());
    ASSERT_TRUE(b.attach("Nvme0", *m));
    m->inject({.what = fault::lose, .qid = 1});
    const auto read = b.user.start("Nvme0n1", {.operation = op::read});
    m->hold_ready(true);
    m->keep_dma(true);
    bool reached_memory = true;
    ASSERT_TRUE(b.turn_until([&] { return read->ended && ((reached_memory = m->dma_started()), true); }, 10min));
    EXPECT_FALSE(reached_memory);
    EXPECT_EQ(b.models.lent, 0u) << "the kernel has it again, and has reset it";
    EXPECT_EQ(b.state("Nvme0"), controller::state::failed);
    EXPECT_FALSE(b.io("Nvme0n1", {.operation = op::write}).ok());
    ASSERT_TRUE(b.close());
    EXPECT_TRUE(b.empty());
}

/// It has never become ready, so CSTS.RDY does not show whether it has seen that it is disabled.
TEST_F(controller_faults, a_reset_recovers_a_controller_that_failed_while_it_was_enabled) {
    driver_fixture b;
    const auto m = b.models.add(quick_model());
    ASSERT_TRUE(b.attach("Nvme0", *m));
    nvme::cap cap;
    std::memcpy(&cap.value, m->registers().data(), sizeof cap.value);
    const std::uint64_t good = cap.value;
    m->poke64(nvme::to_underlying(nvme::property::cap), cap.set_css(nvme::cap::css_io_command_sets).value);
    const auto first = b.finish(b.driver.reset("Nvme0"));
    ASSERT_TRUE(first && !*first);
    EXPECT_EQ(first->error().code, EIO) << first->error().text();
    EXPECT_EQ(b.state("Nvme0"), controller::state::failed);

    m->poke64(nvme::to_underlying(nvme::property::cap), good);
    const auto again = b.finish(b.driver.reset("Nvme0"));
    ASSERT_TRUE(again && *again) << again->error().text();
    EXPECT_TRUE(b.io("Nvme0n1", {.operation = op::write}).ok());
}

TEST_F(controller_faults, capabilities_that_a_controller_lost_by_a_reset_are_not_offered) {
    driver_fixture b;
    const auto m = b.models.add(quick_model());
    ASSERT_TRUE(b.attach("Nvme0", *m));
    const std::shared_ptr<bdev::device> before = b.devices.find("Nvme0n1");
    ASSERT_TRUE(before && before->capabilities().supports(op::write_zeroes));
    m->on_identify([](nvme::cns cns, std::uint32_t, std::span<std::byte> d) {
        if (cns == nvme::cns::controller)
            std::fill_n(d.begin() + 520, 2, std::byte{0});  // ONCS, as other firmware may have it
    });
    m->set_fatal();
    std::shared_ptr<bdev::device> now;
    ASSERT_TRUE(b.turn_until([&] { return (now = b.devices.find("Nvme0n1")) && now != before; }, 1min));
    EXPECT_FALSE(now->capabilities().supports(op::write_zeroes));
    m->set_fatal();
    ASSERT_TRUE(b.turn_until([&] { return b.find("Nvme0")->stats().resets == 2; }, 1min));
    b.turn_for(1s);
    EXPECT_EQ(b.devices.find("Nvme0n1"), now) << "the same as before: nothing has changed";
}

TEST_F(controller_faults, absurd_sizes_are_clamped) {
    driver_fixture b;
    const auto m = b.models.add(quick_model());
    m->on_identify([](nvme::cns cns, std::uint32_t, std::span<std::byte> d) {
        if (cns == nvme::cns::controller) {
            d[77] = std::byte{255};                            // MDTS
            std::fill_n(d.begin() + 516, 4, std::byte{0xff});  // NN
            std::fill_n(d.begin() + 526, 4, std::byte{0xff});  // AWUN, AWUPF
        }
        if (cns == nvme::cns::ns)
            std::fill_n(d.begin(), 8, std::byte{0xff});  // NSZE
    });
    ASSERT_TRUE(b.attach("Nvme0", *m));
    ASSERT_EQ(b.user.devices(), 1u);
    EXPECT_TRUE(b.io("Nvme0n1", {.offset_blocks = 255}).ok());
    EXPECT_TRUE(b.io("Nvme0n1", {.offset_blocks = 256}).is(nvme::sc::lba_out_of_range));
    EXPECT_FALSE(
        b.io("Nvme0n1", {.operation = op::write_zeroes, .offset_blocks = 1, .length_blocks = ~0ull >> 8}).ok());
    EXPECT_FALSE(b.io("Nvme0n1", {.operation = op::unmap, .offset_blocks = ~0ull - 10, .length_blocks = 5}).ok());
}

TEST_F(controller_faults, whatever_an_earlier_owner_left_it_is_attached) {
    using testing::left_behind;
    for (const auto before :
         {left_behind::enabled, left_behind::enabling, left_behind::fatal, left_behind::shut_down}) {
        SCOPED_TRACE(static_cast<int>(before));
        driver_fixture b;
        auto o = quick_model();
        o.before = before;
        const auto m = b.models.add(o);
        ASSERT_TRUE(b.attach("Nvme0", *m));
        EXPECT_TRUE(b.io("Nvme0n1", {}).ok());
    }
}

TEST_F(controller_faults, a_shutdown_that_never_ends_has_a_time_limit) {
    driver_fixture b;
    const auto m = b.models.add(quick_model());
    ASSERT_TRUE(b.attach("Nvme0", *m));
    m->hang_shutdown(true);
    EXPECT_TRUE(b.close());
    EXPECT_TRUE(b.empty());
    EXPECT_FALSE(m->dma_started());
}

TEST_F(controller_faults, a_queue_that_breaks_while_the_next_one_is_opened) {
    driver_fixture b(2);
    b.slowness = 50;
    const auto m = b.models.add(quick_model());
    ASSERT_TRUE(b.attach("Nvme0", *m));
    for (int i = 0; i < 4; ++i) {
        m->set_fatal();
        const auto reset = b.find("Nvme0")->stats().resets;
        ASSERT_TRUE(b.turn_until([&] { return b.state("Nvme0") == controller::state::resetting; }, 10s));
        EXPECT_EQ(b.find("Nvme0")->stats().resets, reset + 1);
        m->inject({.what = fault::complete_twice, .qid = 1});
        b.user.start("Nvme0n1", {});
        b.user.start("Nvme0n1", {});
        ASSERT_TRUE(b.turn_until([&] { return b.user.outstanding() == 0; }, 10s));
        b.turn_for(2s);
        EXPECT_EQ(b.state("Nvme0"), controller::state::enabled);
    }
}

/// Whatever falls together: the seeds are those that have been seen to be different.
TEST_F(controller_faults, random_faults_lose_no_io) {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        SCOPED_TRACE(seed);
        core::random_source random(seed);
        const std::size_t cores = 1 + seed % 2;
        driver_fixture b(cores);
        auto o = quick_model();
        o.oacs = seed % 3 == 0 ? nvme::oacs_doorbell_buffer : std::uint16_t{0};
        o.sgls = seed % 5 == 0 ? nvme::sgls_supported : 0;
        const auto m = b.models.add(o);
        ASSERT_TRUE(b.attach("Nvme0", *m));
        testing::random_faults f;
        f.seed = seed;
        for (std::size_t i = 1; i < testing::fault_kinds; ++i)
            f.per_mille[i] = static_cast<std::uint16_t>(random.below(8));
        m->follow(f);
        for (unsigned i = 0; i < 400; ++i) {
            testing::io_user::request r;
            r.operation = static_cast<op>(random.below(bdev::op_count));
            r.offset_blocks = random.below(200);
            r.length_blocks = random.between(1, 40);
            r.misaligned = random.chance(1, 4) ? random.below(8) : 0;
            r.piece = random.chance(1, 4) ? random.between(64, 3000) : 0;
            if (r.operation == op::compare_and_write)
                r.length_blocks = 1;
            if (r.operation == op::copy)
                r.sources = {{0, static_cast<std::uint32_t>(r.length_blocks)}};
            b.user.start("Nvme0n1", r, random.below(cores));
            if (random.chance(1, 20))
                b.turn_for(std::chrono::microseconds(random.below(5000)));
        }
        ASSERT_TRUE(b.turn_until([&] { return b.user.outstanding() == 0; }));
        m->clear_faults();
        const auto again = b.finish(b.driver.reset("Nvme0"));
        ASSERT_TRUE(again && *again);
        EXPECT_TRUE(b.io("Nvme0n1", {}, cores - 1).ok());
        EXPECT_EQ(m->dma_faults(), 0u);
        EXPECT_EQ(m->bad_doorbells(), 0u);
        ASSERT_TRUE(b.close());
        EXPECT_TRUE(b.empty());
    }
}

}  // namespace
}  // namespace causeway::bdev_nvme
