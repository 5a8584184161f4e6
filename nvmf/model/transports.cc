// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/transports.h"

#include "nvmf/model/keyring.h"

#include <fmt/format.h>

namespace causeway::nvmf {

core::result<> check_block_size(const bdev::device& d, const transport& t) {
    if (d.geometry().block_size <= t.options().max_io_size)
        return {};
    return core::fail(EINVAL,
                      fmt::format("its blocks of {} bytes are larger than what a command over {} can carry ({} bytes): "
                                  "use smaller blocks, or create the transport with a larger max_io_size",
                                  d.geometry().block_size, t.trtype(), t.options().max_io_size),
                      d.name());
}

transport* transports::find(std::string_view trtype) const noexcept {
    for (const auto& t : all_)
        if (t->trtype() == trtype)
            return t.get();
    return nullptr;
}

core::result<> transports::check_block_size(const bdev::device& d) const {
    for (const auto& t : all_)
        if (auto fits = nvmf::check_block_size(d, *t); !fits)
            return fits;
    return {};
}

core::result<> transports::add_host_key(const std::vector<std::string>& subnqns, const std::string& hostnqn,
                                        const key& psk) {
    for (const auto& t : all_)
        for (const std::string& subnqn : subnqns)
            if (auto admitted = t->subsystem_add_host(subnqn, hostnqn, psk.text()); !admitted) {
                remove_host_key(subnqns, hostnqn);
                return core::fail(admitted.error().code, admitted.error().text(), psk.name);
            }
    return {};
}

void transports::remove_host_key(const std::vector<std::string>& subnqns, const std::string& hostnqn) noexcept {
    for (const auto& t : all_)
        for (const std::string& subnqn : subnqns)
            t->subsystem_remove_host(subnqn, hostnqn);
}

}  // namespace causeway::nvmf
