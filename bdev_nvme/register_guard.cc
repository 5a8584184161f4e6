// SPDX-License-Identifier: Apache-2.0
#include "bdev_nvme/register_guard.h"

#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <sys/mman.h>
#include <unistd.h>

namespace causeway::bdev_nvme {

namespace {

// Read by a signal handler: no lock, and entries never move.
struct guarded {
    std::atomic<std::uintptr_t> begin{0};  ///< 0: free
    std::atomic<std::size_t> bytes{0};
};
std::array<guarded, 64> windows;
std::mutex changing;
struct sigaction before;

bool replace_page_at(std::uintptr_t address) noexcept {
    const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    for (const guarded& w : windows) {
        const std::uintptr_t begin = w.begin.load(std::memory_order_acquire);
        if (begin == 0 || address < begin || address - begin >= w.bytes.load(std::memory_order_relaxed))
            continue;
        void* const at = reinterpret_cast<void*>(address & ~(page - 1));
        if (::mmap(at, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
            return false;
        std::memset(at, 0xff, page);
        return true;
    }
    return false;
}

void on_bus_error(int signal, siginfo_t* info, void* context) {
    const int saved = errno;
    const bool replaced = replace_page_at(reinterpret_cast<std::uintptr_t>(info->si_addr));
    errno = saved;
    if (replaced)
        return;
    if (before.sa_flags & SA_SIGINFO && before.sa_sigaction)
        return before.sa_sigaction(signal, info, context);
    // Not ours: as if there were no handler. The access is done again, and ends the process.
    ::sigaction(SIGBUS, &before, nullptr);
}

void install() noexcept {
    static bool installed = false;
    if (installed)
        return;
    struct sigaction ours {};
    ours.sa_sigaction = on_bus_error;
    ours.sa_flags = SA_SIGINFO | SA_NODEFER;
    installed = ::sigaction(SIGBUS, &ours, &before) == 0;
}

}  // namespace

bool guard_registers(std::span<std::byte> window) noexcept {
    const std::lock_guard lock(changing);
    install();
    for (guarded& w : windows) {
        if (w.begin.load(std::memory_order_relaxed))
            continue;
        w.bytes.store(window.size(), std::memory_order_relaxed);
        w.begin.store(reinterpret_cast<std::uintptr_t>(window.data()), std::memory_order_release);
        return true;
    }
    return false;
}

void unguard_registers(std::span<std::byte> window) noexcept {
    const std::lock_guard lock(changing);
    for (guarded& w : windows)
        if (w.begin.load(std::memory_order_relaxed) == reinterpret_cast<std::uintptr_t>(window.data()))
            w.begin.store(0, std::memory_order_release);
}

}  // namespace causeway::bdev_nvme
