// SPDX-License-Identifier: Apache-2.0
#include "tests/softrdma/verbs/completion_queue.h"
#include "tests/softrdma/verbs/device.h"
#include "tests/softrdma/verbs/process.h"
#include "tests/softrdma/verbs/record.h"

#include <cerrno>
#include <sys/eventfd.h>
#include <unistd.h>

using namespace softrdma;

namespace {

/// A queue of this channel with an event to fetch, each in its turn; null if the one that was counted has been
/// destroyed.
completion_queue* next_raised(completion_channel& channel) {
    process& own = process::self();
    std::lock_guard hold(own.acting);
    for (std::uint32_t i = 1; i <= max_completion_queues; ++i) {
        const std::uint32_t place = (channel.last + i) % max_completion_queues;
        completion_queue* q = own.completion_queues[place].load();
        if (!q || q->channel != &channel || q->shared().events.load() == 0)
            continue;
        --q->shared().events;
        channel.last = place;
        pthread_mutex_lock(&q->mutex);
        ++q->events_handed_out;
        pthread_mutex_unlock(&q->mutex);
        return q;
    }
    return nullptr;
}

}  // namespace

extern "C" {

ibv_comp_channel* ibv_create_comp_channel(ibv_context* base) {
    process& own = process::self();
    const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
    const auto place = fd < 0 ? std::nullopt : own.channel_places.take();
    if (!place) {
        ::close(fd);
        return refuse<ibv_comp_channel*>(ENOMEM);
    }
    shared_channel& shared = own.memory().channels[place->number];
    shared.fd = fd;
    ++shared.generation;
    auto* made = new completion_channel{};
    made->ibv_comp_channel::context = base;
    made->fd = fd;
    made->place = place->number;
    return made;
}

int ibv_destroy_comp_channel(ibv_comp_channel* base) {
    completion_channel& channel = completion_channel::of(base);
    {
        std::lock_guard counting(channel.mutex);
        if (base->refcnt != 0)
            return EBUSY;
    }
    ::close(base->fd);
    process::self().channel_places.give_back(channel.place);
    delete &channel;
    return 0;
}

int ibv_get_cq_event(ibv_comp_channel* base, ibv_cq** cq, void** cq_context) {
    completion_channel& channel = completion_channel::of(base);
    for (;;) {
        std::uint64_t one;
        if (::read(base->fd, &one, sizeof one) != sizeof one)
            return -1;
        std::lock_guard turn(channel.mutex);
        if (completion_queue* q = next_raised(channel)) {
            record::add(record::count::events);
            *cq = q;
            *cq_context = q->cq_context;
            return 0;
        }
    }
}
}
