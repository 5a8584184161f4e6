// SPDX-License-Identifier: Apache-2.0
#include "host/loop/host_controller.h"

#include "host/loop/commands.h"
#include "transport/loop/loop_transport.h"

#include <utility>

namespace causeway::loop {

using namespace std::chrono_literals;

core::error error_of(nvme::status s, std::string_view about) {
    return {EPROTO, std::string(nvme::to_string(s)), std::string(about)};
}

core::task<core::result<>> host_controller::connect(host_options o) {
    auto done = co_await connect_all(std::move(o));
    if (!done)
        co_await disconnect();
    co_return done;
}

core::task<core::result<>> host_controller::connect_all(host_options o) {
    cntlid_ = nvme::cntlid_dynamic;
    io_.clear();
    admin_ = std::make_unique<host_queue>(transport_);
    const auto id = co_await connect_queue(*admin_, o, 0);
    if (!id)
        co_return tl::make_unexpected(id.error());
    cntlid_ = *id;
    if (auto enabled = co_await enable(true); !enabled)
        co_return enabled;
    for (std::uint16_t qid = 1; qid <= o.io_queues; ++qid) {
        io_.push_back(std::make_unique<host_queue>(transport_));
        if (const auto connected = co_await connect_queue(*io_.back(), o, qid); !connected)
            co_return tl::make_unexpected(connected.error());
    }
    co_return core::result<>{};
}

core::task<core::result<std::uint16_t>> host_controller::connect_queue(host_queue& q, const host_options& o,
                                                                       std::uint16_t qid) {
    if (const auto open = co_await q.open(o.at, qid, qid ? o.io_entries : o.admin_entries); !open)
        co_return tl::make_unexpected(open.error());
    connect_parameters p;
    p.subnqn = o.subnqn;
    p.hostnqn = o.hostnqn;
    p.hostid = o.hostid;
    p.qid = qid;
    p.cntlid = cntlid_;
    p.kato_ms = qid ? 0 : o.kato_ms;
    p.sq_flow_control = o.sq_flow_control;
    const nvme::completion answer = co_await q.connect(std::move(p));
    if (!answer.status().ok())
        co_return tl::make_unexpected(error_of(answer.status(), "connect"));
    co_return static_cast<std::uint16_t>(answer.dw0.value() & 0xffff);
}

core::task<> host_controller::disconnect() {
    for (auto& q : io_)
        q->disconnect();
    if (admin_)
        admin_->disconnect();
    for (auto& q : io_)
        co_await q->closed();
    if (admin_)
        co_await admin_->closed();
}

core::task<> host_controller::shut_down() {
    if (const auto cc = co_await property(nvme::property::cc)) {
        const auto asked = nvme::cc{static_cast<std::uint32_t>(*cc)}.set_shn(nvme::cc::shutdown::normal);
        if (co_await set_property(nvme::property::cc, asked.value))
            (void)co_await wait_status([](nvme::csts s) { return s.shst() == nvme::csts::shutdown::complete; });
    }
    co_await disconnect();
}

bool host_controller::alive() const noexcept {
    if (!admin_ || admin_->phase() != host_queue::state::open)
        return false;
    for (const auto& q : io_)
        if (q->phase() != host_queue::state::open)
            return false;
    return true;
}

core::task<core::result<std::uint64_t>> host_controller::property(nvme::property p) {
    const nvme::completion answer = co_await admin_->run(make_property_get(p));
    if (!answer.status().ok())
        co_return tl::make_unexpected(error_of(answer.status(), "property get"));
    co_return answer.result64();
}

core::task<core::result<>> host_controller::set_property(nvme::property p, std::uint64_t value) {
    const nvme::completion answer = co_await admin_->run(make_property_set(p, value));
    if (!answer.status().ok())
        co_return tl::make_unexpected(error_of(answer.status(), "property set"));
    co_return core::result<>{};
}

template <class F>
core::task<core::result<>> host_controller::wait_status(F done) {
    for (int tries = 0; tries < 15'000; ++tries) {
        const auto csts = co_await property(nvme::property::csts);
        if (!csts)
            co_return tl::make_unexpected(csts.error());
        if (done(nvme::csts{static_cast<std::uint32_t>(*csts)}))
            co_return core::result<>{};
        co_await core::sleep_for(1ms);
    }
    co_return core::fail(ETIMEDOUT, "timed out waiting for the controller to become ready", "CSTS");
}

core::task<core::result<>> host_controller::enable(bool on) {
    nvme::cc cc;
    if (on)
        cc.set_en(true).set_iosqes(6).set_iocqes(4);
    if (auto set = co_await set_property(nvme::property::cc, cc.value); !set)
        co_return set;
    co_return co_await wait_status([on](nvme::csts s) { return s.rdy() == on; });
}

core::task<core::result<>> host_controller::identify_into(nvme::command command, void* data) {
    const iovec piece{data, nvme::identify_bytes};
    const nvme::completion answer = co_await admin_->run(command, {&piece, 1});
    if (!answer.status().ok())
        co_return tl::make_unexpected(error_of(answer.status(), "identify"));
    co_return core::result<>{};
}

core::task<core::result<nvme::identify_controller>> host_controller::identify() {
    nvme::identify_controller data{};
    if (const auto done = co_await identify_into(make_identify(nvme::cns::controller), &data); !done)
        co_return tl::make_unexpected(done.error());
    co_return data;
}

core::task<core::result<nvme::identify_namespace>> host_controller::identify_namespace(std::uint32_t nsid) {
    nvme::identify_namespace data{};
    if (const auto done = co_await identify_into(make_identify(nvme::cns::ns, nsid), &data); !done)
        co_return tl::make_unexpected(done.error());
    co_return data;
}

}  // namespace causeway::loop
