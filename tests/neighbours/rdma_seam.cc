// SPDX-License-Identifier: Apache-2.0
#include "tests/neighbours/rdma_seam.h"

#include "core/task.h"
#include "transport/rdma/rdma_transport.h"

#include <cassert>
#include <cstring>
#include <numeric>

namespace causeway::neighbours {

using rdma::test::host_end;

fabric_queue_pair::fabric_queue_pair(host_end& end, unsigned depth)
    : queue_pair(depth), end_(end), slots_(depth), free_(depth),
      registration_(*core::reactor::current(), "host_rdma", *this) {
    end_.memory.resize(std::size_t{depth} * slot_bytes);
    std::iota(free_.rbegin(), free_.rend(), std::uint16_t{0});
    open_ = true;
}

fabric_queue_pair::~fabric_queue_pair() {
    close();
    end_.abandon();
}

bool fabric_queue_pair::submit(host::request& r) noexcept {
    if (!open_ || free_.empty())
        return false;
    const std::uint16_t slot = free_.back();
    free_.pop_back();
    slots_[slot] = &r;
    ++outstanding_;
    const std::uint32_t bytes = r.data_bytes();
    assert(bytes <= slot_bytes);
    if (r.direction() == nvme::data_transfer::host_to_controller)
        r.gather(memory(slot));
    r.command.cid = slot;
    nvme::command c = r.command;
    c.flags = static_cast<std::uint8_t>(nvme::to_underlying(nvme::psdt::sgl) << 6 | (c.flags & 3));
    c.sgl = nvme::sgl_descriptor::keyed_data_block(reinterpret_cast<std::uint64_t>(memory(slot)), bytes, end_.key);
    const auto capsule = std::as_bytes(std::span(&c, 1));
    end_.send({capsule.begin(), capsule.end()});
    return true;
}

unsigned fabric_queue_pair::poll(unsigned) noexcept {
    unsigned events = 0;
    for (; open_ && !end_.responses.empty(); ++events) {
        const nvme::completion c = end_.responses.front().completion;
        end_.responses.pop_front();
        finish(c.cid, c);
    }
    if (open_ && end_.is != host_end::state::accepted) {
        open_ = false;
        trouble_ = "the target has closed the connection";
        end_all();
        if (auto tell = std::exchange(on_lost, nullptr))
            tell();
    }
    return events;
}

void fabric_queue_pair::finish(std::size_t slot, const nvme::completion& c) noexcept {
    host::request& r = *std::exchange(slots_[slot], nullptr);
    r.completion = c;
    if (r.status().ok() && r.direction() == nvme::data_transfer::controller_to_host)
        r.scatter(memory(slot));
    free_.push_back(static_cast<std::uint16_t>(slot));
    --outstanding_;
    r.done(r);
}

void fabric_queue_pair::end_all() noexcept {
    for (std::size_t i = 0; i < slots_.size(); ++i)
        if (slots_[i])
            finish(i, host::lost_completion());
}

void fabric_queue_pair::close() noexcept {
    on_lost = nullptr;
    open_ = false;
    end_.disconnect();
    end_all();
}

host_end* fabric_connector::request(const host::queue_pair_options& o, std::uint32_t from) {
    nvme::rdma_cm_request r{};
    r.qid = o.qid;
    r.hrqsize = static_cast<std::uint16_t>(o.depth + 1);
    r.hsqsize = static_cast<std::uint16_t>(o.depth);
    r.cntlid = o.cntlid;
    return fabric_.request(address_.traddr, static_cast<std::uint16_t>(std::stoi(address_.trsvcid)), r, 16, from);
}

core::task<core::result<std::unique_ptr<host::queue_pair>>> fabric_connector::open(host::queue_pair_options o) {
    host_end* const end = request(o);
    if (!end)
        co_return core::fail(ECONNREFUSED, "no listener at this address", name());
    while (end->is == host_end::state::requesting)
        co_await core::yield();
    if (end->is != host_end::state::accepted) {
        end->abandon();
        co_return core::fail(ECONNREFUSED, "the connection was rejected: status " + std::to_string(end->status),
                             name());
    }
    co_return std::make_unique<fabric_queue_pair>(*end, o.depth);
}

namespace {

rdma::test::device_options wide_network() {
    rdma::test::device_options o;
    o.is_wide = true;
    o.host_memory = 0;  // each queue pair has memory of its own
    return o;
}

}  // namespace

rdma_seam::rdma_seam(core::simulation& s) : fabric_(s, wide_network()) {}

core::result<std::unique_ptr<nvmf::transport>> rdma_seam::make_transport(nvmf::target& t) {
    return make_rdma_transport(t, {seam_options()});
}

std::size_t rdma_seam::connections() const {
    return fabric_.qps.size();
}

std::unique_ptr<seam> make_rdma_seam(core::simulation& s) {
    return std::make_unique<rdma_seam>(s);
}

}  // namespace causeway::neighbours
