// SPDX-License-Identifier: Apache-2.0
// What goes wrong, by rule and by chance.

#include "bdev_nvme/testing/controller_model.h"

#include "bdev_nvme/testing/hand_host.h"

#include <vector>

namespace causeway::bdev_nvme::testing {
namespace {

using host = hand_host_with_queue;

std::vector<answer> answers(host& h) {
    h.model.step();
    std::vector<answer> all;
    while (const auto a = h.poll(*h.q))
        all.push_back(*a);
    return all;
}

void submit(host& h, std::uint16_t cid, std::uint8_t opcode = 0) {
    auto e = h.blocks(opcode, h.data.address(), 0, 0, 1);
    e[0] |= std::uint32_t{cid} << 16;
    h.put(*h.q, e);
    h.ring(*h.q);
}

TEST(controller_model_faults, completions_are_wrong_in_one_thing) {
    struct row {
        const char* sentence;
        fault what;
        std::uint32_t value;
        std::size_t count;
        std::uint32_t dw0, dw2, cid_and_status;
    } const rows[] = {
        {"nothing is wrong", fault::none, 0, 1, 0, 1u << 16 | 1, 0x17},
        {"two completions", fault::complete_twice, 0, 2, 0, 1u << 16 | 1, 0x17},
        {"another command", fault::wrong_cid, 0xabcd, 1, 0, 1u << 16 | 1, 0xabcd},
        {"another queue", fault::wrong_sqid, 7, 1, 0, 7u << 16 | 1, 0x17},
        {"a head that cannot be", fault::wrong_sqhd, 999, 1, 0, 1u << 16 | 999, 0x17},
        {"a result", fault::wrong_result, 0xffffffff, 1, 0xffffffff, 1u << 16 | 1, 0x17},
        {"a status", fault::wrong_status, 0x4281, 1, 0, 1u << 16 | 1, 0x4281u << 17 | 0x17},
        {"a phase of the round before", fault::wrong_phase, 0, 0, 0, 0, 0},
        {"lost", fault::lose, 0, 0, 0, 0, 0},
        {"withheld", fault::withhold, 0, 0, 0, 0, 0},
    };
    for (const auto& r : rows) {
        SCOPED_TRACE(r.sentence);
        host h;
        h.model.inject({.what = r.what, .qid = 1, .value = r.value});
        submit(h, 0x17);
        const auto got = answers(h);
        ASSERT_EQ(got.size(), r.count);
        for (const auto& a : got) {
            EXPECT_EQ(a.dw[0], r.dw0);
            EXPECT_EQ(a.dw[2], r.dw2);
            EXPECT_EQ(a.dw[3] & ~(1u << 16), r.cid_and_status);
        }
    }
}

TEST(controller_model_faults, rules_fit_by_queue_opcode_and_identifier_and_run_out) {
    host h;
    h.model.inject({.what = fault::lose, .qid = 1, .opcode = 0x02, .times = 2, .after = 1});
    h.model.inject({.what = fault::lose, .cid = 9, .times = fault_rule::always});
    submit(h, 1, 2);
    submit(h, 2, 2);
    submit(h, 3, 0);
    submit(h, 9, 0);
    submit(h, 4, 2);
    submit(h, 5, 2);
    const auto got = answers(h);
    ASSERT_EQ(got.size(), 3u);
    EXPECT_EQ(got[0].cid(), 1);
    EXPECT_EQ(got[1].cid(), 3);
    EXPECT_EQ(got[2].cid(), 5);
}

TEST(controller_model_faults, a_withheld_command_is_executed_when_it_is_released) {
    host h;
    h.model.inject({.what = fault::withhold, .opcode = 0x01});
    submit(h, 1, 1);
    EXPECT_TRUE(answers(h).empty());
    submit(h, 1, 0);
    EXPECT_EQ(answers(h).at(0).status(), 0x003) << "its identifier is in use";
    h.data.fill(0, 512, 0x42);
    EXPECT_EQ(h.model.held(), 1u);
    EXPECT_EQ(h.model.release(), 1u);
    EXPECT_EQ(answers(h).at(0).cid(), 1);
    EXPECT_EQ(h.model.find(1)->data(0, 1)[0], std::byte{0x42});
}

TEST(controller_model_faults, a_delayed_command_is_overtaken) {
    host h;
    h.model.inject({.what = fault::delay, .value = 2});
    submit(h, 1);
    submit(h, 2);
    EXPECT_EQ(answers(h).at(0).cid(), 2);
    EXPECT_TRUE(answers(h).empty());
    EXPECT_EQ(answers(h).at(0).cid(), 1);
}

TEST(controller_model_faults, abort_finds_what_is_held_but_not_what_is_lost) {
    host h;
    h.model.inject({.what = fault::withhold});
    h.model.inject({.what = fault::lose});
    submit(h, 1);
    submit(h, 2);
    EXPECT_TRUE(answers(h).empty());
    const auto abort = [&](std::uint32_t cid) { return h.run({0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0, cid << 16 | 1}); };
    EXPECT_EQ(abort(1).dw[0], 0u);
    const auto got = answers(h);
    ASSERT_EQ(got.size(), 1u);
    EXPECT_EQ(got[0].status(), 0x007);
    EXPECT_EQ(abort(2).dw[0], 1u);
    EXPECT_EQ(abort(1).dw[0], 1u);
    h.model.inject({.what = fault::withhold, .opcode = 0x08, .times = fault_rule::always});
    for (std::uint32_t i = 0; i < 4; ++i)
        h.put(*h.admin, {0x08 | (i + 1) << 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3u << 16 | 1});
    h.ring(*h.admin);
    h.model.step();
    EXPECT_FALSE(h.poll(*h.admin));
}

TEST(controller_model_faults, deleting_a_queue_ends_what_is_held) {
    host h;
    h.model.inject({.what = fault::withhold});
    submit(h, 1);
    EXPECT_TRUE(answers(h).empty());
    EXPECT_EQ(h.run({0x00, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}).status(), 0);
    EXPECT_EQ(h.poll(*h.q)->status(), 0x008);
}

TEST(controller_model_faults, a_reset_forgets_what_is_held) {
    host h;
    h.model.inject({.what = fault::withhold});
    submit(h, 1);
    EXPECT_TRUE(answers(h).empty());
    h.disable();
    EXPECT_EQ(h.model.held(), 0u);
    EXPECT_EQ(h.model.release(), 0u);
    EXPECT_FALSE(h.poll(*h.q));
}

TEST(controller_model_faults, identify_data_is_short_or_garbage_or_altered) {
    hand_host h;
    h.enable();
    pages data(1);
    const auto identify = [&] {
        data.fill(0, 4096, 0xee);
        EXPECT_EQ(h.run({0x06, 0, 0, 0, 0, 0, h.low(data), h.high(data), 0, 0, 1}).status(), 0);
    };
    h.model.inject({.what = fault::short_data, .opcode = 0x06});
    identify();
    EXPECT_EQ(data.get(512), 0xeeeeeeeeu);
    h.model.inject({.what = fault::garbage, .opcode = 0x06});
    identify();
    EXPECT_NE(data.get(512), 0xeeeeeeeeu);
    EXPECT_NE(data.byte(512), 0x66);
    h.model.on_identify([](nvme::cns cns, std::uint32_t, std::span<std::byte> d) {
        EXPECT_EQ(cns, nvme::cns::controller);
        d[512] = std::byte{0};
    });
    identify();
    EXPECT_EQ(data.byte(512), 0);
    EXPECT_EQ(data.byte(513), 0x44);
    h.model.on_log_page([](nvme::lid, std::span<std::byte> d) { d[0] = std::byte{0xff}; });
    EXPECT_EQ(h.run({0x02, 0, 0, 0, 0, 0, h.low(data), h.high(data), 0, 0, 127u << 16 | 2}).status(), 0);
    EXPECT_EQ(data.byte(0), 0xff);
}

TEST(controller_model_faults, events_without_end) {
    hand_host h;
    h.enable();
    h.model.answer_events_at_once(0x00020001);
    for (int i = 0; i < 20; ++i)
        ASSERT_EQ(h.run({0x0c}).dw[0], 0x00020001u);
    EXPECT_EQ(h.model.event_requests(), 0u);
}

TEST(controller_model_faults, a_completion_is_posted_as_it_stands) {
    host h;
    nvme::completion c{};
    c.cid = 0x55;
    c.sqid = 9;
    EXPECT_TRUE(h.model.post(1, c));
    EXPECT_FALSE(h.model.post(2, c));
    const auto a = h.poll(*h.q);
    ASSERT_TRUE(a);
    EXPECT_EQ(a->cid(), 0x55);
    EXPECT_EQ(a->sqid(), 9);
}

TEST(controller_model_faults, chance_repeats_with_its_seed) {
    const auto outcome = [](std::uint64_t seed) {
        host h;
        random_faults f;
        f.seed = seed;
        f[fault::lose] = 200;
        f[fault::delay] = 200;
        f[fault::wrong_status] = 200;
        h.model.follow(f);
        std::vector<std::uint32_t> all;
        for (std::uint16_t i = 0; i < 100; ++i) {
            submit(h, i);
            for (const auto& a : answers(h))
                all.push_back(a.dw[3]);
        }
        return all;
    };
    const auto first = outcome(1);
    EXPECT_GT(first.size(), 50u);
    EXPECT_LT(first.size(), 95u);
    EXPECT_EQ(first, outcome(1));
    EXPECT_NE(first, outcome(2));
}

}  // namespace
}  // namespace causeway::bdev_nvme::testing
