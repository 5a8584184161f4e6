// SPDX-License-Identifier: Apache-2.0
#include "nvmf/testing/target_fixture.h"

#include <algorithm>
#include <fmt/format.h>

namespace causeway::nvmf::test {

// ---- The fabric.

void fake_qpair::respond(request& r) noexcept {
    auto& c = static_cast<capsule&>(r);
    EXPECT_EQ(core::reactor::current(), &home());
    EXPECT_FALSE(c.held);
    ++c.answers;
    c.answered = true;
    connection_.order.push_back(c.command.cid);
}

void fake_qpair::resume(request& r) noexcept {
    auto& c = static_cast<capsule&>(r);
    EXPECT_EQ(core::reactor::current(), &home());
    EXPECT_TRUE(c.deferred);
    c.deferred = false;
    connection_.on_begun(c, {});
}

void fake_qpair::disconnect(disconnect_reason why) noexcept {
    EXPECT_EQ(core::reactor::current(), &home());
    if (!connection_.closed)
        connection_.closed = why;
    if (!std::exchange(connection_.parting_, true))
        core::detach(connection_.part());
}

bool fake_qpair::abort_waiting(std::uint16_t cid) noexcept {
    for (const auto& c : connection_.capsules) {
        if ((c->held || c->deferred) && c->command.cid == cid) {
            c->held = c->deferred = false;
            connection_.of.target.abandon(*c);
            c->set_status(sc::aborted_by_request);
            c->answered = true;
            ++c->answers;
            return true;
        }
    }
    return false;
}

transport_address fake_qpair::peer_address() const {
    return {"FAKE", "IPv4", connection_.from, "1234"};
}

transport_address fake_qpair::local_address() const {
    return connection_.at;
}

connection::connection(nvmf_fixture& w, core::reactor& home, transport_address at)
    : of(w), home(home), at(std::move(at)), from(w.hosts_come_from), qpair(std::make_unique<fake_qpair>(home, *this)) {
    qpair->port = w.fabric->port_at(this->at);
}

capsule& connection::send(nvme::command command, bytes data) {
    capsules.push_back(std::make_unique<capsule>());
    capsule& c = *capsules.back();
    c.of = this;
    c.command = command;
    c.command.cid = next_cid_++;
    c.data = std::move(data);
    home.execute([this, &c] { arrive(c); });
    return c;
}

void connection::arrive(capsule& c) {
    if (parting_ || gone)
        return;
    c.qpair = qpair.get();
    on_begun(c, of.target.begin(c));
}

void connection::on_begun(capsule& c, status s) {
    if (s == deferred) {
        c.deferred = true;
        return;
    }
    if (!s.ok()) {
        c.set_status(s);
        c.refused = true;
        c.answered = true;
        ++c.answers;
        order.push_back(c.command.cid);
        return;
    }
    if (c.length != c.data.size()) {  // as a transport that compares with the SGL
        if (c.transfer == transfer::from_host) {
            of.target.abandon(c);
            c.set_status(sc::data_sgl_length_invalid);
            c.answered = true;
            ++c.answers;
            return;
        }
        c.data.resize(c.length);
    }
    // In three pieces, to detect code that relies on one.
    const std::size_t third = c.data.size() / 3;
    c.segments[0] = {c.data.data(), third};
    c.segments[1] = {c.data.data() + third, third};
    c.segments[2] = {c.data.data() + 2 * third, c.data.size() - 2 * third};
    c.segment_count = 3;
    if (hold)
        c.held = true;
    else
        of.target.execute(c);
}

void connection::execute_held(capsule& c) {
    home.execute([this, &c] {
        if (std::exchange(c.held, false) && !parting_)
            of.target.execute(c);
    });
}

capsule& connection::call(nvme::command command, bytes data) {
    capsule& c = send(command, std::move(data));
    EXPECT_TRUE(of.until([&] { return c.answered; }));
    return c;
}

void connection::drop() {
    home.execute([this] {
        if (qpair)
            qpair->disconnect(disconnect_reason::host_asked);
    });
}

core::task<> connection::part() {
    co_await core::yield();
    for (const auto& c : capsules)
        if ((std::exchange(c->held, false) && abandons) || std::exchange(c->deferred, false))
            of.target.abandon(*c);
    co_await of.target.detach(*qpair);
    EXPECT_EQ(core::reactor::current(), &home);
    qpair.reset();
    gone = true;
}

host_identity fake_qpair::identity_of(std::string_view hostnqn, std::string_view subnqn) const {
    if (connection_.proves.empty())
        return host_identity::unproven;
    return connection_.proves == fmt::format("{} {}", hostnqn, subnqn) ? host_identity::proven : host_identity::another;
}

core::task<core::result<>> fake_transport::listen(std::shared_ptr<const port> at) {
    co_await core::sleep_for(std::chrono::microseconds(50));
    if (at->at.traddr == "in use")
        co_return core::fail(EADDRINUSE, at->at.text());
    EXPECT_EQ(std::count(listening.begin(), listening.end(), at->at), 0);
    listening.push_back(at->at);
    ports.push_back(std::move(at));
    co_return core::result<>();
}

core::task<> fake_transport::stop_listening(std::shared_ptr<const port> at) {
    co_await core::sleep_for(std::chrono::microseconds(50));
    EXPECT_EQ(std::erase(listening, at->at), 1u);
    EXPECT_EQ(std::erase(ports, at), 1u);
}

/// As sockets have it: the address itself, or all of its family.
std::shared_ptr<const port> fake_transport::port_at(const transport_address& a) const {
    for (const std::string& traddr : {a.traddr, std::string(a.adrfam == "IPv6" ? "::" : "0.0.0.0")})
        for (const auto& p : ports)
            if (p->at == transport_address{a.trtype, a.adrfam, traddr, a.trsvcid})
                return p;
    return nullptr;
}

core::result<> fake_transport::subsystem_add_host(const std::string& subnqn, const std::string& hostnqn,
                                                  std::string_view key) {
    if (key == "no key")
        return core::fail(EINVAL, "it is none");
    admitted[hostnqn + " " + subnqn] = key;
    return {};
}

void fake_transport::subsystem_remove_host(const std::string& subnqn, const std::string& hostnqn) noexcept {
    admitted.erase(hostnqn + " " + subnqn);
}

core::task<> fake_transport::stop() {
    stopped = true;
    co_return;
}

// ---- Commands.

nvme::command command(std::uint8_t opcode, std::uint32_t nsid) {
    nvme::command c{};
    c.opcode = opcode;
    c.flags = nvme::to_underlying(nvme::psdt::sgl) << 6;
    c.nsid = nsid;
    return c;
}

nvme::command admin(nvme::admin_opcode opcode, std::uint32_t nsid) {
    return command(nvme::to_underlying(opcode), nsid);
}

nvme::command io(nvme::io_opcode opcode, std::uint32_t nsid, std::uint64_t slba, std::uint32_t blocks) {
    nvme::command c = command(nvme::to_underlying(opcode), nsid);
    nvme::set_block_range(c, slba, blocks);
    return c;
}

nvme::command fused(nvme::command c, nvme::fuse f) {
    c.flags = static_cast<std::uint8_t>(c.flags | nvme::to_underlying(f));
    return c;
}

nvme::command property_get(nvme::property p) {
    nvme::property_get_command c{};
    c.opcode = nvme::fabrics_opcode;
    c.type = nvme::to_underlying(nvme::fctype::property_get);
    c.attrib = nvme::property_bytes(p) == 8 ? 1 : 0;
    c.ofst = nvme::to_underlying(p);
    return std::bit_cast<nvme::command>(c);
}

nvme::command property_set(nvme::property p, std::uint64_t value) {
    nvme::property_set_command c{};
    c.opcode = nvme::fabrics_opcode;
    c.type = nvme::to_underlying(nvme::fctype::property_set);
    c.attrib = nvme::property_bytes(p) == 8 ? 1 : 0;
    c.ofst = nvme::to_underlying(p);
    c.value = value;
    return std::bit_cast<nvme::command>(c);
}

nvme::command identify(nvme::cns cns, std::uint32_t nsid) {
    nvme::command c = admin(nvme::admin_opcode::identify, nsid);
    c.cdw10 = nvme::to_underlying(cns);
    return c;
}

nvme::command get_log_page(nvme::lid lid, std::uint32_t length, std::uint64_t offset, bool rae) {
    nvme::command c = admin(nvme::admin_opcode::get_log_page);
    const std::uint32_t numd = length / 4 - 1;
    c.cdw10 = nvme::to_underlying(lid) | (rae ? 1u << 15 : 0) | numd << 16;
    c.cdw11 = numd >> 16;
    c.cdw12 = static_cast<std::uint32_t>(offset);
    c.cdw13 = static_cast<std::uint32_t>(offset >> 32);
    return c;
}

nvme::command set_features(nvme::fid fid, std::uint32_t value, std::uint32_t nsid) {
    nvme::command c = admin(nvme::admin_opcode::set_features, nsid);
    c.cdw10 = nvme::to_underlying(fid);
    c.cdw11 = value;
    return c;
}

nvme::command get_features(nvme::fid fid, nvme::feature_select select) {
    nvme::command c = admin(nvme::admin_opcode::get_features);
    c.cdw10 = nvme::to_underlying(fid) | std::uint32_t{nvme::to_underlying(select)} << 8;
    return c;
}

nvme::command abort(std::uint16_t sqid, std::uint16_t cid) {
    nvme::command c = admin(nvme::admin_opcode::abort);
    c.cdw10 = std::uint32_t{cid} << 16 | sqid;
    return c;
}

nvme::command connect(std::uint16_t qid, std::uint16_t sqsize, std::uint32_t kato_ms) {
    nvme::connect_command c{};
    c.opcode = nvme::fabrics_opcode;
    c.type = nvme::to_underlying(nvme::fctype::connect);
    c.qid = qid;
    c.sqsize = sqsize;
    c.kato = kato_ms;
    return std::bit_cast<nvme::command>(c);
}

nvme::connect_data connect_data(std::string_view subnqn, std::string_view hostnqn, std::uint16_t cntlid) {
    nvme::connect_data d{};
    std::fill(std::begin(d.hostid), std::end(d.hostid), hostnqn.empty() ? 0 : hostnqn.back());
    d.cntlid = cntlid;
    std::copy(subnqn.begin(), subnqn.end(), d.subnqn);
    std::copy(hostnqn.begin(), hostnqn.end(), d.hostnqn);
    return d;
}

// ---- The fixture.

nvmf_fixture::nvmf_fixture(std::uint64_t seed, std::size_t cores, target_options options)
    : sim(seed, cores), homes(sim.group()), devices(sim.group()), target(homes, devices, options) {
    auto t = std::make_unique<fake_transport>();
    fabric = t.get();
    EXPECT_TRUE(target.add_transport(std::move(t)));
}

nvmf_fixture::~nvmf_fixture() {
    for (const auto& c : connections)
        c->drop();
    run(target.shutdown());
    EXPECT_TRUE(
        until([&] { return std::all_of(connections.begin(), connections.end(), [](auto& c) { return c->gone; }); }));
    while (!devices.all().empty())
        EXPECT_TRUE(run(devices.remove(devices.all().back()->name())));
    EXPECT_TRUE(sim.run_until_idle()) << "something still runs that has no end";
    for (const auto& c : connections)
        for (const auto& sent : c->capsules)
            EXPECT_LE(sent->answers, 1u) << "cid " << sent->command.cid << " was answered more than once";
}

void nvmf_fixture::run(core::task<> t) {
    bool done = false;
    sim.group().control().execute([&] {
        core::detach([](core::task<> t, bool& done) -> core::task<> {
            co_await std::move(t);
            done = true;
        }(std::move(t), done));
    });
    EXPECT_TRUE(sim.run_until([&] { return done; }));
}

void nvmf_fixture::at_control(std::function<void()> f) {
    bool done = false;
    sim.group().control().execute([&] {
        f();
        done = true;
    });
    EXPECT_TRUE(sim.run_until([&] { return done; }));
}

std::shared_ptr<bdev::memory_device> nvmf_fixture::make_memory(std::string name, std::uint64_t blocks) {
    bdev::device_geometry g;
    g.block_size = 512;
    g.blocks = blocks;
    auto d = bdev::memory_device::create(sim[sim.group().size() - 1], name, g, bdev::uuid_of_name(name));
    EXPECT_TRUE(d);
    EXPECT_TRUE(devices.add(*d));
    return *d;
}

std::shared_ptr<bdev::fault_device> nvmf_fixture::make_faulty(std::string name) {
    auto base = make_memory(name + "_base");
    std::shared_ptr<bdev::fault_device> made;
    at_control([&] {
        auto d = bdev::fault_device::create(name, base, bdev::uuid_of_name(name));
        EXPECT_TRUE(d);
        made = *d;
        EXPECT_TRUE(devices.add(made));
    });
    return made;
}

subsystem& nvmf_fixture::make_subsystem(std::string nqn) {
    subsystem_options o;
    o.nqn = std::move(nqn);
    o.allow_any_host = true;
    auto s = run(target.create_subsystem(o));
    EXPECT_TRUE(s);
    EXPECT_TRUE(run((*s)->listeners().add(here)));
    return **s;
}

std::uint32_t nvmf_fixture::add(subsystem& s, std::string bdev, std::uint32_t nsid) {
    namespace_params p;
    p.bdev_name = std::move(bdev);
    p.nsid = nsid;
    auto added = run(s.namespaces().add(std::move(p)));
    EXPECT_TRUE(added) << added.error().text();
    return added.value_or(0);
}

connection& nvmf_fixture::connect_to(std::size_t core, transport_address at) {
    connections.push_back(std::make_unique<connection>(*this, sim[core % sim.group().size()], std::move(at)));
    return *connections.back();
}

host nvmf_fixture::make_host(std::string nqn, unsigned io_queues, std::string subnqn, std::uint32_t kato_ms) {
    host h;
    h.nqn = nqn;
    h.admin = &connect_to(connections.size(), hosts_connect_to);
    const capsule& c = h.admin->call(connect(0, 31, kato_ms), raw(connect_data(subnqn, nqn)));
    EXPECT_EQ(c.status(), sc::success) << nvme::to_string(c.status());
    h.cntlid = static_cast<std::uint16_t>(c.dw0());
    enable(h);
    for (unsigned i = 0; i < io_queues; ++i) {
        h.queues.push_back(&connect_to(connections.size(), hosts_connect_to));
        const capsule& q = h.queues.back()->call(connect(static_cast<std::uint16_t>(i + 1), 127),
                                                 raw(connect_data(subnqn, nqn, h.cntlid)));
        EXPECT_EQ(q.status(), sc::success) << nvme::to_string(q.status());
    }
    return h;
}

void nvmf_fixture::enable(host& h) {
    h.admin->call(property_set(nvme::property::cc, nvme::cc().set_iosqes(6).set_iocqes(4).set_en(true).value));
    EXPECT_TRUE(h.csts().rdy());
}

}  // namespace causeway::nvmf::test
