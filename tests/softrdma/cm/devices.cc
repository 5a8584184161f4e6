// SPDX-License-Identifier: Apache-2.0
#include "tests/softrdma/cm/devices.h"

#include "tests/softrdma/addresses.h"
#include "tests/softrdma/cm/link.h"
#include "tests/softrdma/softrdma.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <deque>
#include <mutex>

namespace softrdma::cm::devices {

namespace {

struct slot {
    explicit slot(ibv_device* d) : device(d) {}

    ibv_device* const device;
    std::atomic<bool> gone = false;
    std::mutex opening;
    opened_device opened{};
    ibv_pd* pd = nullptr;
    unsigned pd_uses = 0;
};

void removed(ibv_device* device, void* with) {
    auto& slots = *static_cast<std::deque<slot>*>(with);
    for (std::size_t i = 0; i < slots.size(); ++i) {
        if (slots[i].device != device || slots[i].gone.exchange(true))
            continue;
        lose_device(static_cast<int>(i));
    }
}

std::deque<slot>& slots() {
    static std::deque<slot>* const all = [] {
        auto* made = new std::deque<slot>;
        // The list is kept, because it keeps devices alive that have not been opened yet.
        static ibv_device** list = ibv_get_device_list(nullptr);
        for (ibv_device** d = list; d && *d; ++d)
            made->emplace_back(*d);
        softrdma_watch_removals(removed, made);
        return made;
    }();
    return *all;
}

bool known(int device) {
    return device >= 0 && device < count();
}

}  // namespace

int count() {
    return static_cast<int>(slots().size());
}

bool gone(int device) {
    return known(device) && slots()[static_cast<std::size_t>(device)].gone;
}

int of(const sockaddr& address) {
    const int device = device_of(address, count());
    return known(device) && !gone(device) ? device : -1;
}

const opened_device* open(int device) {
    if (!known(device) || gone(device)) {
        errno = ENODEV;
        return nullptr;
    }
    slot& s = slots()[static_cast<std::size_t>(device)];
    std::lock_guard guard(s.opening);
    if (s.opened.verbs)
        return &s.opened;
    ibv_context* const verbs = ibv_open_device(s.device);
    if (!verbs)
        return nullptr;
    ibv_device_attr a{};
    ibv_gid gid{};
    if (ibv_query_device(verbs, &a) != 0 || ibv_query_gid(verbs, 1, 0, &gid) != 0) {
        ibv_close_device(verbs);
        errno = EIO;
        return nullptr;
    }
    s.opened = {.verbs = verbs,
                .gid = gid,
                .max_responder_resources = static_cast<std::uint8_t>(std::clamp(a.max_qp_rd_atom, 0, 255)),
                .max_initiator_depth = static_cast<std::uint8_t>(std::clamp(a.max_qp_init_rd_atom, 0, 255))};
    return &s.opened;
}

ibv_pd* hold_pd(int device) {
    const opened_device* const on = open(device);
    if (!on)
        return nullptr;
    slot& s = slots()[static_cast<std::size_t>(device)];
    std::lock_guard guard(s.opening);
    if (!s.pd)
        s.pd = ibv_alloc_pd(on->verbs);
    if (s.pd)
        ++s.pd_uses;
    return s.pd;
}

void drop_pd(int device) {
    slot& s = slots()[static_cast<std::size_t>(device)];
    std::lock_guard guard(s.opening);
    if (--s.pd_uses == 0) {
        ibv_dealloc_pd(s.pd);
        s.pd = nullptr;
    }
}

}  // namespace softrdma::cm::devices
