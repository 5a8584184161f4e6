// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/controller_properties.h"

#include <utility>

namespace causeway::nvmf {

bool controller_properties::is_active() const noexcept {
    return cc_.en() && csts_.rdy() && cc_.shn() == nvme::cc::shutdown::none &&
           csts_.shst() == nvme::csts::shutdown::none;
}

bool controller_properties::can_be_enabled() const noexcept {
    if (cc_.css() != nvme::cc::css_nvm || cc_.mps() != 0 || cc_.ams() != 0)
        return false;
    // Hosts differ in what they write for discovery controllers, which have no I/O queues.
    return is_discovery_ || (cc_.iosqes() == 6 && cc_.iocqes() == 4);
}

controller_properties::consequence controller_properties::write_cc(nvme::cc value) noexcept {
    using shutdown = nvme::cc::shutdown;
    const nvme::cc old = std::exchange(cc_, value);
    if (old.en() && !value.en()) {
        resetting_ = true;
        ready_.store(false, std::memory_order_relaxed);
        csts_.set_cfs(false);
        csts_.set_shst(nvme::csts::shutdown::none);
        return consequence::reset;
    }
    if (value.shn() != shutdown::none && old.shn() == shutdown::none) {
        csts_.set_shst(nvme::csts::shutdown::occurring);
        return consequence::shutdown;
    }
    if (value.shn() == shutdown::none && !old.en() && value.en())
        csts_.set_shst(nvme::csts::shutdown::none);
    return consequence::none;
}

void controller_properties::settle() noexcept {
    if (csts_.shst() == nvme::csts::shutdown::occurring)
        csts_.set_shst(nvme::csts::shutdown::complete);
    if (std::exchange(resetting_, false))
        csts_.set_rdy(false);
    if (cc_.en() && !csts_.rdy() && !csts_.cfs()) {
        const bool valid = can_be_enabled();
        csts_.set_cfs(!valid);
        csts_.set_rdy(valid);
        ready_.store(valid && !ended_, std::memory_order_relaxed);
    }
}

void controller_properties::end() noexcept {
    ended_ = true;
    ready_.store(false, std::memory_order_relaxed);
}

}  // namespace causeway::nvmf
