// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/device.h"

namespace causeway::bdev {

/// Accepts everything and stores nothing: for measurements without the cost of storage.
///
/// Reads give zeroes. That costs a memset of the host's data (README.md says how much), and it is not left out even
/// here: the buffers of a gateway have held other hosts' data. Each core serves its own I/O, at once.
class null_device final : public device {
  public:
    static constexpr std::uint32_t served = ops({op::read, op::write, op::flush, op::write_zeroes, op::unmap,
                                                 op::compare, op::compare_and_write, op::verify, op::copy});

    null_device(core::reactor_group& group, std::string name, device_geometry g, uuid id);
    std::string_view product_name() const noexcept override { return "Null disk"; }

  private:
    void submit(io& i) noexcept override;
};

}  // namespace causeway::bdev
