// SPDX-License-Identifier: Apache-2.0
#include "bdev_nvme/testing/access_log.h"

#include "core/reactor.h"

#include <array>
#include <dlfcn.h>
#include <fmt/format.h>
#include <map>
#include <pthread.h>

// This file is not instrumented itself.

namespace causeway::bdev_nvme::testing {

namespace {

constexpr std::size_t max_cores = 8;
constexpr unsigned line_shift = 6;

struct touched {
    std::array<bool, max_cores> read{}, written{};
    const void* by = nullptr;  ///< the last code that wrote it
};

bool recording = false;
access_report sums;
std::map<std::uintptr_t, touched> lines;

/// The stack, and what is thread-local: all cores of a test in one thread share them.
bool of_the_thread(std::uintptr_t at) {
    constexpr std::uintptr_t locals_below = 64 * 1024, locals_above = 4096;  // around the thread's descriptor
    static const auto [low, high] = [] {
        pthread_attr_t a;
        void* begin = nullptr;
        std::size_t bytes = 0;
        ::pthread_getattr_np(::pthread_self(), &a);
        ::pthread_attr_getstack(&a, &begin, &bytes);
        ::pthread_attr_destroy(&a);
        return std::pair(reinterpret_cast<std::uintptr_t>(begin), reinterpret_cast<std::uintptr_t>(begin) + bytes);
    }();
    const auto self = static_cast<std::uintptr_t>(::pthread_self());
    return (at >= low && at < high) || (at >= self - locals_below && at < self + locals_above);
}

void note(const volatile void* p, std::size_t bytes, bool write, const void* by) {
    const auto at = reinterpret_cast<std::uintptr_t>(p);
    if (!recording || of_the_thread(at))
        return;
    const core::reactor* r = core::reactor::current();
    if (!r)
        return;
    (write ? sums.writes : sums.reads) += 1;
    for (std::uintptr_t line = at >> line_shift; line <= (at + bytes - 1) >> line_shift; ++line) {
        touched& t = lines[line];
        (write ? t.written : t.read)[r->index()] = true;
        if (write)
            t.by = by;
    }
}

std::string name_of(const void* code) {
    Dl_info i{};
    return ::dladdr(code, &i) && i.dli_sname ? i.dli_sname : fmt::format("{}", code);
}

}  // namespace

void record_accesses(bool on) {
    recording = on;
}

access_report recorded_accesses(std::span<const std::byte> registers) {
    const auto first = reinterpret_cast<std::uintptr_t>(registers.data()) >> line_shift;
    const auto end = first + (registers.size() >> line_shift);
    access_report r = std::exchange(sums, {});
    r.lines = lines.size();
    for (const auto& [line, t] : std::exchange(lines, {})) {
        unsigned writers = 0, users = 0;
        for (std::size_t core = 0; core < max_cores; ++core) {
            writers += t.written[core];
            users += t.written[core] || t.read[core];
        }
        if (writers && users > 1 && (line < first || line >= end))
            r.shared.push_back(fmt::format("line {:#x}: {} cores touch it, {} write it, the last in {}",
                                           line << line_shift, users, writers, name_of(t.by)));
    }
    return r;
}

}  // namespace causeway::bdev_nvme::testing

// What the compiler calls. Names and meanings are the sanitizer's own (gcc's and clang's `tsan_interface`).

using causeway::bdev_nvme::testing::note;
using causeway::bdev_nvme::testing::recording;
using causeway::bdev_nvme::testing::sums;

#define CALLER __builtin_return_address(0)

extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void** p, void*) {
    note(p, sizeof *p, true, CALLER);
}
void __tsan_vptr_read(void** p) {
    note(p, sizeof *p, false, CALLER);
}
void __tsan_read_range(void* p, std::size_t n) {
    note(p, n, false, CALLER);
}
void __tsan_write_range(void* p, std::size_t n) {
    note(p, n, true, CALLER);
}

#define PLAIN(N)                                                                                                       \
    void __tsan_read##N(void* p) {                                                                                     \
        note(p, N, false, CALLER);                                                                                     \
    }                                                                                                                  \
    void __tsan_write##N(void* p) {                                                                                    \
        note(p, N, true, CALLER);                                                                                      \
    }                                                                                                                  \
    void __tsan_unaligned_read##N(void* p) {                                                                           \
        note(p, N, false, CALLER);                                                                                     \
    }                                                                                                                  \
    void __tsan_unaligned_write##N(void* p) {                                                                          \
        note(p, N, true, CALLER);                                                                                      \
    }                                                                                                                  \
    void __tsan_volatile_read##N(void* p) {                                                                            \
        note(p, N, false, CALLER);                                                                                     \
    }                                                                                                                  \
    void __tsan_volatile_write##N(void* p) {                                                                           \
        note(p, N, true, CALLER);                                                                                      \
    }
PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)
#undef PLAIN

#define ATOMIC(BITS, T)                                                                                                \
    T __tsan_atomic##BITS##_load(const volatile T* p, int) {                                                           \
        note(p, sizeof(T), false, CALLER);                                                                             \
        sums.atomic_moves += recording;                                                                                \
        return __atomic_load_n(p, __ATOMIC_SEQ_CST);                                                                   \
    }                                                                                                                  \
    void __tsan_atomic##BITS##_store(volatile T* p, T v, int order) {                                                  \
        note(p, sizeof(T), true, CALLER);                                                                              \
        (order == __ATOMIC_SEQ_CST ? sums.locked : sums.atomic_moves) += recording;                                    \
        __atomic_store_n(p, v, __ATOMIC_SEQ_CST);                                                                      \
    }                                                                                                                  \
    T __tsan_atomic##BITS##_exchange(volatile T* p, T v, int) {                                                        \
        note(p, sizeof(T), true, CALLER);                                                                              \
        sums.locked += recording;                                                                                      \
        return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST);                                                            \
    }                                                                                                                  \
    T __tsan_atomic##BITS##_fetch_add(volatile T* p, T v, int) {                                                       \
        note(p, sizeof(T), true, CALLER);                                                                              \
        sums.locked += recording;                                                                                      \
        return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST);                                                             \
    }                                                                                                                  \
    T __tsan_atomic##BITS##_fetch_sub(volatile T* p, T v, int) {                                                       \
        note(p, sizeof(T), true, CALLER);                                                                              \
        sums.locked += recording;                                                                                      \
        return __atomic_fetch_sub(p, v, __ATOMIC_SEQ_CST);                                                             \
    }                                                                                                                  \
    int __tsan_atomic##BITS##_compare_exchange_strong(volatile T* p, T* expected, T v, int, int) {                     \
        note(p, sizeof(T), true, CALLER);                                                                              \
        sums.locked += recording;                                                                                      \
        return __atomic_compare_exchange_n(p, expected, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                 \
    }                                                                                                                  \
    int __tsan_atomic##BITS##_compare_exchange_weak(volatile T* p, T* expected, T v, int a, int b) {                   \
        return __tsan_atomic##BITS##_compare_exchange_strong(p, expected, v, a, b);                                    \
    }
ATOMIC(8, std::uint8_t)
ATOMIC(16, std::uint16_t)
ATOMIC(32, std::uint32_t)
ATOMIC(64, std::uint64_t)
#undef ATOMIC

void __tsan_atomic_thread_fence(int) {
    sums.fences += recording;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
void __tsan_atomic_signal_fence(int) {
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

}  // extern "C"
