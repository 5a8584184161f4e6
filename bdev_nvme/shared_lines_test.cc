// SPDX-License-Identifier: Apache-2.0
// One queue pair for each core, no lock and no shared cache line on the way of an I/O: counted. The driver, the
// devices' contract and the reactors are compiled to tell of every access (testing/access_log.h); the model is not.

#include "bdev/testing/bdev_fixture.h"
#include "bdev_nvme/controllers.h"
#include "bdev_nvme/testing/access_log.h"
#include "bdev_nvme/testing/model_fixture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace causeway::bdev_nvme {
namespace {

using bdev::op;
using bdev::test::request;
using ::testing::IsEmpty;

constexpr std::size_t block = 512;
constexpr std::size_t cores = 2;

struct shared_lines : ::testing::Test {
    void SetUp() override {
        testing::model_options o;
        o.namespaces = {{.blocks = 4096}};
        model = w.models.add(o);
        attach_params p;
        p.name = "Nvme0";
        p.address = model->address();
        ASSERT_TRUE(*w.run(all.attach(p)));
        device = w.devices.find("Nvme0n1");
    }
    void TearDown() override {
        testing::record_accesses(false);
        device.reset();
        EXPECT_TRUE(w.run(all.close()));
    }

    /// So many I/Os of each core, all begun in one turn; what that touches.
    testing::access_report record(unsigned ios) {
        // Each with memory of its own, far from the other core's: hosts' requests are the transport's concern.
        struct alignas(4096) own {
            std::array<std::byte, block> data;
        };
        std::vector<std::unique_ptr<own>> memory;
        std::array<std::vector<std::unique_ptr<request>>, cores> requests;
        for (std::size_t core = 0; core < cores; ++core)
            for (unsigned i = 0; i < ios; ++i) {
                memory.push_back(std::make_unique<own>());
                requests[core].push_back(std::make_unique<request>(
                    i % 2 ? op::read : op::write, i, 1, std::vector<iovec>{{memory.back()->data.data(), block}}));
            }
        for (std::size_t core = 0; core < cores; ++core)
            w.reactors[core].execute([&, core] {
                testing::record_accesses(true);
                for (const auto& r : requests[core])
                    device->start(*r);
                testing::record_accesses(false);
            });
        w.round();
        testing::record_accesses(true);
        for (int round = 0; round < 4; ++round)
            w.round();
        testing::record_accesses(false);
        for (const auto& of_core : requests)
            for (const auto& r : of_core)
                EXPECT_EQ(r->times_ended, 1);
        return testing::recorded_accesses(model->registers());
    }

    testing::model_fixture w{cores};
    controllers all{w.devices, w.models};
    std::shared_ptr<testing::controller_model> model;
    std::shared_ptr<bdev::device> device;
};

TEST_F(shared_lines, two_cores_that_do_io_share_no_cache_line) {
    const auto idle = record(0);
    const auto busy = record(100);
    std::printf("%llu reads and %llu writes, %llu of them atomic moves, on %zu lines, for 200 I/Os; locked: %llu, "
                "fences: %llu, shared: %zu\n",
                static_cast<unsigned long long>(busy.reads), static_cast<unsigned long long>(busy.writes),
                static_cast<unsigned long long>(busy.atomic_moves), busy.lines,
                static_cast<unsigned long long>(busy.locked), static_cast<unsigned long long>(busy.fences),
                busy.shared.size());
    EXPECT_GT(busy.writes, idle.writes + 200 * 10) << "the log hears of the driver";
    EXPECT_EQ(busy.locked, idle.locked);
    EXPECT_EQ(busy.fences, idle.fences);
    EXPECT_THAT(busy.shared, IsEmpty());
}

TEST_F(shared_lines, the_log_shows_cores_that_share_a_queue) {
    device.reset();
    ASSERT_TRUE(w.run(all.close()));
    controllers again(w.devices, w.models);
    attach_params p;
    p.name = "Nvme0";
    p.address = model->address();
    p.io_queues = 1;
    ASSERT_TRUE(*w.run(again.attach(p)));
    device = w.devices.find("Nvme0n1");
    const auto busy = record(100);
    EXPECT_GT(busy.locked, 100u) << "mailboxes are locked instructions";
    EXPECT_FALSE(busy.shared.empty());
    device.reset();
    EXPECT_TRUE(w.run(again.close()));
}

}  // namespace
}  // namespace causeway::bdev_nvme
