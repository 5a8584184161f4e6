// SPDX-License-Identifier: Apache-2.0
#include "bdev/testing/bdev_fixture.h"
#include "bdev_nvme/controllers.h"
#include "bdev_nvme/testing/model_fixture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace causeway::bdev_nvme {
namespace {

using bdev::op;
using bdev::test::request;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::model_namespace;
using testing::model_options;

constexpr std::size_t block = 512;

model_options small(std::uint64_t blocks = 65536) {
    model_options o;
    o.namespaces = {model_namespace{.blocks = blocks}};
    return o;
}

/// A model, attached as "Nvme0".
struct device_test : ::testing::Test {
    void attach(model_options o, std::size_t cores = 2) {
        w.emplace(cores);
        all.emplace(w->devices, w->models);
        model = w->models.add(std::move(o));
        const auto made = w->run(all->attach({.name = "Nvme0", .address = model->address()}));
        ASSERT_TRUE(made && *made) << (made ? made->error().text() : "it never ends");
        device = w->devices.find("Nvme0n1");
        ASSERT_TRUE(device);
    }
    void TearDown() override {
        device.reset();
        if (!w)
            return;
        EXPECT_TRUE(w->run(all->close()));
        EXPECT_EQ(w->models.lent, 0u);
        EXPECT_EQ(model->bad_doorbells(), 0u);
        EXPECT_EQ(model->dma_faults(), 0u);
    }
    nvme::status run(request& r, std::size_t core = 0) {
        w->reactors[core].execute([&] { device->start(r); });
        EXPECT_TRUE(w->until([&] { return r.ended(); }));
        EXPECT_EQ(r.times_ended, 1);
        return r.status;
    }
    nvme::status run(request&& r, std::size_t core = 0) { return run(r, core); }
    nvme::status write(std::uint64_t at, std::string& text, std::size_t piece, std::size_t core = 0) {
        return run(request(op::write, at, text.size() / block, bdev::test::cut(text, piece)), core);
    }
    nvme::status read(std::uint64_t at, std::string& text, std::size_t piece, std::size_t core = 0) {
        return run(request(op::read, at, text.size() / block, bdev::test::cut(text, piece)), core);
    }

    std::optional<testing::model_fixture> w;
    std::optional<controllers> all;
    std::shared_ptr<testing::controller_model> model;
    std::shared_ptr<bdev::device> device;
};

std::string text_of(std::size_t bytes, unsigned seed = 1) {
    std::string t(bytes, ' ');
    for (std::size_t i = 0; i < bytes; ++i)
        t[i] = static_cast<char>(seed * 31 + i * 7 + i / 251);
    return t;
}

TEST_F(device_test, written_data_reads_back_on_every_core_at_every_length) {
    attach(small());
    for (const std::size_t blocks : {1, 7, 8, 9, 15, 16, 17, 64, 255, 256, 257, 1024, 2048, 4096}) {
        std::string written = text_of(blocks * block, static_cast<unsigned>(blocks));
        std::string found(written.size(), '?');
        ASSERT_TRUE(write(3, written, written.size(), blocks % 2).ok()) << blocks;
        ASSERT_TRUE(read(3, found, found.size(), 1 - blocks % 2).ok()) << blocks;
        ASSERT_EQ(written, found) << blocks;
    }
}

TEST_F(device_test, buffers_may_have_any_alignment) {
    for (const std::uint32_t sgls : {0u, nvme::sgls_supported, nvme::sgls_supported_dword_aligned}) {
        attach([&] {
            model_options o = small();
            o.sgls = sgls;
            return o;
        }());
        for (const std::size_t piece : {1u, 3u, 4u, 512u, 520u, 4096u, 5000u, 65536u, 200000u}) {
            std::string written = text_of(200 * block);
            std::string found(written.size(), '?');
            ASSERT_TRUE(write(0, written, piece).ok()) << sgls << ' ' << piece;
            ASSERT_TRUE(read(0, found, piece == 1 ? 7 : piece).ok()) << sgls << ' ' << piece;
            ASSERT_EQ(written, found) << sgls << ' ' << piece;
        }
        TearDown();
        w.reset();
    }
}

TEST_F(device_test, data_that_the_device_cannot_reach_is_copied) {
    const dma_reach nothing;
    w.emplace(1);
    w->models.reach = &nothing;
    all.emplace(w->devices, w->models);
    model = w->models.add(small());
    ASSERT_TRUE(*w->run(all->attach({.name = "Nvme0", .address = model->address()})));
    device = w->devices.find("Nvme0n1");
    for (const std::size_t blocks : {1, 9, 128, 129, 1000}) {
        std::string written = text_of(blocks * block, static_cast<unsigned>(blocks));
        std::string found(written.size(), '?');
        ASSERT_TRUE(write(3, written, 5000).ok()) << blocks;
        ASSERT_TRUE(read(3, found, 7000).ok()) << blocks;
        ASSERT_EQ(written, found) << blocks;
    }
    EXPECT_EQ(all->all().front().controller->queue(0).stats().bounced.get(), 2u * (1 + 1 + 1 + 2 + 8));
    device.reset();
    TearDown();
    w.reset();
}

TEST_F(device_test, more_io_than_entries_waits_and_ends) {
    attach(small());
    std::string text = text_of(block);
    std::vector<std::unique_ptr<request>> many;
    w->reactors[0].execute([&] {
        for (unsigned i = 0; i < 2000; ++i) {
            many.push_back(std::make_unique<request>(op::write, i, 1, bdev::test::cut(text, block)));
            device->start(*many.back());
        }
    });
    ASSERT_TRUE(w->until(
        [&] { return many.size() == 2000 && std::ranges::all_of(many, [](const auto& r) { return r->ended(); }); }));
    for (const auto& r : many) {
        EXPECT_TRUE(r->status.ok());
        EXPECT_EQ(r->times_ended, 1);
    }
}

TEST_F(device_test, the_other_operations_do_what_they_say) {
    attach(small());
    std::string a = text_of(8 * block, 1), b = text_of(8 * block, 2), found(8 * block, '?');
    const std::string zeroes(8 * block, '\0');
    ASSERT_TRUE(write(16, a, a.size()).ok());
    EXPECT_TRUE(run(request(op::compare, 16, 8, bdev::test::cut(a, 1000))).ok());
    EXPECT_TRUE(run(request(op::compare, 16, 8, bdev::test::cut(b, 1000))).is(nvme::sc::compare_failure));
    EXPECT_TRUE(run(request(op::verify, 16, 8)).ok());
    EXPECT_TRUE(run(request(op::flush, 0, 0)).ok());
    EXPECT_EQ(model->io_commands(nvme::io_opcode::flush), 1u);

    request copy(op::copy, 64, 8);
    const bdev::copy_source from[] = {{16, 5}, {21, 3}};
    copy.sources = from;
    EXPECT_TRUE(run(copy).ok());
    ASSERT_TRUE(read(64, found, found.size()).ok());
    EXPECT_EQ(found, a);

    EXPECT_TRUE(run(request(op::write_zeroes, 16, 8)).ok());
    ASSERT_TRUE(read(16, found, found.size()).ok());
    EXPECT_EQ(found, zeroes);
    EXPECT_TRUE(run(request(op::unmap, 64, 8)).ok());
    ASSERT_TRUE(read(64, found, found.size()).ok());
    EXPECT_EQ(found, zeroes);
}

TEST_F(device_test, compare_and_write_is_a_fused_pair) {
    model_options o = small();
    o.acwu = 7;
    attach(std::move(o));
    std::string a = text_of(4 * block, 1), b = text_of(4 * block, 2), found(4 * block, '?');
    ASSERT_TRUE(write(8, a, a.size()).ok());
    EXPECT_TRUE(run(request(op::compare_and_write, 8, 4, bdev::test::cut(b, 600), bdev::test::cut(b, 700)), 1)
                    .is(nvme::sc::compare_failure));
    ASSERT_TRUE(read(8, found, found.size()).ok());
    EXPECT_EQ(found, a);
    EXPECT_TRUE(run(request(op::compare_and_write, 8, 4, bdev::test::cut(a, 600), bdev::test::cut(b, 700)), 1).ok());
    ASSERT_TRUE(read(8, found, found.size()).ok());
    EXPECT_EQ(found, b);
}

TEST_F(device_test, long_ranges_become_several_commands) {
    model_options o = small(1 << 18);
    o.wzsl = 4;  // 64 KiB
    o.dmrsl = 1000;
    attach(std::move(o));
    EXPECT_TRUE(run(request(op::write_zeroes, 0, 1024)).ok());
    EXPECT_EQ(model->io_commands(nvme::io_opcode::write_zeroes), 8u);
    EXPECT_TRUE(run(request(op::unmap, 0, 1 << 18)).ok());
    EXPECT_EQ(model->io_commands(nvme::io_opcode::dataset_management), 263u);
}

TEST_F(device_test, zeroes_are_deallocated_where_the_issuer_asks_and_the_controller_can) {
    for (const bool can : {false, true}) {
        model_options o = small();
        o.namespaces[0].dlfeat = can ? nvme::dlfeat_write_zeroes_deac : nvme::dlfeat_read_zeroes;
        attach(std::move(o));
        EXPECT_EQ(device->capabilities().write_zeroes_deallocates, can);
        EXPECT_EQ(device->capabilities().unmap_reads_zeroes, !can);
        EXPECT_TRUE(run(request(op::write_zeroes, 0, 8)).ok());
        EXPECT_EQ(model->deallocating_zeroes(), 0u) << "nobody asked";
        request asks(op::write_zeroes, 0, 8);
        asks.deallocate = true;
        EXPECT_TRUE(run(asks).ok());
        EXPECT_EQ(model->deallocating_zeroes(), can ? 1u : 0u);
        TearDown();
    }
}

TEST_F(device_test, a_turn_rings_each_doorbell_once) {
    attach(small());
    std::string text = text_of(block);
    std::vector<std::unique_ptr<request>> many;
    w->reactors[0].execute([&] {
        for (unsigned i = 0; i < 32; ++i) {
            many.push_back(std::make_unique<request>(op::write, i, 1, bdev::test::cut(text, block)));
            device->start(*many.back());
        }
    });
    const auto& q = all->all().front().controller->queue(0);
    const auto tails = q.stats().sq_doorbells.get(), heads = q.stats().cq_doorbells.get();
    ASSERT_TRUE(w->until([&] { return many.size() == 32 && many.back()->ended(); }));
    EXPECT_EQ(q.stats().sq_doorbells.get() - tails, 1u);
    EXPECT_EQ(q.stats().cq_doorbells.get() - heads, 1u);
}

TEST_F(device_test, its_geometry_is_that_of_the_namespace) {
    model_options o;
    model_namespace n{.blocks = 1000, .lbads = 12};
    n.atomic_fields = true;
    n.nawun = 7;
    n.nawupf = 3;
    n.noiob = 32;
    n.optimal_io = true;
    n.npwg = 3;
    n.npdg = 15;
    n.nows = 63;
    o.namespaces = {n};
    o.vwc = 0;
    attach(std::move(o));
    EXPECT_EQ(device->blocks(), 1000u);
    const auto& g = device->geometry();
    EXPECT_EQ(g.block_size, 4096u);
    EXPECT_EQ(g.atomic_write_blocks, 8u);
    EXPECT_EQ(g.atomic_write_power_fail_blocks, 4u);
    EXPECT_EQ(g.optimal_io_boundary_blocks, 32u);
    EXPECT_EQ(g.write_granularity_blocks, 4u);
    EXPECT_EQ(g.unmap_granularity_blocks, 16u);
    EXPECT_EQ(g.optimal_write_blocks, 64u);
    EXPECT_FALSE(device->capabilities().volatile_write_cache);
    EXPECT_FALSE(device->capabilities().supports(op::flush));
}

}  // namespace
}  // namespace causeway::bdev_nvme
