// SPDX-License-Identifier: Apache-2.0
#include "tests/softrdma/verbs/receive_queue.h"

#include "tests/softrdma/verbs/fingerprint.h"
#include "tests/softrdma/verbs/process.h"
#include "tests/softrdma/verbs/record.h"
#include "tests/softrdma/verbs/region.h"
#include "tests/softrdma/verbs/segment_heap.h"

#include <algorithm>
#include <mutex>

namespace softrdma {

namespace {

struct sizes {
    std::uint64_t slots, line;
    explicit sizes(std::uint32_t capacity)
        : slots(std::uint64_t{capacity} * sizeof(posted_receive)),
          line(std::uint64_t{capacity} * sizeof(std::uint32_t)) {}
};

/// Of the buffers as they are posted; 0 if they are not all registered, which is found out when something arrives.
std::uint64_t fingerprint_of(segment& own, const ibv_recv_wr& wr, std::uint32_t pd) {
    const buffers b(own, {wr.sg_list, static_cast<std::size_t>(wr.num_sge)}, pd, IBV_ACCESS_LOCAL_WRITE);
    return b.valid() ? fingerprint(b.pieces()) : 0;
}

bool overlap(const posted_receive& a, const posted_receive& b) {
    for (std::uint32_t i = 0; i < a.pieces; ++i)
        for (std::uint32_t j = 0; j < b.pieces; ++j)
            if (a.sg_list[i].addr < b.sg_list[j].addr + b.sg_list[j].length &&
                b.sg_list[j].addr < a.sg_list[i].addr + a.sg_list[i].length)
                return true;
    return false;
}

}  // namespace

bool make_receives(shared_receive_queue& q, segment_heap& heap, std::uint32_t capacity, std::uint32_t pieces) {
    q.lock.init();
    q.capacity = q.posted = q.first = q.spare = q.limit = 0;
    q.max_pieces = pieces;
    q.attention = 0;
    if (capacity == 0)
        return true;
    const sizes bytes(capacity);
    q.slots = heap.allocate(bytes.slots);
    q.line = heap.allocate(bytes.line);
    q.spares = heap.allocate(bytes.line);
    q.capacity = capacity;
    if (!q.slots || !q.line || !q.spares) {
        destroy_receives(q, heap);
        return false;
    }
    auto* spares = process::self().memory().at<std::uint32_t>(q.spares);
    for (std::uint32_t i = 0; i < capacity; ++i)
        spares[i] = capacity - 1 - i;
    q.spare = capacity;
    return true;
}

void destroy_receives(shared_receive_queue& q, segment_heap& heap) {
    if (q.capacity == 0)
        return;
    segment& own = process::self().memory();
    while (const auto slot = take_receive(q, own)) {
        posted_receive& r = receive_at(q, own, *slot);
        refer_to(own, {r.sg_list.data(), r.pieces}, -1);
    }
    const sizes bytes(q.capacity);
    heap.release(q.slots, bytes.slots);
    heap.release(q.line, bytes.line);
    heap.release(q.spares, bytes.line);
    q.capacity = 0;
}

int post_receive(shared_receive_queue& q, segment& own, const ibv_recv_wr& wr, std::uint32_t pd) {
    if (wr.num_sge < 0 || static_cast<std::uint32_t>(wr.num_sge) > q.max_pieces)
        return EINVAL;
    const std::uint64_t print = checks_on() ? fingerprint_of(own, wr, pd) : 0;
    refer_to(own, {wr.sg_list, static_cast<std::size_t>(wr.num_sge)}, 1);
    {
        std::lock_guard hold(q.lock);
        if (q.spare != 0) {
            const std::uint32_t slot = own.at<std::uint32_t>(q.spares)[--q.spare];
            posted_receive& r = receive_at(q, own, slot);
            r.wr_id = wr.wr_id;
            r.fingerprint = print;
            r.pd = pd;
            r.pieces = static_cast<std::uint32_t>(wr.num_sge);
            std::copy_n(wr.sg_list, wr.num_sge, r.sg_list.begin());
            own.at<std::uint32_t>(q.line)[(q.first + q.posted) % q.capacity] = slot;
            ++q.posted;
            record::add(record::count::receives_posted);
            return 0;
        }
    }
    refer_to(own, {wr.sg_list, static_cast<std::size_t>(wr.num_sge)}, -1);
    record::add(record::count::queue_full);
    return ENOMEM;
}

std::optional<std::uint32_t> take_receive(shared_receive_queue& q, segment& in) {
    std::lock_guard hold(q.lock);
    if (q.posted == 0)
        return std::nullopt;
    const std::uint32_t slot = in.at<std::uint32_t>(q.line)[q.first];
    q.first = (q.first + 1) % q.capacity;
    --q.posted;
    if (q.posted < q.limit) {
        q.limit = 0;
        q.attention = 1;
    }
    return slot;
}

posted_receive& receive_at(shared_receive_queue& q, segment& in, std::uint32_t slot) {
    return in.at<posted_receive>(q.slots)[slot];
}

bool shares_buffer(shared_receive_queue& q, segment& in, std::uint32_t slot) {
    std::lock_guard hold(q.lock);
    const posted_receive& mine = receive_at(q, in, slot);
    for (std::uint32_t i = 0; i < q.capacity; ++i)
        if (i != slot && overlap(mine, receive_at(q, in, i)))
            return true;
    return false;
}

void free_receive(shared_receive_queue& q, segment& own, std::uint32_t slot) {
    const posted_receive& r = receive_at(q, own, slot);
    refer_to(own, {r.sg_list.data(), r.pieces}, -1);
    std::lock_guard hold(q.lock);
    own.at<std::uint32_t>(q.spares)[q.spare++] = slot;
}

}  // namespace softrdma
