// SPDX-License-Identifier: Apache-2.0
#include "bdev_nvme/register_guard.h"

#include "bdev_nvme/mmio.h"

#include <gtest/gtest.h>

#include <sys/mman.h>
#include <unistd.h>

namespace causeway::bdev_nvme {
namespace {

/// Two pages of a file that is then cut off: an access to them is a SIGBUS, as to a device that is gone.
struct lost_window {
    lost_window() {
        const int fd = ::memfd_create("window", 0);
        EXPECT_EQ(::ftruncate(fd, bytes), 0);
        at = static_cast<std::byte*>(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
        EXPECT_NE(at, MAP_FAILED);
        write_shared<std::uint32_t>(at, 0x12345678);
        EXPECT_EQ(::ftruncate(fd, 0), 0);
        ::close(fd);
    }
    ~lost_window() { ::munmap(at, bytes); }
    static constexpr std::size_t bytes = 8192;
    std::byte* at;
};

/// ThreadSanitizer's runtime makes an atomic access itself and holds a lock of its own meanwhile: a handler of the
/// signal that comes out of it waits for that lock for ever.
#ifdef __SANITIZE_THREAD__
constexpr bool may_fault_in_atomics = false;
#else
constexpr bool may_fault_in_atomics = true;
#endif

TEST(register_guard, a_window_that_is_gone_reads_all_ones_and_takes_writes) {
    if (!may_fault_in_atomics)
        GTEST_SKIP();
    lost_window w;
    ASSERT_TRUE(guard_registers({w.at, w.bytes}));
    EXPECT_EQ(read_shared<std::uint32_t>(w.at), all_ones);
    write_shared<std::uint32_t>(w.at + 4096, 7);
    EXPECT_EQ(read_shared<std::uint64_t>(w.at + 4096 + 8), ~std::uint64_t{0});
    unguard_registers({w.at, w.bytes});
}

TEST(register_guard_death, a_bus_error_elsewhere_ends_the_process) {
    if (!may_fault_in_atomics)
        GTEST_SKIP();
    lost_window guarded, other;
    ASSERT_TRUE(guard_registers({guarded.at, guarded.bytes}));
    EXPECT_DEATH(write_shared<std::uint32_t>(other.at, 1), "");  // by the signal, or by a sanitizer that says so
    unguard_registers({guarded.at, guarded.bytes});
}

}  // namespace
}  // namespace causeway::bdev_nvme
