// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/runner.h"

#include "host/identity.h"
#include "nvme/identify.h"
#include "nvme/nqn.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <span>

namespace causeway::conformance {

namespace {

constexpr unsigned entries = 32;

core::task<nvme::completion> run_on(host::queue_pair& q, const row& r, std::vector<std::byte>& data) {
    const iovec piece{data.data(), data.size()};
    co_return co_await q.run(r.sqe, data.empty() ? std::span<const iovec>() : std::span<const iovec>(&piece, 1));
}

/// Empty: the completion is what the row expects.
std::string compare(const row& r, const nvme::completion& c) {
    const nvme::status got = c.status().with_more(false);
    if (!got.is(r.status) || got.dnr() != r.status.dnr())
        return fmt::format("status '{}' instead of '{}'", nvme::to_string(got), nvme::to_string(r.status));
    if (r.dw0 && c.dw0 != *r.dw0)
        return fmt::format("Dword 0 {:#x} instead of {:#x}", c.dw0.value(), *r.dw0);
    return {};
}

std::string place(std::uint16_t location) {
    return location == nvme::parameter_error_location_none
               ? "none"
               : fmt::format("byte {} bit {}", location & 0xff, location >> 8);
}

}  // namespace

core::task<core::result<>> runner::connect() {
    const auto self = host::identity_of(hostnqn_);
    controller_.emplace(by_, host::controller_options{.subnqn = subnqn_,
                                                      .hostnqn = hostnqn_,
                                                      .hostid = self.hostid,
                                                      .io_reactors = {core::reactor::current()},
                                                      .io_depth = entries,
                                                      .kato_ms = 0});
    discovery_.emplace(by_, host::controller_options{.subnqn = std::string(nvme::discovery_nqn),
                                                     .hostnqn = hostnqn_,
                                                     .hostid = self.hostid,
                                                     .io_reactors = {},
                                                     .kato_ms = 0});
    if (auto connected = co_await controller_->connect(); !connected)
        co_return connected;
    auto connected = co_await discovery_->connect();
    if (!connected)
        co_await controller_->disconnect();
    co_return connected;
}

core::task<core::result<target_info>> runner::ask() {
    const auto ns = co_await controller_->identify_namespace(1);
    if (!ns)
        co_return tl::make_unexpected(ns.error());
    const auto& id = controller_->identity();
    target_info t{.subnqn = subnqn_, .hostnqn = hostnqn_};
    t.hostid = host::identity_of(hostnqn_).hostid;
    t.blocks = ns->nsze;
    t.max_blocks = static_cast<std::uint32_t>(controller_->max_data() / block_size);
    t.max_nsid = id.nn;
    t.oncs = id.oncs;
    t.cntlid = controller_->cntlid();
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

core::task<core::result<nvme::completion>> runner::send(const row& r) {
    if (r.on == queue::connection) {
        auto sent = co_await send_first(r);
        co_return std::move(sent);
    }
    host::queue_pair& q = r.on == queue::io ? controller_->io(0) : controller_of(r).admin();
    auto data = r.data;
    const nvme::completion c = co_await run_on(q, r, data);
    if (!q.is_open())
        co_return core::fail(ECONNRESET, "the connection ended", q.trouble());
    co_return c;
}

core::task<std::optional<nvme::error_information_entry>> runner::newest_error() {
    nvme::error_information_entry e{};
    const auto read =
        co_await controller_->log_page(nvme::lid::error_information, 0, std::as_writable_bytes(std::span(&e, 1)));
    if (!read || e.error_count == 0)
        co_return std::nullopt;
    co_return e;
}

core::task<std::string> runner::check(const row& r) {
    const auto before = co_await newest_error();
    const auto answered = co_await send(r);
    if (!answered)
        co_return answered.error().text();
    std::string wrong = compare(r, *answered);
    // A controller's log has what its own queues were sent.
    if (!wrong.empty() || !r.location || r.on == queue::connection || r.on == queue::discovery)
        co_return wrong;
    const auto after = co_await newest_error();
    if (!after || (before && after->error_count == before->error_count))
        co_return "the error log has no entry of it";
    if (after->parameter_error_location != *r.location)
        co_return fmt::format("error location {} instead of {}", place(after->parameter_error_location),
                              place(*r.location));
    co_return wrong;
}

core::task<core::result<>> runner::run(std::function<void(const row&, const std::string&)> on_row) {
    auto connected = co_await connect();
    if (!connected)
        co_return connected;
    const auto info = co_await ask();
    core::result<> result;
    if (!info)
        result = tl::make_unexpected(info.error());
    else
        for (const row& r : all_rows(*info)) {
            const std::string wrong = co_await check(r);
            on_row(r, wrong);
        }
    co_await discovery_->disconnect();
    co_await controller_->disconnect();
    co_return result;
}

}  // namespace causeway::conformance
