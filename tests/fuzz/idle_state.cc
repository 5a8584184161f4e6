#include "tests/fuzz/idle_state.h"

#include "tests/fuzz/exposed.h"
#include "tests/fuzz/gateway.h"
#include "transport/rdma/transport.h"

#include <fmt/format.h>

namespace causeway::fuzz {

struct connections_of {
    using type = std::vector<std::unique_ptr<rdma::connection>> rdma::rdma_transport::*;
    friend constexpr type member(connections_of);
};
struct devices_of {
    using type = std::vector<std::unique_ptr<rdma::device>> rdma::rdma_transport::*;
    friend constexpr type member(devices_of);
};
struct groups_of {
    using type = std::vector<std::unique_ptr<rdma::poll_group>> rdma::device::*;
    friend constexpr type member(groups_of);
};
struct qpairs_of {
    using type = std::unordered_map<std::uint32_t, rdma::qpair*> rdma::poll_group::*;
    friend constexpr type member(qpairs_of);
};
struct requests_of {
    using type = std::vector<rdma::request> rdma::qpair::*;
    friend constexpr type member(requests_of);
};
struct spare_of {
    using type = std::vector<std::uint32_t> rdma::receive_pool::*;
    friend constexpr type member(spare_of);
};

template struct exposed<connections_of, &rdma::rdma_transport::connections_>;
template struct exposed<devices_of, &rdma::rdma_transport::devices_>;
template struct exposed<groups_of, &rdma::device::groups_>;
template struct exposed<qpairs_of, &rdma::poll_group::by_number_>;
template struct exposed<requests_of, &rdma::qpair::requests_>;
template struct exposed<spare_of, &rdma::receive_pool::spare_>;

namespace {

rdma::poll_group* group(rdma::rdma_transport& t) noexcept {
    const auto& devices = t.*member(devices_of());
    return devices.empty() ? nullptr : (devices.front().get()->*member(groups_of())).front().get();
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
        if (q->phase == nvmf::qpair::state::disconnecting)
            return true;
    return (g->*member(qpairs_of())).size() != connections();
}

std::string idle_state::leaks(std::size_t live, std::uint64_t receives_taken) const {
    rdma::poll_group* const g = group(transport_);
    if (connections() != live)
        return fmt::format("the transport has {} connections instead of {}", connections(), live);
    for (const auto& [number, q] : g->*member(qpairs_of()))
        for (const rdma::request& r : q->*member(requests_of()))
            if (r.at != rdma::request::step::free)
                return fmt::format("queue {} has a request in use: opcode {:#x}, cid {:#x}, step {}", q->qid,
                                   r.command.opcode, r.command.cid.value(), static_cast<unsigned>(r.at));
    if (const auto n = g->buffers().free_buffers(1); n != small_buffers)
        return fmt::format("{} of {} small buffers are free", n, small_buffers);
    if (const auto n = g->buffers().free_buffers(max_io_size); n != large_buffers)
        return fmt::format("{} of {} large buffers are free", n, large_buffers);
    const rdma::receive_pool& receives = g->receives();
    const rdma::receive_ledger& ledger = receives.ledger();
    const auto circulating = ledger.claimed() + ledger.surplus();
    const auto spare = (receives.*member(spare_of())).size();
    if (receives.dirty() || spare + circulating != ledger.capacity())
        return fmt::format("of {} receives {} are spare and {} in circulation", ledger.capacity(), spare, circulating);
    if (const auto posted = receives.stats().posted.get() - receives_taken; posted != circulating)
        return fmt::format("{} receives are posted instead of {}", posted, circulating);
    return "";
}

}  // namespace causeway::fuzz
