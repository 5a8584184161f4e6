// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/ports.h"

#include <algorithm>

namespace causeway::nvmf {

std::shared_ptr<open_port> ports::find(const transport_address& at) const noexcept {
    const auto it = std::find_if(ports_.begin(), ports_.end(), [&](const auto& p) { return p->at == at; });
    return it == ports_.end() ? nullptr : *it;
}

std::uint16_t ports::free_id() noexcept {
    const auto taken = [this](std::uint16_t id) {
        return id == 0 || std::any_of(ports_.begin(), ports_.end(), [&](const auto& p) { return p->id == id; });
    };
    while (taken(++last_id_)) {
    }
    return last_id_;
}

core::task<core::result<>> ports::lease(transport& fabric, transport_address at, listen_options options,
                                        port_lease& lease) {
    if (options.secure_channel && !fabric.offers_secure_channel())
        co_return core::fail(EINVAL, "this transport has no secure channel", at.trtype);
    const auto lock = co_await changes_[&fabric].lock();
    co_return co_await lease_in_turn(fabric, std::move(at), options, lease);
}

core::task<core::result<>> ports::lease_in_turn(transport& fabric, transport_address at, listen_options options,
                                                port_lease& lease) {
    auto open = find(at);
    if (open && open->options != options) {
        if (open->users != 0)
            co_return core::fail(EINVAL,
                                 open->options.secure_channel
                                     ? "another subsystem listens there with a secure channel: do the same, or use "
                                       "another port"
                                     : "another subsystem listens there without a secure channel: do the same, or use "
                                       "another port",
                                 at.text());
        co_await fabric.stop_listening(open);
        std::erase(ports_, std::exchange(open, nullptr));
    }
    if (open) {
        lease = port_lease(std::move(open));
        co_return core::result<>();
    }
    open = std::make_shared<open_port>(open_port{{std::move(at), options, free_id()}});
    ports_.push_back(open);
    lease = port_lease(open);
    auto listening = co_await fabric.listen(open);
    if (!listening) {
        lease = {};
        std::erase(ports_, open);
    }
    co_return listening;
}

core::task<> ports::close_unused(transport& fabric) {
    const auto lock = co_await changes_[&fabric].lock();
    const auto unused = [&](const auto& p) { return p->users == 0 && p->at.trtype == fabric.trtype(); };
    for (;;) {
        const auto it = std::find_if(ports_.begin(), ports_.end(), unused);
        if (it == ports_.end())
            break;
        const std::shared_ptr<open_port> closing = *it;
        co_await fabric.stop_listening(closing);
        std::erase(ports_, closing);
    }
}

}  // namespace causeway::nvmf
