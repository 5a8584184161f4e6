// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/runner.h"

#include "host/identity.h"
#include "nvme/identify.h"
#include "nvme/nqn.h"
#include "tests/conformance/authenticating_host.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fmt/format.h>
#include <span>

namespace causeway::conformance {

namespace {

using namespace std::chrono_literals;

constexpr unsigned entries = 32;
constexpr std::uint16_t row_qid = 2;  // of an I/O queue of a row's own
constexpr auto event_timeout = 10s;

core::task<nvme::completion> run_on(host::queue_pair& q, const row& r, std::vector<std::byte>& data) {
    const iovec piece{data.data(), data.size()};
    co_return co_await q.run(r.sqe, data.empty() ? std::span<const iovec>() : std::span<const iovec>(&piece, 1));
}
/// Empty: the completion is what the row expects, and so is what has been
/// received.
std::string compare(const row& r, const nvme::completion& c, std::span<const std::byte> data) {
    const nvme::status got = c.status().with_more(false);
    if (!got.is(r.status) || got.dnr() != r.status.dnr())
        return fmt::format("status '{}' instead of '{}'", nvme::to_string(got), nvme::to_string(r.status));
    if (r.dw0 && c.dw0 != *r.dw0)
        return fmt::format("Dword 0 {:#x} instead of {:#x}", c.dw0.value(), *r.dw0);
    return r.look ? r.look(c, data) : std::string();
}

std::string place(std::uint16_t location) {
    return location == nvme::parameter_error_location_none
               ? "none"
               : fmt::format("byte {} bit {}", location & 0xff, location >> 8);
}

}  // namespace

core::task<core::result<>> runner::connect(std::unique_ptr<host::controller>& to, std::string subnqn, bool io,
                                           std::optional<host::dhchap_credentials> keys) {
    host::controller_options o{.subnqn = std::move(subnqn),
                               .hostnqn = hostnqn_,
                               .hostid = host::identity_of(hostnqn_).hostid,
                               .io_reactors = {},
                               .io_depth = entries,
                               .kato_ms = 0,
                               .dhchap = std::move(keys)};
    if (io)
        o.io_reactors = {core::reactor::current()};
    auto made = std::make_unique<host::controller>(by_, std::move(o));
    auto connected = co_await made->connect();
    if (connected)
        to = std::move(made);
    co_return connected;
}

core::task<core::result<>> runner::connect() {
    if (auto connected = co_await connect(controller_, at_.nqn, true); !connected)
        co_return connected;
    if (auto connected = co_await connect(discovery_, std::string(nvme::discovery_nqn), false); !connected)
        co_return connected;
    if (!at_.ana.empty()) {
        if (auto connected = co_await connect(ana_, at_.ana, true); !connected)
            co_return connected;
        ana_->on_event = [this](std::uint32_t dw0) {
            event_ = dw0;
            ana_changed_.set();
        };
    }
    if (at_.authentication.empty())
        co_return core::result<>();
    auto keys = host::parse_credentials(nvmf::test::key_of_a, nvmf::test::key_of_disks);
    if (!keys)
        co_return tl::make_unexpected(keys.error());
    auto connected = co_await connect(authenticated_, at_.authentication, true, std::move(*keys));
    co_return connected;
}

core::task<> runner::disconnect() {
    for (auto* const c : {&authenticated_, &ana_, &discovery_, &controller_})
        if (*c)
            co_await (*c)->disconnect();
}

core::task<core::result<target_info>> runner::ask() {
    const auto ns = co_await controller_->identify_namespace(1);
    if (!ns)
        co_return tl::make_unexpected(ns.error());
    const auto& id = controller_->identity();
    target_info t{.subnqn = at_.nqn, .hostnqn = hostnqn_};
    t.hostid = host::identity_of(hostnqn_).hostid;
    t.blocks = ns->nsze;
    t.max_blocks = static_cast<std::uint32_t>(controller_->max_data() / block_size);
    t.max_nsid = id.nn;
    t.oncs = id.oncs;
    t.cntlid = controller_->cntlid();
    t.max_copy_sources = ns->msrc + 1u;
    const auto& name = discovery_->identity().subnqn;
    t.discovery_subnqn.assign(name, ::strnlen(name, sizeof name));
    t.has_ana = ana_ != nullptr;
    t.changes_ana = t.has_ana && set_ana_;
    t.ana_subnqn = at_.ana;
    t.has_authentication = authenticated_ != nullptr;
    t.authentication_subnqn = at_.authentication;
    if (authenticated_)
        t.authenticated_cntlid = authenticated_->cntlid();
    co_return t;
}

/// As the first command of a connection, which ends then.
core::task<core::result<nvme::completion>> runner::send_first(const row& r) {
    nvme::connect_data connect{};
    std::memcpy(&connect, r.data.data(), std::min(sizeof connect, r.data.size()));
    host::queue_pair_options o{.qid = r.qid, .depth = entries - 1};
    if (r.qid != 0)  // an RDMA connection request says it, too
        o.cntlid = connect.cntlid;
    auto opened = co_await by_.open(o);
    if (!opened)
        co_return tl::make_unexpected(opened.error());
    auto data = r.data;
    const nvme::completion c = co_await run_on(**opened, r, data);
    (*opened)->close();
    co_return c;
}

host::controller* runner::controller_of(const row& r) noexcept {
    switch (r.on) {
    case queue::admin:
    case queue::io: return controller_.get();
    case queue::discovery: return discovery_.get();
    case queue::ana:
    case queue::ana_io: return ana_.get();
    default: return nullptr;
    }
}

core::task<core::result<nvme::completion>> runner::send(const row& r, bytes& data) {
    host::controller* const c = controller_of(r);
    if (!c) {
        auto sent = co_await send_first(r);
        co_return std::move(sent);
    }
    host::queue_pair& q = r.on == queue::io || r.on == queue::ana_io ? c->io(0) : c->admin();
    const nvme::completion answer = co_await run_on(q, r, data);
    if (!q.is_open())
        co_return core::fail(ECONNRESET, "the connection ended", q.trouble());
    co_return answer;
}

core::task<core::result<>> runner::change_ana(const row& r) {
    ana_changed_.reset();
    for (const ana_change& c : r.before)
        if (auto changed = co_await set_ana_(c); !changed)
            co_return changed;
    if (!r.event)
        co_return core::result<>();
    const bool came = co_await ana_changed_.wait_for(event_timeout);
    if (!came)
        co_return core::fail(ETIMEDOUT, "no event has come");
    if (event_ != *r.event)
        co_return core::fail(EPROTO, fmt::format("an event of Dword 0 {:#x} has come", event_));
    co_return core::result<>();
}

core::task<std::optional<nvme::error_information_entry>> runner::newest_error(host::controller& of) {
    nvme::error_information_entry e{};
    const auto read = co_await of.log_page(nvme::lid::error_information, 0, std::as_writable_bytes(std::span(&e, 1)));
    if (!read || e.error_count == 0)
        co_return std::nullopt;
    co_return e;
}

core::task<std::string> runner::check_answer(const row& r) {
    auto data = r.data;
    const auto answered = co_await send(r, data);
    if (!answered)
        co_return answered.error().text();
    co_return compare(r, *answered, data);
}

core::task<std::string> runner::check(const row& r) {
    if (r.on == queue::authentication || r.on == queue::authentication_io) {
        std::string wrong = co_await check_authentication(r);
        co_return wrong;
    }
    if (!r.before.empty())
        if (const auto changed = co_await change_ana(r); !changed)
            co_return changed.error().text();
    // A controller's log has what its own queues were sent.
    host::controller* const c = controller_of(r);
    if (!r.location || !c || r.on == queue::discovery) {
        std::string wrong = co_await check_answer(r);
        co_return wrong;
    }
    const auto before = co_await newest_error(*c);
    std::string wrong = co_await check_answer(r);
    if (!wrong.empty())
        co_return wrong;
    const auto after = co_await newest_error(*c);
    if (!after || (before && after->error_count == before->error_count))
        co_return "the error log has no entry of it";
    if (after->parameter_error_location != *r.location)
        co_return fmt::format("error location {} instead of {}", place(after->parameter_error_location),
                              place(*r.location));
    co_return wrong;
}

core::task<std::string> runner::check_authentication(const row& r) {
    authenticating_host h(by_, {at_.authentication, hostnqn_}, r.dhgroup);
    if (r.on == queue::authentication_io)
        h.join(authenticated_->cntlid(), row_qid);
    if (const auto reached = co_await h.reach(r.stage); !reached)
        co_return "before the command is sent: " + reached.error().text();
    auto data = r.data;
    const auto answered = co_await h.send(r, data);
    if (!answered)
        co_return answered.error().text();
    if (std::string wrong = compare(r, *answered, data); !wrong.empty())
        co_return wrong;
    if (r.failure1)
        if (const auto told = co_await h.receive_failure1(*r.failure1); !told)
            co_return told.error().text();
    if (!r.ends)
        co_return std::string();
    const bool ended = co_await h.ends();
    co_return ended ? "" : "the connection does not end";
}

core::task<core::result<>> runner::run(std::function<void(const row&, const std::string&)> on_row) {
    auto result = co_await connect();
    if (result) {
        const auto info = co_await ask();
        if (!info)
            result = tl::make_unexpected(info.error());
        else
            for (const row& r : all_rows(*info)) {
                const std::string wrong = co_await check(r);
                on_row(r, wrong);
            }
    }
    co_await disconnect();
    co_return result;
}

}  // namespace causeway::conformance
