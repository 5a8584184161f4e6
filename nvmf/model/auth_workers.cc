// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/auth_workers.h"

#include <algorithm>

namespace causeway::nvmf {

bool auth_workers::has_room(const std::string& address) const {
    const auto known = parties_.find(address);
    return known == parties_.end() || known->second.waiting < max_waiting_of_address;
}

core::task<auth_workers::worker> auth_workers::acquire(std::string address) {
    party& p = parties_.try_emplace(address, address).first->second;
    // Others that wait while a worker is free have as many as they may.
    if (running_ < max_running && may_run(p) && p.waiting == 0) {
        begin(p);
    } else {
        if (p.waiting++ == 0)
            turns_.push_back(&p);
        co_await core::wait_queue::wait(p.tasks, false);  // wake_next() has counted it
    }
    worker mine(*this, p);
    co_return mine;
}

void auth_workers::begin(party& p) noexcept {
    ++running_;
    ++p.running;
}

void auth_workers::wake_next() {
    while (running_ < max_running) {
        const auto next = std::ranges::find_if(turns_, [](const party* p) { return may_run(*p); });
        if (next == turns_.end())
            return;
        party& p = **next;
        turns_.erase(next);
        begin(p);
        p.tasks.wake_one();
        if (--p.waiting != 0)
            turns_.push_back(&p);
    }
}

void auth_workers::release(party& p) {
    --running_;
    --p.running;
    wake_next();
    if (p.running == 0 && p.waiting == 0)
        parties_.erase(p.address);
}

}  // namespace causeway::nvmf
