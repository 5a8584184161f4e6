// SPDX-License-Identifier: Apache-2.0
// How a session comes to its connections, again and again.

#include "nvme/fabrics.h"
#include "nvme/properties.h"
#include "tests/fuzz/session.h"
#include "transport/rdma/rdma_transport.h"
#include "transport/rdma/transport.h"

#include <bit>
#include <cstring>
#include <fmt/format.h>

namespace causeway::fuzz {

namespace {

constexpr const char* host_nqn = "nqn.2014-08.org.nvmexpress:uuid:33333333-3333-3333-3333-333333333333";
constexpr std::uint32_t cc_enabled = 0x00460001;  // EN, IOSQES 64, IOCQES 16

// In gentle inputs.
constexpr std::int64_t price_of_repair = 50;
constexpr std::int64_t credit_at_first = 400 * price_of_repair;  // a corpus is read whole

core::result<std::unique_ptr<nvmf::transport>> make_transport(nvmf::target& t, const nvmf::transport_options& common) {
    rdma::transport_options o{common};
    o.max_srq_depth = 256;
    return make_rdma_transport(t, o);
}

}  // namespace

session::session()
    : gateway_("RDMA", make_transport, rdma_port, gateway::pace::with_threads),
      idle_(static_cast<rdma::rdma_transport&>(gateway_.transport())), credit_(credit_at_first) {
    repair();
}

std::size_t session::live() const noexcept {
    std::size_t n = 0;
    for (const auto& q : queues_)
        n += q != nullptr;
    return n;
}

/// Afterwards no connection is closing, and none is missing.
void session::repair() {
    ++counts_.repairs;
    credit_ -= price_of_repair;
    clear_away();
    if (!queues_[admin] || (!queues_[io] && !open_io()) || !enabled())
        open_all();
    memory_.renew_key();
    check_content();
}

void session::clear_away() {
    const auto over = [&] {
        for (auto& q : queues_) {
            if (!q)
                continue;
            q->poll();
            q->look_at_events();
            if (q->closed())
                q.reset();
        }
        return !idle_.closing() && idle_.connections() == live();
    };
    if (!gateway_.wait(over))
        fail(fmt::format("a connection does not end: {} of {} are there", idle_.connections(), live()));
}

/// A new controller.
void session::open_all() {
    for (auto& q : queues_)
        q.reset();
    clear_away();
    ++counts_.controllers;
    history_.clear();
    opened_at_ = counts_.inputs;
    cc_touched_ = false;
    ++counts_.queues;
    queues_[admin] = std::make_unique<host_queue>(gateway_, memory_, 0, admin_depth);
    const auto status = connect(*queues_[admin], 0, nvme::cntlid_dynamic);
    if (!status || !status->ok())
        fail("a good Connect is refused: " + (status ? nvme::to_string(*status) : "closed"));
    nvme::property_set_command p{};
    p.opcode = nvme::fabrics_opcode;
    p.type = nvme::to_underlying(nvme::fctype::property_set);
    p.ofst = nvme::to_underlying(nvme::property::cc);
    p.value = std::uint64_t{cc_enabled};
    const auto set = call(*queues_[admin], std::bit_cast<nvme::command>(p));
    if (!set || !set->status().ok() || !enabled())
        fail("the controller cannot be enabled");
    if (!open_io())
        fail("a good I/O queue is refused");
}

/// True: the controller is enabled as open_all() has done it.
bool session::enabled() {
    const auto get = [&](nvme::property which) -> std::optional<std::uint64_t> {
        nvme::property_get_command p{};
        p.opcode = nvme::fabrics_opcode;
        p.type = nvme::to_underlying(nvme::fctype::property_get);
        p.ofst = nvme::to_underlying(which);
        const auto answer = call(*queues_[admin], std::bit_cast<nvme::command>(p));
        return answer ? std::optional(answer->result64()) : std::nullopt;
    };
    return get(nvme::property::cc) == cc_enabled && get(nvme::property::csts) == 1;
}

/// False: this controller takes no I/O queue now.
bool session::open_io() {
    ++counts_.queues;
    queues_[io] = std::make_unique<host_queue>(gateway_, memory_, 1, io_depth, cntlid_);
    const auto status = connect(*queues_[io], 1, cntlid_);
    if (status && status->ok())
        return true;
    queues_[io].reset();
    return false;
}

std::optional<nvme::status> session::connect(host_queue& q, std::uint16_t qid, std::uint16_t cntlid) {
    nvme::connect_data d{};
    std::memset(d.hostid, 0x33, sizeof d.hostid);
    d.cntlid = cntlid;
    std::memcpy(d.subnqn, gateway::nqn.c_str(), gateway::nqn.size());
    std::memcpy(d.hostnqn, host_nqn, std::strlen(host_nqn));
    std::memcpy(memory_.bytes().data() + own_offset, &d, sizeof d);
    nvme::connect_command c{};
    c.opcode = nvme::fabrics_opcode;
    c.type = nvme::to_underlying(nvme::fctype::connect);
    c.qid = qid;
    c.sqsize = static_cast<std::uint16_t>(q.depth() - 1);
    const auto answer = call(q, std::bit_cast<nvme::command>(c), sizeof d);
    if (!answer)
        return std::nullopt;
    if (answer->status().ok() && qid == 0)
        cntlid_ = static_cast<std::uint16_t>(answer->dw0 & 0xffff);
    return answer->status();
}

}  // namespace causeway::fuzz
