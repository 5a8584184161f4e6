// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/idle_state.h"

#include "tests/fuzz/exposed.h"
#include "tests/fuzz/gateway.h"
#include "transport/rdma/transport.h"

#include <fmt/format.h>

namespace causeway::fuzz {

struct connections_of {
    using type = common::connections<rdma::connection> rdma::rdma_transport::*;
    friend constexpr type member(connections_of);
};
struct devices_of {
    using type = std::vector<std::unique_ptr<rdma::device>> rdma::rdma_transport::*;
    friend constexpr type member(devices_of);
};
struct groups_of {
    using type = common::core_groups<rdma::poll_group> rdma::device::*;
    friend constexpr type member(groups_of);
};
struct qpairs_of {
    using type = std::unordered_map<std::uint32_t, rdma::qpair*> rdma::poll_group::*;
    friend constexpr type member(qpairs_of);
};
using common_qpair = common::qpair<rdma::qpair, rdma::request>;
struct requests_of {
    using type = common::request_table<rdma::request> common_qpair::*;
    friend constexpr type member(requests_of);
};
struct pools_of {
    using type = std::vector<std::unique_ptr<rdma::receive_pool>> rdma::poll_group::*;
    friend constexpr type member(pools_of);
};
struct slots_of {
    using type = std::uint32_t rdma::receive_pool::*;
    friend constexpr type member(slots_of);
};
struct spare_of {
    using type = std::vector<std::uint32_t> rdma::receive_pool::*;
    friend constexpr type member(spare_of);
};

template struct exposed<connections_of, &rdma::rdma_transport::connections_>;
template struct exposed<devices_of, &rdma::rdma_transport::devices_>;
template struct exposed<groups_of, &rdma::device::groups_>;
template struct exposed<qpairs_of, &rdma::poll_group::by_number_>;
template struct exposed<requests_of, &common_qpair::requests_>;
template struct exposed<pools_of, &rdma::poll_group::pools_>;
template struct exposed<slots_of, &rdma::receive_pool::slots_>;
template struct exposed<spare_of, &rdma::receive_pool::spare_>;

namespace {

rdma::poll_group* group(rdma::rdma_transport& t) noexcept {
    const auto& devices = t.*member(devices_of());
    return devices.empty() ? nullptr : (devices.front().get()->*member(groups_of())).find(0);
}

/// nullptr: none.
const rdma::request* find_in_use(rdma::qpair& q) noexcept {
    const rdma::request* found = nullptr;
    (q.*member(requests_of())).any_of([&](rdma::request& r) {
        if (r.at != rdma::step::free)
            found = &r;
        return found != nullptr;
    });
    return found;
}

std::string lost_receives(const rdma::poll_group& g, std::uint64_t taken) {
    std::uint32_t granted = 0, promised = 0, circulating = 0;
    for (const auto& [number, q] : g.*member(qpairs_of()))
        granted += q->limits().depth;
    for (const auto& pool : g.*member(pools_of())) {
        const rdma::receive_credits& credits = pool->credits();
        const std::uint32_t slots = pool.get()->*member(slots_of());
        const std::size_t spare = (pool.get()->*member(spare_of())).size();
        if (pool->dirty() || spare + credits.circulating() != slots)
            return fmt::format("of {} receives {} are spare and {} in circulation", slots, spare,
                               credits.circulating());
        promised += credits.promised();
        circulating += credits.circulating();
    }
    if (promised != granted)
        return fmt::format("{} receives are promised instead of {}", promised, granted);
    if (const auto posted = g.receive_stats().posted.get() - taken; posted != circulating)
        return fmt::format("{} receives are posted instead of {}", posted, circulating);
    return "";
}

}  // namespace

std::size_t idle_state::connections() const noexcept {
    return (transport_.*member(connections_of())).size();
}

bool idle_state::closing() const {
    const rdma::poll_group* const g = group(transport_);
    if (!g)
        return false;
    for (const auto& [number, q] : g->*member(qpairs_of()))
        if (q->phase() == nvmf::qpair::state::disconnecting)
            return true;
    return (g->*member(qpairs_of())).size() != connections();
}

std::string idle_state::leaks(std::size_t live, std::uint64_t receives_taken) const {
    rdma::poll_group* const g = group(transport_);
    if (connections() != live)
        return fmt::format("the transport has {} connections instead of {}", connections(), live);
    for (const auto& [number, q] : g->*member(qpairs_of()))
        if (const rdma::request* const r = find_in_use(*q))
            return fmt::format("queue {} has a request in use: opcode {:#x}, cid {:#x}, step {}", q->qid(),
                               r->command.opcode, r->command.cid.value(), static_cast<unsigned>(r->at));
    if (const auto n = g->buffers().free_buffers(1); n != small_buffers)
        return fmt::format("{} of {} small buffers are free", n, small_buffers);
    if (const auto n = g->buffers().free_buffers(max_io_size); n != large_buffers)
        return fmt::format("{} of {} large buffers are free", n, large_buffers);
    return lost_receives(*g, receives_taken);
}

}  // namespace causeway::fuzz
