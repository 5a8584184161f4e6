// A device that cannot be trusted: whatever it does, its I/O is answered, and it is reset or given up.

#include "bdev_nvme/testing/driver_bench.h"
#include "core/log.h"

#include <gtest/gtest.h>

namespace causeway::bdev_nvme {
namespace {

using namespace std::chrono_literals;
using bdev::op;
using testing::controller_model;
using testing::driver_bench;
using testing::fault;
using testing::fault_rule;
using testing::model_options;

class controller_faults : public ::testing::Test {
  protected:
    controller_faults() { core::log::set_print_level(core::log::level::error); }

    static model_options quick_model() {
        model_options o;
        o.to = 1;
        o.namespaces = {{.blocks = 256}};
        return o;
    }
};

TEST_F(controller_faults, works_where_nothing_is_wrong) {
    driver_bench b;
    const auto m = b.models.add(quick_model());
    ASSERT_TRUE(b.attach("Nvme0", *m));
    EXPECT_EQ(b.state("Nvme0"), controller::state::enabled);
    EXPECT_TRUE(b.io("Nvme0n1", {.operation = op::write, .offset_blocks = 3, .length_blocks = 2, .fill = 7}).ok());
    const auto read = b.user.start("Nvme0n1", {.operation = op::read, .offset_blocks = 4});
    ASSERT_TRUE(b.turn_until([&] { return read->ended; }));
    EXPECT_EQ(read->data, std::vector<std::byte>(512, std::byte{7}));
    EXPECT_EQ(m->dma_faults(), 0u);
    EXPECT_EQ(m->bad_doorbells(), 0u);
    ASSERT_TRUE(b.close());
    EXPECT_TRUE(b.empty());
    EXPECT_EQ(m->submission_queues(), 0u);
    EXPECT_EQ(m->shutdowns(), 1u);
    EXPECT_FALSE(m->dma_started());
}

}  // namespace
}  // namespace causeway::bdev_nvme
