// SPDX-License-Identifier: Apache-2.0
// Commands and their data, over a device and hosts in virtual time.

#include "transport/rdma/testing/rdma_fixture.h"

#include <algorithm>
#include <cstring>
#include <gtest/gtest.h>

namespace causeway::rdma::test {
namespace {

void fill(host_queue& q, std::uint32_t offset, std::uint32_t length, unsigned with) {
    for (std::uint32_t i = 0; i < length; ++i)
        q.memory(offset)[i] = static_cast<std::byte>(with + i * 13 + i / 251);
}

TEST(data_path, what_is_written_is_read) {
    rdma_fixture w;
    host h = w.make_host();
    unsigned with = 1;
    for (const how way : {how::keyed, how::invalidating, how::in_capsule, how::listed}) {
        for (const std::uint32_t blocks : {1u, 8u, 16u, 256u}) {
            if (way == how::in_capsule && blocks > 8)
                continue;
            const std::uint32_t bytes = blocks * block;
            fill(*h.io, 0, bytes, ++with);
            const auto written = h.io->call(write(100, blocks), bytes, 0, way);
            ASSERT_TRUE(written && written->status().ok());
            const auto got = h.io->call(read(100, blocks), bytes, 300'000, way == how::in_capsule ? how::keyed : way);
            ASSERT_TRUE(got && got->status().ok());
            EXPECT_EQ(std::memcmp(h.io->memory(), h.io->memory(300'000), bytes), 0) << with;
        }
    }
}

TEST(data_path, a_key_is_invalidated_where_the_host_asks_and_the_device_can) {
    for (const bool can : {true, false}) {
        device_options d;
        if (!can)
            d.attributes.vendor_id = 0xffffff;
        rdma_fixture w(1, small_options(), d);
        host h = w.make_host();
        h.io->send(read(0, 8), 4096, 0, how::invalidating);
        h.io->send(read(0, 8), 4096, 0, how::keyed);
        ASSERT_TRUE(w.until([&] { return h.io->end().responses.size() == 2; }));
        unsigned invalidated = 0;
        for (const auto& r : h.io->end().responses)
            invalidated += r.invalidated.has_value();
        EXPECT_EQ(invalidated, can ? 1u : 0u);
    }
}

TEST(data_path, sqhd_goes_around_the_queue_that_connect_asked_for) {
    rdma_fixture w;
    host h = w.make_host(nqn, 4);
    std::vector<unsigned> heads;
    for (int i = 0; i < 9; ++i)
        heads.push_back(h.io->call(flush())->sqhd);
    // Connect itself was the first.
    EXPECT_EQ(heads, (std::vector<unsigned>{2, 3, 0, 1, 2, 3, 0, 1, 2}));
}

TEST(data_path, a_wrong_key_ends_the_connection_and_no_other) {
    rdma_fixture w;
    host good = w.make_host();
    for (const bool reading : {true, false}) {
        host bad = w.make_host();
        bad.io->key_error = 7;
        const auto c = reading ? read(0, 8) : write(0, 8);
        EXPECT_EQ(bad.io->call(c, 4096), std::nullopt);
        const auto served = good.io->call(read(0, 8), 4096);
        EXPECT_TRUE(served && served->status().ok());
    }
}

TEST(data_path, a_command_shorter_or_longer_than_capsules_are_ends_the_connection) {
    rdma_fixture w;
    for (const std::size_t size : {std::size_t{0}, std::size_t{63}, std::size_t{64 + 4096 + 1}}) {
        host h = w.make_host();
        h.io->end().send(std::vector<std::byte>(size));
        EXPECT_TRUE(w.until([&] { return h.io->closed(); })) << size;
    }
}

TEST(data_path, more_commands_than_the_queue_is_deep_end_the_connection) {
    rdma_fixture w;
    w.hang(true);
    host h = w.make_host(slow_nqn, 8);
    for (int i = 0; i < 8; ++i)
        h.io->send(read(0, 1), block);
    w.pass(std::chrono::milliseconds(50));
    EXPECT_FALSE(h.io->closed());
    h.io->send(read(0, 1), block);
    EXPECT_TRUE(w.until([&] { return h.io->closed(); }));
}

TEST(data_path, connect_for_another_queue_than_the_connections_is_refused) {
    rdma_fixture w;
    host h = w.make_host();
    auto q = w.open(2, 32, h.admin->cntlid);
    host_queue liar(w, q->end(), 3);
    EXPECT_TRUE(liar.connect(nqn, 31, h.admin->cntlid).is(sc::connect_invalid_parameters));
}

/// Several hosts with everything in flight at once; whatever is limited is scarce; the order is drawn from a seed.
struct load {
    const char* sentence;
    transport_options options;
    device_options device;
    std::uint8_t reads = 16;
};

void run_load(const load& l, std::uint64_t seed) {
    SCOPED_TRACE(l.sentence);
    SCOPED_TRACE(seed);
    rdma_fixture w(seed, l.options, l.device);
    constexpr unsigned hosts = 3, depth = 16, rounds = 40;
    struct slot {
        std::uint16_t cid = 0;
        bool writing = false, busy = false, written = false;
        std::uint32_t bytes = 0;
        unsigned with = 0;
        unsigned rounds = 0;
    };
    std::vector<host> all;
    std::vector<std::array<slot, depth>> slots(hosts);
    for (unsigned i = 0; i < hosts; ++i)
        all.push_back(w.make_host(nqn, depth, l.reads));
    const auto turn = [&] {
        bool more = false;
        for (unsigned i = 0; i < hosts; ++i) {
            for (unsigned s = 0; s < depth; ++s) {
                slot& t = slots[i][s];
                host_queue& q = *all[i].io;
                const std::uint32_t at = s * 65536;
                if (t.busy) {
                    more = true;
                    const auto c = q.response(t.cid);
                    if (!c) {
                        if (q.closed())
                            t.busy = false, t.rounds = rounds;
                        continue;
                    }
                    EXPECT_TRUE(c->status().ok()) << nvme::to_string(c->status());
                    t.busy = false;
                    for (std::uint32_t b = 0; !t.writing && b < t.bytes; b += 97)
                        EXPECT_EQ(q.memory(at)[b], static_cast<std::byte>(t.with + b * 13 + b / 251));
                }
                if (t.rounds == rounds || q.closed())
                    continue;
                ++t.rounds;
                more = true;
                t.writing = !t.written;
                t.written = t.writing;
                if (t.writing) {
                    t.bytes = block << w.sim.random().below(8);
                    t.with = static_cast<unsigned>(w.sim.random().below(256));
                    fill(q, at, t.bytes, t.with);
                } else {
                    std::memset(q.memory(at), 0xee, t.bytes);
                }
                const std::uint64_t lba = (i * depth + s) * 128;
                const how ways[] = {how::keyed, how::invalidating, how::listed, how::in_capsule};
                const how way = ways[w.sim.random().below(t.writing && t.bytes <= 4096 ? 4 : 3)];
                t.cid = q.send(t.writing ? write(lba, t.bytes / block) : read(lba, t.bytes / block), t.bytes, at, way);
                t.busy = true;
            }
        }
        return !more;
    };
    EXPECT_TRUE(w.until(turn));
    for (auto& h : all)
        EXPECT_EQ(h.io->end().not_ready, 0u) << "a host within its depth found no receive";
}

std::vector<load> loads() {
    std::vector<load> all{{"plenty of everything", small_options(), {}}};
    load few_buffers{"one buffer of each size", small_options(), {}};
    few_buffers.options.small_buffers = few_buffers.options.large_buffers = 1;
    all.push_back(few_buffers);
    load one_read{"one RDMA READ at a time", small_options(), {}, 1};
    all.push_back(one_read);
    load short_queue{"send queues of 34", small_options(), {}};
    short_queue.device.attributes.max_qp_wr = 34;
    all.push_back(short_queue);
    load no_inline{"a device that does not inline", small_options(), {}};
    no_inline.device.inlines = false;
    all.push_back(no_inline);
    load exact{"receives for exactly these hosts", small_options(), {}};
    exact.options.max_srq_depth = 3 * (32 + 16);
    exact.options.max_aq_depth = 32;
    all.push_back(exact);
    load all_scarce{"all of that", small_options(), {}, 2};
    all_scarce.options.small_buffers = all_scarce.options.large_buffers = 1;
    all_scarce.options.max_srq_depth = 3 * (32 + 16);
    all_scarce.device.attributes.max_qp_wr = 33;
    all_scarce.device.inlines = false;
    all.push_back(all_scarce);
    return all;
}

TEST(data_path, a_load_is_served_whatever_is_scarce) {
    for (const load& l : loads())
        for (std::uint64_t seed = 1; seed <= 2; ++seed)
            run_load(l, seed);
}

TEST(data_path, posts_that_the_device_refuses_end_connections_and_lose_nothing) {
    load l{"1 of 40 posts is refused", small_options(), {}};
    l.device.refuses_posts = 40;
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        rdma_fixture w(seed, small_options(), l.device);
        for (int i = 0; i < 6; ++i) {
            auto q = w.open(0, 32);
            if (!q->connect(nqn, 31, nvme::cntlid_dynamic).ok())
                continue;
            for (int n = 0; n < 20 && !q->closed(); ++n)
                q->call(identify_controller(), 4096);
        }
    }
}

TEST(data_path, one_that_waits_for_a_buffer_can_be_aborted) {
    transport_options o = small_options();
    o.small_buffers = o.large_buffers = 1;
    rdma_fixture w(1, o);
    w.hang(true);
    host h = w.make_host(slow_nqn, 8);
    for (int i = 0; i < 4; ++i)  // the pool's, the queue's own, and two that wait
        h.io->send(read(0, 64), 64 * block, static_cast<std::uint32_t>(i) * 40000);
    const std::uint16_t last = 5;  // Connect was 1
    w.pass(std::chrono::milliseconds(20));
    const auto aborted = h.admin->call(abort_command(1, last));
    ASSERT_TRUE(aborted && aborted->status().ok());
    EXPECT_EQ(aborted->dw0 & 1, 0u);
    std::optional<nvme::completion> answer;
    ASSERT_TRUE(w.until([&] { return (answer = h.io->response(last)).has_value(); }));
    EXPECT_TRUE(answer->status().is(sc::aborted_by_request));
    w.hang(false);
    EXPECT_TRUE(w.until([&] { return h.io->end().responses.size() == 3; }));
}

TEST(data_path, a_slow_device_takes_nothing_from_the_hosts_of_others) {
    transport_options o = small_options();
    o.small_buffers = o.large_buffers = 1;
    o.max_srq_depth = 3 * 64;
    rdma_fixture w(1, o);
    w.hang(true);
    std::vector<host> stuck;
    for (int i = 0; i < 3; ++i) {
        stuck.push_back(w.make_host(slow_nqn, 16));
        for (unsigned n = 0; n < 16; ++n)
            stuck.back().io->send(n % 2 ? read(0, 64) : write(0, 64), 64 * block);
    }
    w.pass(std::chrono::milliseconds(50));
    host other = w.make_host(nqn, 16);
    for (int i = 0; i < 50; ++i) {
        const auto c = other.io->call(i % 2 ? read(0, 256) : write(0, 256), 256 * block);
        ASSERT_TRUE(c && c->status().ok());
    }
    EXPECT_EQ(other.io->end().not_ready, 0u);
    w.hang(false);
    for (auto& s : stuck)
        EXPECT_TRUE(w.until([&] { return s.io->end().responses.size() == 16; }));
}

TEST(data_path, a_host_that_takes_no_responses_holds_up_nobody) {
    rdma_fixture w;
    host deaf = w.make_host(nqn, 16), other = w.make_host();
    deaf.io->end().takes_responses = false;
    for (int i = 0; i < 16; ++i)
        deaf.io->send(read(0, 8), 4096);
    w.pass(std::chrono::milliseconds(20));
    for (int i = 0; i < 20; ++i) {
        const auto c = other.io->call(read(0, 8), 4096);
        ASSERT_TRUE(c && c->status().ok());
    }
}

TEST(data_path, a_write_that_came_before_a_stall_is_not_run) {
    for (const bool leaves : {false, true}) {
        SCOPED_TRACE(leaves ? "its host has gone" : "its host is there");
        rdma_fixture w;
        host h = w.make_host(), other = w.make_host();
        fill(*other.io, 0, block, 1);
        ASSERT_TRUE(other.io->call(write(0, 1), block)->status().ok());
        fill(*h.io, 0, block, 2);
        const auto cid = h.io->send(write(0, 1), block, 0, how::in_capsule);
        ASSERT_TRUE(w.until([&] { return !h.io->end().qp->completions->entries.empty(); })) << "it is here, unread";
        for (std::size_t i = 0; i < w.sim.group().size(); ++i)
            w.sim.group()[i].record_stall(std::chrono::seconds(12));
        if (leaves) {
            h.io->end().disconnect();
            ASSERT_TRUE(w.until([&] { return h.io->closed(); }));
        } else {
            std::optional<nvme::completion> answer;
            ASSERT_TRUE(w.until([&] { return (answer = h.io->response(cid)).has_value(); }));
            EXPECT_TRUE(answer->status().is(sc::command_interrupted));
            EXPECT_FALSE(answer->status().dnr());
        }
        ASSERT_TRUE(other.io->call(read(0, 1), block, 300'000)->status().ok());
        EXPECT_EQ(std::memcmp(other.io->memory(), other.io->memory(300'000), block), 0);
        if (!leaves) {
            EXPECT_TRUE(h.io->call(write(0, 1), block)->status().ok()) << "sent again";
        }
    }
}

}  // namespace
}  // namespace causeway::rdma::test
