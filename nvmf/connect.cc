// SPDX-License-Identifier: Apache-2.0
// Connect: which hosts may connect, through which listener, and to which controller. NVMe over Fabrics 1.1, "Connect
// Command".
//
// Begins on the qpair's core, decides on the control reactor, and comes back to install and to answer.

#include "nvme/fabrics.h"

#include "core/log_event.h"
#include "nvme/nqn.h"
#include "nvmf/command/authentication.h"
#include "nvmf/command/fabrics_commands.h"
#include "nvmf/complete.h"
#include "nvmf/core_counters.h"
#include "nvmf/model/controller.h"
#include "nvmf/model/discovery.h"
#include "nvmf/model/subsystem.h"
#include "nvmf/model/target_state.h"
#include "nvmf/target.h"
#include "nvmf/target_side.h"
#include "nvmf/trace.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace causeway::nvmf {

using namespace std::chrono_literals;

namespace {

core::log::limiter refusals;

constexpr unsigned us_of_a_connect = 8;  ///< on the control reactor

/// What the host asks for, and how it came here.
struct connect_request {
    nvme::connect_command command;
    nvme::connect_data data;
    qpair* connection;
    std::uint16_t granted_entries;
    std::string transport_name;
    std::shared_ptr<const port> by;  ///< the port that accepted it
    transport_address local, peer;
    host_identity proved;  ///< by the connection, of the names in `data`

    std::uint16_t qid() const noexcept { return command.qid; }
    std::string_view text(const char (&field)[256]) const noexcept { return {field, ::strnlen(field, sizeof field)}; }
    std::string_view subnqn() const noexcept { return text(data.subnqn); }
    std::string_view hostnqn() const noexcept { return text(data.hostnqn); }
};

/// What the host gets.
struct connect_result {
    verdict result{};
    std::uint32_t dw0 = 0;
    std::shared_ptr<controller> owner{};  ///< nullptr: it is refused
    std::string why{};                    ///< for the log, where it is
    bool must_authenticate = false;
};

// What may be different at the next try, when the gateway has been told of a subsystem or a host, is not
// final: a host that saw Do Not Retry would give up on a gateway that is just starting.

connect_result bad_command(unsigned at, std::string why) {
    return {{nvme::sc::connect_invalid_parameters, at},
            nvme::connect_invalid_dw0(nvme::iattr::command, static_cast<std::uint16_t>(at)),
            nullptr,
            std::move(why)};
}

connect_result bad_data(unsigned at, std::string why) {
    return {nvme::sc::connect_invalid_parameters,
            nvme::connect_invalid_dw0(nvme::iattr::data, static_cast<std::uint16_t>(at)), nullptr, std::move(why)};
}

connect_result refused_with(verdict result, std::string why) {
    return {result, 0, nullptr, std::move(why)};
}

constexpr unsigned at_qid = offsetof(nvme::connect_command, qid);
constexpr unsigned at_sqsize = offsetof(nvme::connect_command, sqsize);
constexpr unsigned at_hostid = offsetof(nvme::connect_data, hostid);
constexpr unsigned at_cntlid = offsetof(nvme::connect_data, cntlid);
constexpr unsigned at_subnqn = offsetof(nvme::connect_data, subnqn);
constexpr unsigned at_hostnqn = offsetof(nvme::connect_data, hostnqn);

connect_request read(const request& r) {
    const qpair& q = *r.qpair;
    connect_request a{};
    a.command = std::bit_cast<nvme::connect_command>(r.command);
    bdev::copy_out(reinterpret_cast<std::byte*>(&a.data), r.data(), sizeof a.data);
    a.connection = r.qpair;
    a.granted_entries = q.sq_entries;
    a.transport_name = q.transport_name();
    a.by = q.port;
    a.local = q.local_address();
    a.peer = q.peer_address();
    a.proved = q.identity_of(a.hostnqn(), a.subnqn());
    return a;
}

/// Why this host is not let in; nullptr: it is. A host that has a key comes in with it or not at all, by whichever port
/// and fabric: any client could claim that name otherwise.
const char* host_refusal(const connect_request& a, const subsystem& s) {
    if (a.proved == host_identity::another)
        return "its TLS identity belongs to another host or subsystem";
    if (a.hostnqn().empty() && !s.access().allow_any_host())
        return "it sent no host NQN, and the subsystem allows listed hosts only";
    if (!s.access().allows(a.hostnqn()))
        return "it is not an allowed host: add it with nvmf_subsystem_add_host";
    if (a.proved == host_identity::proven)
        return nullptr;
    if (a.by && a.by->options.secure_channel)
        return "it is not authenticated, and the listener requires a secure channel";
    if (s.access().has_psk(a.hostnqn()))
        return "it has a key and did not prove it: use a listener with a secure channel, or add it without a key";
    return nullptr;
}

std::optional<connect_result> size_refusal(const connect_request& a, const transport_options& fabric) {
    const std::uint32_t entries = a.command.sqsize + 1u;
    const std::uint32_t most = std::min<std::uint32_t>(a.qid() == 0 ? fabric.max_aq_depth : fabric.max_queue_depth,
                                                       a.granted_entries ? a.granted_entries : ~0u);
    if (entries >= 2 && entries <= most)
        return {};
    return bad_command(at_sqsize, fmt::format("its queue has {} entries, 2 to {} are allowed", entries, most));
}

/// What is checked of both kinds of queue; nothing: it is good.
std::optional<connect_result> refusal(const connect_request& a, subsystem* s, const transport& fabric) {
    if (!nvme::usable_host_nqn(a.subnqn()))
        return bad_data(at_subnqn, "its subsystem NQN is not 1 to 223 bytes of printable UTF-8");
    // Some hosts give none; that is not a host NQN, and is accepted by subsystems that allow any host.
    if (!a.hostnqn().empty() && !nvme::usable_host_nqn(a.hostnqn()))
        return bad_data(at_hostnqn, "its NQN is not 1 to 223 bytes of printable UTF-8");
    if (!s || s->closing())
        return bad_data(at_subnqn, s ? "the subsystem is being deleted" : "there is no such subsystem");
    if (!s->listeners().admit(a.by.get()))
        return bad_data(at_subnqn, fmt::format("the subsystem has no listener at {}", a.local.text()));
    if (const char* const why = host_refusal(a, *s))
        return a.hostnqn().empty() ? bad_data(at_hostnqn, why) : refused_with(nvme::sc::connect_invalid_host, why);
    return size_refusal(a, fabric.options());
}

connect_result admit(const connect_request& a, std::shared_ptr<controller> c) {
    c->attach({a.connection, a.qid(), qpair::state::enabled, a.local, a.peer, a.by});
    const bool must_authenticate = c->subsystem().access().has_dhchap_key(c->host_nqn());
    if (must_authenticate)
        c->require_authentication(*a.connection);
    const std::uint32_t dw0 = nvme::connect_success_dw0(c->cntlid(), must_authenticate ? nvme::authreq_in_band : 0);
    return {{}, dw0, std::move(c), {}, must_authenticate};
}

connect_result admit_admin(const connect_request& a, subsystem& s, transport& fabric) {
    if (a.data.cntlid != nvme::cntlid_dynamic)
        return bad_data(at_cntlid, "it asks for a specific controller, and all controllers are dynamic");
    std::unique_ptr<discovery_log::reader> reader;
    if (s.is_discovery()) {
        const port at = a.by ? *a.by : port{.at = a.local};
        auto admitted = s.target().discovery_log->admit(std::string(a.hostnqn()), at, a.local, a.peer);
        if (!admitted)
            return refused_with(nvme::sc::connect_controller_busy, admitted.error().text());
        reader = std::move(*admitted);
    }
    const auto c = s.controllers().make(fabric, a.connection->home(), std::string(a.hostnqn()), std::string(a.subnqn()),
                                        std::to_array(a.data.hostid), a.proved);
    if (!c)
        return refused_with(nvme::sc::connect_controller_busy, "the subsystem has no free controller identifier");
    core::log::info("{}: {} connects from {} as controller {:#06x}", s.nqn(), a.hostnqn(), a.peer.text(), c->cntlid());
    c->read_discovery_log(std::move(reader));
    if (const listener* const by = s.listeners().of(a.by.get()); by && by->ana)
        c->read_ana_states(by->ana);
    c->set_kato(a.command.kato);
    return admit(a, c);
}

std::optional<connect_result> io_refusal(const connect_request& a, const controller& c) {
    if (a.hostnqn() != c.host_nqn())
        return bad_data(at_hostnqn, "the controller is another host's");
    if (std::to_array(a.data.hostid) != c.host_id())
        return bad_data(at_hostid, "the controller belongs to another host identifier");
    if (a.proved != c.proved_identity())
        return refused_with(nvme::sc::connect_invalid_host,
                            "of this queue and its admin queue, only one uses a secure channel");
    if (a.transport_name != c.fabric().trtype())
        return bad_data(at_cntlid, "its controller uses another transport");
    // ANA states are those of a listener.
    if (const controller::queue* const admin = c.find_queue(0); c.ana() && (!admin || admin->by != a.by))
        return bad_command(at_qid, "it came by another listener than its admin queue");
    if (!c.ready())
        return bad_command(at_qid, "its controller is not enabled");
    if (const std::uint16_t most = c.fabric().options().max_io_qpairs_per_ctrlr; a.qid() > most)
        return bad_command(at_qid, fmt::format("its controller has at most {} I/O queues", most));
    return {};
}

core::task<connect_result> admit_io(const connect_request& a, subsystem& s) {
    if (s.is_discovery())
        co_return bad_command(at_qid, "discovery has no I/O queues");
    const auto found = s.controllers().all().find(a.data.cntlid);
    if (found == s.controllers().all().end())
        co_return bad_data(at_cntlid, fmt::format("there is no controller {:#06x}", a.data.cntlid.value()));
    const std::shared_ptr<controller> c = found->second;
    // A host that has reset its queue may be here again before its old connection is off our books.
    const bool is_free = co_await c->lacks_queue(a.qid(), 100ms);
    if (auto refused = io_refusal(a, *c))
        co_return std::move(*refused);
    if (!is_free)
        // Not final: the old queue may be going.
        co_return refused_with({nvme::sc::command_sequence_error, at_qid}, "the controller already has this queue");
    co_return admit(a, c);
}

core::task<connect_result> decide(const connect_request& a, target& t) {
    subsystem* s = t.find_for_host(a.subnqn());
    transport* fabric = t.find_transport(a.transport_name);
    if (!fabric)
        co_return bad_command(at_sqsize, "its transport was removed");
    if (auto refused = refusal(a, s, *fabric))
        co_return std::move(*refused);
    if (a.qid() == 0)
        co_return admit_admin(a, *s, *fabric);
    const auto hold = s->shared_from_this();
    co_return co_await admit_io(a, *s);
}

void install(qpair& on, const connect_request& a, std::shared_ptr<controller> c, bool must_authenticate) {
    qpair_target_side& q = side_of(on);
    q.qid = a.qid();
    q.sq_flow_control = !(a.command.cattr & nvme::cattr_disable_sq_flow_control);
    q.max_io_bytes = c->fabric().options().max_io_size;
    q.subsystem = &c->subsystem();
    q.host_number = c->host_number();
    q.controller = std::move(c);
    (q.qid == 0 ? q.counters->admin_qpairs : q.counters->io_qpairs).add();
    (q.qid == 0 ? q.counters->current_admin_qpairs : q.counters->current_io_qpairs).add();
    // A connection that has been lost meanwhile gets its controller all the same: detach() takes it out
    // again.
    if (q.phase == qpair::state::disconnecting)
        return;
    q.phase = qpair::state::enabled;
    if (must_authenticate)
        q.must_authenticate = true;
    else
        enable_commands(on);
}

core::task<> connect(request& r) {
    qpair_target_side& q = side_of(*r.qpair);
    target& t = *q.target;
    q.connect_runs = true;
    q.counters->current_unassociated_qpairs.add();
    const connect_request a = read(r);

    q.control_queue.come_from(t.addresses_of_hosts(), a.peer.traddr);
    co_await core::background_turn(t.group().control(), q.control_queue);  // after a restart hosts come by the thousand
    core::reactor::current()->spend(us_of_a_connect);
    connect_result given = co_await decide(a, t);
    CAUSEWAY_TRACE(trace_commands, "{}: queue {} of host '{}' from {}: Connect {}{}", a.subnqn(), a.qid(), a.hostnqn(),
                   a.peer.text(), given.owner ? "accepted" : "refused: ", given.why);
    if (!given.owner) {
        q.control_queue.leave_party();
        core::log::peer_report(refusals, core::log::event::connect_refused,
                               {{"subsystem", a.subnqn()}, {"host", a.hostnqn()}, {"address", a.peer.text()}},
                               "{}: rejecting queue {} of host '{}' from {}: {}", a.subnqn(), a.qid(), a.hostnqn(),
                               a.peer.text(), given.why);
    }
    co_await core::switch_to(r.qpair->home());

    q.counters->current_unassociated_qpairs.sub();
    q.connect_runs = false;
    r.completion.dw0 = given.dw0;
    if (given.owner)
        install(*r.qpair, a, std::move(given.owner), given.must_authenticate);
    finish_logged(r, given.result);
}

}  // namespace

void run_connect(request& r) noexcept {
    core::detach(connect(r));
}

}  // namespace causeway::nvmf
