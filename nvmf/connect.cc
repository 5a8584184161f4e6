// Connect: who may come in, by which door, and what of. NVMe over Fabrics 1.1, "Connect Command".
//
// Begins on the qpair's core, decides on the control reactor, and comes back to install and to answer.

#include "nvme/fabrics.h"

#include "core/log.h"
#include "nvme/nqn.h"
#include "nvmf/admin_commands.h"
#include "nvmf/controller.h"
#include "nvmf/core_counters.h"
#include "nvmf/discovery.h"
#include "nvmf/subsystem.h"
#include "nvmf/target.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace causeway::nvmf {

using namespace std::chrono_literals;

namespace {

core::log::limiter refusals;

constexpr unsigned us_of_a_connect = 8;  ///< on the control reactor

/// What the host asks for, and how it came here.
struct application {
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
struct admission {
    verdict result{};
    std::uint32_t dw0 = 0;
    std::shared_ptr<controller> owner{};  ///< nullptr: it is refused
    std::string why{};                    ///< for the log, where it is
};

// What may be different at the next try, when the gateway has been told of a subsystem or a host, is not
// final: a host that saw Do Not Retry would give up on a gateway that is just starting.

admission bad_command(unsigned at, std::string why) {
    return {{nvme::sc::connect_invalid_parameters, at},
            nvme::connect_invalid_dw0(nvme::iattr::command, static_cast<std::uint16_t>(at)),
            nullptr,
            std::move(why)};
}

admission bad_data(unsigned at, std::string why) {
    return {nvme::sc::connect_invalid_parameters,
            nvme::connect_invalid_dw0(nvme::iattr::data, static_cast<std::uint16_t>(at)), nullptr, std::move(why)};
}

admission refused_with(verdict result, std::string why) {
    return {result, 0, nullptr, std::move(why)};
}

constexpr unsigned at_qid = offsetof(nvme::connect_command, qid);
constexpr unsigned at_sqsize = offsetof(nvme::connect_command, sqsize);
constexpr unsigned at_hostid = offsetof(nvme::connect_data, hostid);
constexpr unsigned at_cntlid = offsetof(nvme::connect_data, cntlid);
constexpr unsigned at_subnqn = offsetof(nvme::connect_data, subnqn);
constexpr unsigned at_hostnqn = offsetof(nvme::connect_data, hostnqn);

application read(const request& r) {
    const qpair& q = *r.qpair;
    application a{};
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
/// and fabric: anybody could call itself so otherwise.
const char* host_refusal(const application& a, const subsystem& s) {
    if (a.proved == host_identity::another)
        return "its TLS identity belongs to another host or subsystem";
    if (a.hostnqn().empty() && !s.allow_any_host())
        return "it gives no host name, and the subsystem lets hosts in by name";
    if (!s.allows(a.hostnqn()))
        return "it is not on the list of hosts: add it with nvmf_subsystem_add_host";
    if (a.proved == host_identity::proven)
        return nullptr;
    if (a.by && a.by->options.secure_channel)
        return "it has proved nothing where a secure channel is required";
    if (s.has_key(a.hostnqn()))
        return "it has a key and did not prove it: connect it by a secured listener, or add it without a key";
    return nullptr;
}

std::optional<admission> size_refusal(const application& a, const transport_options& fabric) {
    const std::uint32_t entries = a.command.sqsize + 1u;
    const std::uint32_t most = std::min<std::uint32_t>(a.qid() == 0 ? fabric.max_aq_depth : fabric.max_queue_depth,
                                                       a.granted_entries ? a.granted_entries : ~0u);
    if (entries >= 2 && entries <= most)
        return {};
    return bad_command(at_sqsize, fmt::format("its queue has {} entries, 2 to {} are possible", entries, most));
}

/// What is checked of both kinds of queue; nothing: it is good.
std::optional<admission> refusal(const application& a, subsystem* s, const transport& fabric) {
    if (!nvme::usable_host_nqn(a.subnqn()))
        return bad_data(at_subnqn, "the name of its subsystem is not 1 to 223 bytes of printable UTF-8");
    // Some hosts give none; that is no name of theirs, and does for subsystems that let anybody in.
    if (!a.hostnqn().empty() && !nvme::usable_host_nqn(a.hostnqn()))
        return bad_data(at_hostnqn, "its name is not 1 to 223 bytes of printable UTF-8");
    if (!s || s->closing())
        return bad_data(at_subnqn, s ? "the subsystem is being deleted" : "there is no such subsystem");
    if (!s->is_behind(a.by.get()))
        return bad_data(at_subnqn, fmt::format("the subsystem has no listener at {}", a.local.text()));
    if (const char* const why = host_refusal(a, *s))
        return a.hostnqn().empty() ? bad_data(at_hostnqn, why) : refused_with(nvme::sc::connect_invalid_host, why);
    return size_refusal(a, fabric.options());
}

admission admit(const application& a, std::shared_ptr<controller> c) {
    c->attach({a.connection, a.qid(), qpair::state::enabled, a.local, a.peer, a.by});
    return {{}, nvme::connect_success_dw0(c->cntlid()), std::move(c), {}};
}

admission admit_admin(const application& a, subsystem& s, transport& fabric) {
    if (a.data.cntlid != nvme::cntlid_dynamic)
        return bad_data(at_cntlid, "it asks for a certain controller, and all of them are dynamic");
    std::unique_ptr<discovery_log::reader> reader;
    if (s.is_discovery()) {
        const port at = a.by ? *a.by : port{.at = a.local};
        auto admitted = s.owner().discovery_log().admit(std::string(a.hostnqn()), at, a.local, a.peer);
        if (!admitted)
            return refused_with(nvme::sc::connect_controller_busy, admitted.error().text());
        reader = std::move(*admitted);
    }
    const auto c = s.make_controller(fabric, a.connection->home(), std::string(a.hostnqn()),
                                     std::to_array(a.data.hostid), a.proved);
    if (!c)
        return refused_with(nvme::sc::connect_controller_busy, "all controller identifiers of the subsystem are taken");
    core::log::info("{}: {} connects from {} as controller {:#06x}", s.nqn(), a.hostnqn(), a.peer.text(), c->cntlid());
    c->read_discovery_log(std::move(reader));
    c->set_kato(a.command.kato);
    return admit(a, c);
}

std::optional<admission> io_refusal(const application& a, const controller& c) {
    if (a.hostnqn() != c.host_nqn())
        return bad_data(at_hostnqn, "the controller is another host's");
    if (std::to_array(a.data.hostid) != c.host_id())
        return bad_data(at_hostid, "the controller was made with another host identifier");
    if (a.proved != c.proved_identity())
        return refused_with(nvme::sc::connect_invalid_host,
                            "of it and the admin queue of its controller, only one has come by a secure channel");
    if (a.transport_name != c.fabric().trtype())
        return bad_data(at_cntlid, "its controller has been made over another fabric");
    if (!c.ready())
        return bad_command(at_qid, "its controller is not enabled");
    if (const std::uint16_t most = c.fabric().options().max_io_qpairs_per_ctrlr; a.qid() > most)
        return bad_command(at_qid, fmt::format("its controller has at most {} I/O queues", most));
    return {};
}

core::task<admission> admit_io(const application& a, subsystem& s) {
    if (s.is_discovery())
        co_return bad_command(at_qid, "discovery has no I/O queues");
    const auto found = s.controllers().find(a.data.cntlid);
    if (found == s.controllers().end())
        co_return bad_data(at_cntlid, fmt::format("there is no controller {:#06x}", a.data.cntlid.value()));
    const std::shared_ptr<controller> c = found->second;
    // A host that has reset its queue may be here again before its old connection is off our books.
    const bool is_free = co_await c->lacks_queue(a.qid(), 100ms);
    if (auto refused = io_refusal(a, *c))
        co_return std::move(*refused);
    if (!is_free)
        // Not final: the old queue may be going.
        co_return refused_with({nvme::sc::command_sequence_error, at_qid}, "there is such a queue");
    co_return admit(a, c);
}

core::task<admission> decide(const application& a, target& t) {
    subsystem* s = t.find_subsystem(a.subnqn());
    transport* fabric = t.find_transport(a.transport_name);
    if (!fabric)
        co_return bad_command(at_sqsize, "its transport is gone");
    if (auto refused = refusal(a, s, *fabric))
        co_return std::move(*refused);
    if (a.qid() == 0)
        co_return admit_admin(a, *s, *fabric);
    const auto hold = s->shared_from_this();
    co_return co_await admit_io(a, *s);
}

void install(qpair& q, const application& a, std::shared_ptr<controller> c) {
    subsystem& s = c->subsystem();
    q.qid = a.qid();
    q.sq_flow_control = !(a.command.cattr & nvme::cattr_disable_sq_flow_control);
    q.max_io_bytes = c->fabric().options().max_io_size;
    q.subsystem = &s;
    q.host_number = c->host_number();
    q.controller = std::move(c);
    (q.qid == 0 ? q.counters->admin_qpairs : q.counters->io_qpairs).add();
    (q.qid == 0 ? q.counters->current_admin_qpairs : q.counters->current_io_qpairs).add();
    // A connection that has been lost meanwhile gets its controller all the same: detach() takes it out
    // again.
    if (q.phase == qpair::state::disconnecting)
        return;
    q.phase = qpair::state::enabled;
    if (q.qid != 0)
        q.namespaces = &s.table(q.home().index());
}

core::task<> connect(request& r) {
    qpair& q = *r.qpair;
    target& t = *q.target;
    q.connect_runs = true;
    q.counters->current_unassociated_qpairs.add();
    const application a = read(r);

    q.control_queue.come_from(t.addresses_of_hosts(), a.peer.traddr);
    co_await core::background_turn(t.group().control(), q.control_queue);  // after a restart hosts come by the thousand
    core::reactor::current()->spend(us_of_a_connect);
    admission given = co_await decide(a, t);
    if (!given.owner) {
        q.control_queue.leave_party();
        core::log::peer_warning(refusals, "{}: rejecting queue {} of host '{}' from {}: {}", a.subnqn(), a.qid(),
                                a.hostnqn(), a.peer.text(), given.why);
    }
    co_await core::switch_to(q.home());

    q.counters->current_unassociated_qpairs.sub();
    q.connect_runs = false;
    r.completion.dw0 = given.dw0;
    if (given.owner)
        install(q, a, std::move(given.owner));
    finish_noted(r, given.result);
}

}  // namespace

void run_connect(request& r) noexcept {
    core::detach(connect(r));
}

}  // namespace causeway::nvmf
