// SPDX-License-Identifier: Apache-2.0
// What an image costs: README.md has the numbers that this prints.

#include "bdev_rbd/testing/ceph_fixture.h"

#include <fstream>

namespace causeway::bdev_rbd {
namespace {

struct footprint {
    std::size_t resident_kib = 0;
    std::size_t threads = 0;
};

footprint now() {
    footprint f;
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with("VmRSS:"))
            f.resident_kib = std::stoul(line.substr(6));
        if (line.starts_with("Threads:"))
            f.threads = std::stoul(line.substr(8));
    }
    return f;
}

class RbdMemory : public CephTest {};

TEST_F(RbdMemory, a_hundred_images_on_one_client) {
    constexpr unsigned count = 100;
    tool("sh -c 'for i in $(seq 0 " + std::to_string(count - 1) + "); do rbd create rbd/many$i --size 64M; done'");
    const auto image = [&](unsigned n) {
        disk_params p;
        p.image = {.pool = "rbd", .rados_namespace = "", .name = "many" + std::to_string(n)};
        p.cluster_name = "shared";
        return p;
    };
    std::vector<std::shared_ptr<rbd_device>> open_images{open(image(0))};  // the first one brings the client's threads
    ASSERT_TRUE(open_images[0]);
    const footprint before = now();
    const auto began = steady::now();
    for (unsigned n = 1; n < count; ++n)
        open_images.push_back(open(image(n)));
    const auto opened = steady::now() - began;
    const footprint idle = now();
    for (const auto& d : open_images) {
        ASSERT_TRUE(d);
        EXPECT_EQ(write(*d, core(0), 0, pattern(65536, 1)), nvme::sc::success);
        bytes back(65536);
        EXPECT_EQ(read(*d, core(1), 0, back), nvme::sc::success);
    }
    const footprint used = now();
    const auto each = [&](const footprint& f) { return (f.resident_kib - before.resident_kib) / (count - 1); };
    std::printf("per image: %zu KiB open, %zu KiB after its first write and read; %zu threads for 1, %zu for %u; "
                "%.0f ms to open one\n",
                each(idle), each(used), before.threads, used.threads, count,
                std::chrono::duration<double, std::milli>(opened).count() / (count - 1));
    EXPECT_LE(used.threads, before.threads + 16) << "no threads for each image";
    open_images.clear();
    for (unsigned n = 0; n < count; ++n)
        EXPECT_TRUE(remove("Ceph" + std::to_string(n)));
    tool("sh -c 'for i in $(seq 0 " + std::to_string(count - 1) + "); do rbd rm --no-progress rbd/many$i; done'");
}

}  // namespace
}  // namespace causeway::bdev_rbd
