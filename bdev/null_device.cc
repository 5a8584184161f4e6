// SPDX-License-Identifier: Apache-2.0
#include "bdev/null_device.h"

#include <algorithm>

namespace causeway::bdev {

namespace {

bool all_zero(std::span<const iovec> data) noexcept {
    return std::all_of(data.begin(), data.end(), [](const iovec& b) {
        const auto* first = static_cast<const std::byte*>(b.iov_base);
        return std::all_of(first, first + b.iov_len, [](std::byte x) { return x == std::byte{0}; });
    });
}

device_geometry completed(device_geometry g) {
    // As much as a command can ask for: copying nothing takes no time.
    g.copy_source_blocks = 65535;
    g.copy_blocks = 256 * 65535;
    g.copy_sources = 256;
    return g;
}

}  // namespace

null_device::null_device(core::reactor_group& group, std::string name, device_geometry g, uuid id)
    : device(group, std::move(name), completed(g),
             {.ops = served, .unmap_reads_zeroes = true, .write_zeroes_deallocates = true}, id) {}

void null_device::submit(io& i) noexcept {
    nvme::status status = nvme::sc::success;
    switch (i.operation) {
    case op::read: fill(i.data, std::byte{0}); break;
    case op::compare:
    case op::compare_and_write:
        if (!all_zero(i.data))
            status = nvme::sc::compare_failure.with_dnr();
        break;
    case op::write:
    case op::flush:
    case op::write_zeroes:
    case op::unmap:
    case op::verify:
    case op::copy: break;
    }
    i.complete(status);
}

}  // namespace causeway::bdev
