// SPDX-License-Identifier: Apache-2.0
#include "tests/softrdma/verbs/device.h"

#include "tests/softrdma/settings.h"
#include "tests/softrdma/softrdma.h"
#include "tests/softrdma/verbs/operations.h"
#include "tests/softrdma/verbs/peer.h"
#include "tests/softrdma/verbs/process.h"
#include "tests/softrdma/verbs/queue_pair.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cstring>
#include <sys/eventfd.h>
#include <unistd.h>
#include <vector>

namespace softrdma {

namespace {

std::mutex contexts_mutex;
auto& contexts = *new std::vector<context*>;

std::mutex watcher_mutex;
void (*watcher)(ibv_device*, void*) = nullptr;
void* watcher_with = nullptr;

segment::device& shared_state(std::uint32_t index) {
    return process::self().memory().devices[index];
}

std::vector<device*> make_devices() {
    std::vector<device*> all;
    for (int i = 0; i < device_count(); ++i) {
        auto* d = new device{};
        d->index = static_cast<std::uint32_t>(i);
        d->gid = make_gid(process::self().memory().instance, d->index);
        d->node_type = IBV_NODE_CA;
        d->transport_type = IBV_TRANSPORT_IB;
        const std::string n = std::to_string(i);
        std::strcpy(d->name, ("softrdma" + n).c_str());
        std::strcpy(d->dev_name, ("uverbs" + n).c_str());
        std::strcpy(d->dev_path, ("/sys/class/infiniband_verbs/uverbs" + n).c_str());
        std::strcpy(d->ibdev_path, ("/sys/class/infiniband/softrdma" + n).c_str());
        all.push_back(d);
    }
    return all;
}

const std::vector<device*>& all_devices() {
    static const auto& all = *new std::vector<device*>(make_devices());
    return all;
}

const void* object_of(const ibv_async_event& e) {
    switch (e.event_type) {
    case IBV_EVENT_DEVICE_FATAL:
    case IBV_EVENT_PORT_ACTIVE:
    case IBV_EVENT_PORT_ERR: return nullptr;
    default: return e.element.qp;
    }
}

void tell_contexts(std::uint32_t index, const ibv_async_event& e) {
    std::lock_guard hold(contexts_mutex);
    for (context* c : contexts)
        if (c->on().index == index)
            c->raise(e);
}

}  // namespace

device& device::number(std::uint32_t index) {
    return *all_devices().at(index);
}

bool device::removed() const noexcept {
    return shared_state(index).removed.load();
}

bool device::port_down() const noexcept {
    return shared_state(index).port_down.load();
}

void context::raise(const ibv_async_event& e) {
    {
        std::lock_guard hold(mutex);
        events.push_back(e);
    }
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto n = ::write(verbs_context::context.async_fd, &one, sizeof one);
}

void context::forget(const void* object) {
    std::unique_lock hold(mutex);
    std::erase_if(events, [&](const ibv_async_event& e) { return object_of(e) == object; });
    acknowledged.wait(hold, [&] { return !handed_out.contains(object); });
}

ibv_async_event event_about(ibv_event_type type, ibv_qp* qp) {
    ibv_async_event e{};
    e.element.qp = qp;
    e.event_type = type;
    return e;
}

ibv_async_event event_about(ibv_event_type type, ibv_cq* cq) {
    ibv_async_event e{};
    e.element.cq = cq;
    e.event_type = type;
    return e;
}

ibv_async_event event_about(ibv_event_type type, ibv_srq* srq) {
    ibv_async_event e{};
    e.element.srq = srq;
    e.event_type = type;
    return e;
}

void remove_device(std::uint32_t index) {
    if (shared_state(index).removed.exchange(true))
        return;
    {
        std::lock_guard hold(watcher_mutex);
        if (watcher)
            watcher(&device::number(index), watcher_with);
    }
    for (auto& place : process::self().queue_pairs) {
        std::lock_guard hold(process::self().acting);
        if (queue_pair* q = place.load(); q && q->on().index == index)
            q->fail();
    }
    ibv_async_event fatal{};
    fatal.event_type = IBV_EVENT_DEVICE_FATAL;
    tell_contexts(index, fatal);
}

void set_port(std::uint32_t index, bool up) {
    if (shared_state(index).port_down.exchange(!up) == !up)
        return;
    ibv_async_event e{};
    e.event_type = up ? IBV_EVENT_PORT_ACTIVE : IBV_EVENT_PORT_ERR;
    e.element.port_num = 1;
    tell_contexts(index, e);
}

}  // namespace softrdma

using softrdma::context;
using softrdma::device;
using softrdma::refuse;

extern "C" {

void softrdma_watch_removals(void (*removed)(ibv_device*, void*), void* with) {
    std::lock_guard hold(softrdma::watcher_mutex);
    softrdma::watcher = removed;
    softrdma::watcher_with = with;
}

ibv_device** ibv_get_device_list(int* count) {
    const auto& all = softrdma::all_devices();
    auto** list = static_cast<ibv_device**>(std::calloc(all.size() + 1, sizeof(ibv_device*)));
    int n = 0;
    for (device* d : all)
        if (!d->removed())
            list[n++] = d;
    if (count)
        *count = n;
    return list;
}

void ibv_free_device_list(ibv_device** list) {
    std::free(list);
}

const char* ibv_get_device_name(ibv_device* d) {
    return d->name;
}

__be64 ibv_get_device_guid(ibv_device* d) {
    __be64 guid;
    std::memcpy(&guid, device::of(d).gid.raw + 8, sizeof guid);
    return guid;
}

int ibv_get_device_index(ibv_device* d) {
    return static_cast<int>(device::of(d).index);
}

ibv_context* ibv_open_device(ibv_device* d) {
    if (device::of(d).removed())
        return refuse<ibv_context*>(ENODEV);
    auto* c = new context{};
    c->sz = sizeof(verbs_context);
    softrdma::set_operations(*c);
    ibv_context& base = c->verbs_context::context;
    base.device = d;
    base.cmd_fd = -1;
    base.async_fd = ::eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
    base.num_comp_vectors = 8;
    base.abi_compat = __VERBS_ABI_IS_EXTENDED;
    pthread_mutex_init(&base.mutex, nullptr);
    std::lock_guard hold(softrdma::contexts_mutex);
    softrdma::contexts.push_back(c);
    return &base;
}

int ibv_close_device(ibv_context* base) {
    context* c = &context::of(base);
    {
        std::lock_guard hold(softrdma::contexts_mutex);
        std::erase(softrdma::contexts, c);
    }
    ::close(base->async_fd);
    delete c;
    return 0;
}

int ibv_get_async_event(ibv_context* base, ibv_async_event* e) {
    context& c = context::of(base);
    for (;;) {
        std::uint64_t one;
        if (::read(base->async_fd, &one, sizeof one) != sizeof one)
            return -1;
        std::lock_guard hold(c.mutex);
        if (c.events.empty())  // what it was about has been destroyed
            continue;
        *e = c.events.front();
        c.events.pop_front();
        if (const void* object = softrdma::object_of(*e))
            ++c.handed_out[object];
        return 0;
    }
}

void ibv_ack_async_event(ibv_async_event* e) {
    const void* object = softrdma::object_of(*e);
    if (!object)
        return;
    std::lock_guard all(softrdma::contexts_mutex);
    for (context* c : softrdma::contexts) {
        std::lock_guard hold(c->mutex);
        const auto it = c->handed_out.find(object);
        if (it == c->handed_out.end())
            continue;
        if (--it->second == 0)
            c->handed_out.erase(it);
        c->acknowledged.notify_all();
        return;
    }
}
}
