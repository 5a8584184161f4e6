// SPDX-License-Identifier: Apache-2.0
#include "bdev/memory_device.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <sys/mman.h>

namespace causeway::bdev {

namespace {

constexpr std::size_t page = 4096;
// How much of a long unmap or write_zeroes is done in one turn: some 30 µs, so that its neighbours are not held up.
constexpr std::size_t piece = 1 << 20;

device_geometry completed(device_geometry g) {
    g.atomic_compare_and_write_blocks = std::max(1u, memory_device::atomic_bytes / g.block_size);
    g.copy_blocks = g.copy_source_blocks = memory_device::copy_bytes / g.block_size;
    g.copy_sources = 256;
    return g;
}

/// Zeroes by giving whole pages back to the system where there are some.
void zero(std::byte* begin, std::byte* end) noexcept {
    const auto up = [](std::byte* p) { return p + (-reinterpret_cast<std::uintptr_t>(p) & (page - 1)); };
    std::byte* const first = std::min(up(begin), end);
    std::byte* const last = end - (reinterpret_cast<std::uintptr_t>(end) & (page - 1));
    if (last <= first || ::madvise(first, static_cast<std::size_t>(last - first), MADV_DONTNEED) != 0) {
        std::memset(begin, 0, static_cast<std::size_t>(end - begin));
        return;
    }
    std::memset(begin, 0, static_cast<std::size_t>(first - begin));
    std::memset(last, 0, static_cast<std::size_t>(end - last));
}

}  // namespace

core::result<std::shared_ptr<memory_device>> memory_device::create(core::core_lease home, std::string name,
                                                                   device_geometry g, uuid id) {
    if (!std::has_single_bit(g.block_size) || g.block_size < 512)
        return core::fail(EINVAL, "the block size is a power of two from 512", name);
    std::size_t bytes, with_room_to_copy;
    if (g.blocks == 0 || __builtin_mul_overflow(g.blocks, g.block_size, &bytes) ||
        __builtin_add_overflow(bytes, copy_bytes, &with_room_to_copy))
        return core::fail(EINVAL, "no such number of blocks is possible", name);
    void* memory =
        ::mmap(nullptr, with_room_to_copy, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return core::fail(ENOMEM, "there is not enough memory for this disk", name);
    return std::shared_ptr<memory_device>(
        new memory_device(std::move(home), std::move(name), completed(g), id, static_cast<std::byte*>(memory), bytes));
}

memory_device::memory_device(core::core_lease home, std::string name, device_geometry g, uuid id, std::byte* memory,
                             std::size_t bytes)
    : device(home.home().group(), std::move(name), g,
             {.ops = served, .unmap_reads_zeroes = true, .write_zeroes_deallocates = true}, id),
      lease_(std::move(home)), memory_(memory), bytes_(bytes) {}

memory_device::~memory_device() {
    ::munmap(memory_, bytes_ + copy_bytes);
}

void memory_device::submit(io& i) noexcept {
    if (i.origin == &lease_.home()) {
        run(i);
        return;
    }
    i.handle = [](core::message& m) noexcept {
        io& i = static_cast<io&>(m);
        static_cast<memory_device*>(i.owner)->run(i);
    };
    lease_.home().post(i);
}

void memory_device::run(io& i) noexcept {
    std::byte* const block_data = at(i.offset_blocks);
    const std::size_t bytes = i.length_blocks * geometry().block_size;
    switch (i.operation) {
    case op::read: copy_in(i.data, block_data, bytes); break;
    case op::write: copy_out(block_data, i.data, bytes); break;
    case op::flush: break;
    case op::write_zeroes:
    case op::unmap: i.back_end_value = 0; return zero_piece(i);
    case op::compare:
        if (!equal(i.data, block_data, bytes))
            return end(i, nvme::sc::compare_failure.with_dnr());
        break;
    case op::compare_and_write:
        if (!equal(i.data, block_data, bytes))
            return end(i, nvme::sc::compare_failure.with_dnr());
        copy_out(block_data, i.write_data, bytes);
        break;
    case op::verify: break;
    case op::copy: copy(i); break;
    }
    end(i, nvme::sc::success);
}

/// The next piece of an unmap or write_zeroes; `back_end_value` is how much has been done. The rest waits for the next
/// turn.
void memory_device::zero_piece(io& i) noexcept {
    std::byte* const begin = at(i.offset_blocks) + i.back_end_value;
    const std::size_t left = i.length_blocks * geometry().block_size - i.back_end_value;
    const std::size_t now = std::min(left, piece);
    zero(begin, begin + now);
    if (now == left)
        return end(i, nvme::sc::success);
    i.back_end_value += now;
    i.handle = [](core::message& m) noexcept {
        io& i = static_cast<io&>(m);
        static_cast<memory_device*>(i.owner)->zero_piece(i);
    };
    lease_.home().post(i);
}

/// All sources are read before the first block is written: a source may overlap where the copy goes.
void memory_device::copy(const io& i) noexcept {
    std::byte* const whole = memory_ + bytes_;
    std::byte* to = whole;
    for (const copy_source& s : i.sources) {
        const std::size_t bytes = std::size_t{s.length_blocks} * geometry().block_size;
        std::memcpy(to, at(s.offset_blocks), bytes);
        to += bytes;
    }
    std::memcpy(at(i.offset_blocks), whole, static_cast<std::size_t>(to - whole));
}

void memory_device::end(io& i, nvme::status s) noexcept {
    if (i.origin == &lease_.home())
        i.complete(s);
    else
        i.complete_from_anywhere(s);
}

}  // namespace causeway::bdev
