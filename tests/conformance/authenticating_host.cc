// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/authenticating_host.h"

#include "host/identity.h"
#include "nvme/make_command.h"

#include <bit>
#include <chrono>
#include <fmt/format.h>
#include <span>

namespace causeway::conformance {

namespace {

using namespace std::chrono_literals;

constexpr unsigned entries = 32;
constexpr auto end_timeout = 10s;
constexpr std::size_t max_message = 2048;

nvme::command auth_command(nvme::fctype type, std::size_t length) {
    nvme::authentication_command c{};
    c.opcode = nvme::fabrics_opcode;
    c.flags = nvme::to_underlying(nvme::psdt::sgl) << 6;
    c.type = nvme::to_underlying(type);
    c.sgl = nvme::sgl_descriptor::transport_data_block(static_cast<std::uint32_t>(length));
    c.spsp0 = c.spsp1 = 1;
    c.secp = nvme::secp_nvme;
    c.length = static_cast<std::uint32_t>(length);
    return std::bit_cast<nvme::command>(c);
}

core::task<nvme::completion> run_on(host::queue_pair& q, nvme::command c, void* data, std::size_t size) {
    const iovec piece{data, size};
    co_return co_await q.run(c, size ? std::span<const iovec>(&piece, 1) : std::span<const iovec>());
}

core::result<> outcome_of(const nvme::completion& c, const char* what) {
    if (c.status().ok())
        return {};
    return core::fail(EPROTO, fmt::format("{}: {}", what, nvme::to_string(c.status())));
}

}  // namespace

authenticating_host::authenticating_host(host::connector& by, names who, std::uint8_t dhgroup)
    : by_(by), who_(std::move(who)), cntlid_(nvme::cntlid_dynamic),
      host_{.hostnqn = who_.hostnqn,
            .subnqn = who_.subnqn,
            .ctrlr_key = std::string(nvmf::test::key_of_disks),
            .dhgroups = {dhgroup}} {}

authenticating_host::~authenticating_host() {
    if (queue_)
        queue_->close();
}

core::task<core::result<>> authenticating_host::connect() {
    const nvme::connect_parameters p{.subnqn = who_.subnqn,
                                     .hostnqn = who_.hostnqn,
                                     .hostid = host::identity_of(who_.hostnqn).hostid,
                                     .qid = qid_,
                                     .cntlid = cntlid_};
    nvme::connect_data data = nvme::make_connect_data(p);
    const nvme::completion c = co_await run_on(*queue_, nvme::make_connect_command(p, entries), &data, sizeof data);
    co_return outcome_of(c, "Connect");
}

core::task<core::result<>> authenticating_host::send(auth::bytes message) {
    const nvme::command command = auth_command(nvme::fctype::authentication_send, message.size());
    const nvme::completion c = co_await run_on(*queue_, command, message.data(), message.size());
    co_return outcome_of(c, "Authentication Send");
}

core::task<core::result<auth::bytes>> authenticating_host::receive() {
    auth::bytes message(max_message);
    const nvme::command command = auth_command(nvme::fctype::authentication_receive, message.size());
    const nvme::completion c = co_await run_on(*queue_, command, message.data(), message.size());
    if (auto done = outcome_of(c, "Authentication Receive"); !done)
        co_return tl::make_unexpected(done.error());
    co_return message;
}

core::task<core::result<>> authenticating_host::reach(auth_stage s) {
    host::queue_pair_options o{.qid = qid_, .cntlid = cntlid_, .depth = entries - 1};
    auto opened = co_await by_.open(o);
    if (!opened)
        co_return tl::make_unexpected(opened.error());
    queue_ = std::move(*opened);
    queue_->on_lost = [this] { lost_.set(); };
    if (s == auth_stage::nothing_sent)
        co_return core::result<>();
    if (auto done = co_await connect(); !done || s == auth_stage::connected)
        co_return done;
    if (s == auth_stage::failed) {
        auto done = co_await send(auth::write_success2(host_.t_id));  // out of order
        co_return done;
    }
    const bool again = s == auth_stage::negotiated_again || s == auth_stage::challenged_again;
    for (int round = again ? 2 : 1; round > 0; --round) {
        const bool last = round == 1;
        if (auto done = co_await send(host_.negotiate()); !done)
            co_return done;
        if (last && (s == auth_stage::negotiated || s == auth_stage::negotiated_again))
            break;
        auto challenge = co_await receive();
        if (!challenge)
            co_return tl::make_unexpected(challenge.error());
        if (!auth::read_challenge(*challenge))
            co_return core::fail(EPROTO, "no Challenge was received");
        challenge_ = std::move(*challenge);
        if (last && (s == auth_stage::challenged || s == auth_stage::challenged_again))
            break;
        if (auto done = co_await send(host_.reply(challenge_)); !done || s == auth_stage::replied)
            co_return done;
        const auto success1 = co_await receive();
        if (!success1)
            co_return tl::make_unexpected(success1.error());
        if (!host_.accepts(*success1))
            co_return core::fail(EPROTO, "the controller does not prove its key");
        if (s == auth_stage::proved)
            break;
        if (auto done = co_await send(host_.success2()); !done)
            co_return done;
    }
    co_return core::result<>();
}

core::task<core::result<nvme::completion>> authenticating_host::send(const row& r, std::vector<std::byte>& data) {
    nvme::command command = r.sqe;
    if (r.message) {
        const auth::bytes message = r.message(host_, challenge_);
        const auto raw = std::as_bytes(std::span(message));
        data.assign(raw.begin(), raw.end());
        command = auth_command(nvme::fctype::authentication_send, message.size());
    }
    const nvme::completion c = co_await run_on(*queue_, command, data.data(), data.size());
    // What ends the connection is answered first.
    if (!queue_->is_open() && c.status().is(nvme::sc::host_pathing_error))
        co_return core::fail(ECONNRESET, "the connection ended without an answer", queue_->trouble());
    co_return c;
}

core::task<core::result<>> authenticating_host::receive_failure1(nvme::auth_explanation expected) {
    const auto message = co_await receive();
    if (!message)
        co_return tl::make_unexpected(message.error());
    const auto told = auth::read_failure(*message);
    if (!told || told->id != nvme::auth_id::failure1)
        co_return core::fail(EPROTO, "no Failure1 was received");
    if (told->explanation != expected)
        co_return core::fail(EPROTO, fmt::format("Failure1 says: {}", auth::to_string(told->explanation)));
    co_return core::result<>();
}

core::task<bool> authenticating_host::ends() {
    if (!queue_->is_open())
        co_return true;
    const bool ended = co_await lost_.wait_for(end_timeout);
    co_return ended;
}

}  // namespace causeway::conformance
