// SPDX-License-Identifier: Apache-2.0
#include "host/authentication.h"

#include "nvme/fabrics.h"
#include "wire/auth/diffie_hellman.h"
#include "wire/auth/messages.h"
#include "wire/auth/responses.h"

#include <bit>
#include <fmt/format.h>

namespace causeway::host {

namespace {

nvme::command make_command(nvme::fctype type, std::size_t length) noexcept {
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

core::result<> outcome_of(const queue_pair& q, nvme::status s, std::string_view what) {
    if (s.ok())
        return {};
    if (!q.trouble().empty())
        return core::fail(ECONNRESET, fmt::format("{}: {}", what, q.trouble()));
    return core::fail(EPROTO, fmt::format("{}: {}", what, nvme::to_string(s)));
}

core::task<core::result<>> send(queue_pair& q, auth::bytes message) {
    const iovec piece{message.data(), message.size()};
    const auto answer = co_await q.run(make_command(nvme::fctype::authentication_send, message.size()), {&piece, 1});
    co_return outcome_of(q, answer.status(), "Authentication Send");
}

/// EACCES: it is Failure1.
core::task<core::result<auth::bytes>> receive(queue_pair& q) {
    auth::bytes message(auth::max_message_size);
    const iovec piece{message.data(), message.size()};
    const auto answer = co_await q.run(make_command(nvme::fctype::authentication_receive, message.size()), {&piece, 1});
    if (auto done = outcome_of(q, answer.status(), "Authentication Receive"); !done)
        co_return tl::make_unexpected(std::move(done.error()));
    if (const auto failed = auth::read_failure(message))
        co_return core::fail(EACCES, fmt::format("the controller ends it: {}", auth::to_string(failed->explanation)));
    co_return message;
}

auth::bytes offer(std::uint16_t t_id) {
    auth::negotiate m{.t_id = t_id, .offers_dhchap = true};
    for (const auto h : auth::all_hashes)
        m.hashes.push_back(nvme::to_underlying(h));
    for (const auto g : auth::all_dhgroups)
        m.dhgroups.push_back(nvme::to_underlying(g));
    return auth::write(m);
}

/// What answers a challenge, and the response that the controller has to give.
struct answer {
    auth::reply reply;
    auth::secret expected;  ///< empty: none
};

/// nullopt: the challenge makes no sense.
std::optional<answer> answer_to(const auth::challenge& c, const dhchap_credentials& keys,
                                const authentication_parties& who) {
    const auto hash = auth::hash_of(c.hashid);
    const auto group = auth::dhgroup_of(c.dhgid);
    if (!hash || !group || c.t_id != who.t_id || c.value.size() != auth::size_of(*hash))
        return std::nullopt;
    answer a{.reply = {.t_id = who.t_id}, .expected = {}};
    std::optional<auth::secret> shared;
    if (*group != auth::auth_dhgroup::null) {
        const auto own = auth::ephemeral_key::generate(*group);
        shared = own.shared_secret(c.public_value);
        if (!shared)
            return std::nullopt;
        a.reply.public_value = own.public_value();
    }
    const auto augmented = [&](const auth::bytes& value) {
        return shared ? auth::augmented_challenge(*hash, *shared, value) : auth::secret(value.begin(), value.end());
    };
    const auth::transaction t{*hash, who.t_id, who.hostnqn, who.subnqn};
    const auth::secret r1 =
        auth::host_response(t, auth::transformed(keys.host, who.hostnqn), augmented(c.value), c.seqnum);
    a.reply.response.assign(r1.begin(), r1.end());
    a.reply.value = auth::bytes(auth::size_of(*hash));
    if (keys.ctrlr) {
        a.reply.challenges_controller = true;
        a.reply.seqnum = auth::random_sequence_number();
        a.reply.value = auth::random_bytes(auth::size_of(*hash));
        a.expected = auth::controller_response(t, auth::transformed(*keys.ctrlr, who.subnqn), augmented(a.reply.value),
                                               a.reply.seqnum);
    }
    return a;
}

core::task<core::result<>> refuse(queue_pair& q, std::uint16_t t_id, nvme::auth_explanation why, std::string text) {
    (void)co_await send(q, auth::write(auth::failure{nvme::auth_id::failure2, t_id, why}));
    co_return core::fail(EACCES, std::move(text));
}

}  // namespace

core::result<dhchap_credentials> parse_credentials(std::string_view host_key, std::string_view ctrlr_key) {
    auto host = auth::parse_dhchap_key(host_key);
    if (!host)
        return tl::make_unexpected(std::move(host.error()));
    dhchap_credentials keys{std::move(*host), {}};
    if (ctrlr_key.empty())
        return keys;
    auto ctrlr = auth::parse_dhchap_key(ctrlr_key);
    if (!ctrlr)
        return tl::make_unexpected(std::move(ctrlr.error()));
    keys.ctrlr = std::move(*ctrlr);
    return keys;
}

core::task<core::result<>> authenticate(queue_pair& q, const dhchap_credentials& keys, authentication_parties who) {
    if (auto sent = co_await send(q, offer(who.t_id)); !sent)
        co_return sent;
    const auto challenge = co_await receive(q);
    if (!challenge)
        co_return tl::make_unexpected(challenge.error());
    const auto parsed = auth::read_challenge(*challenge);
    const auto ours = parsed ? answer_to(*parsed, keys, who) : std::nullopt;
    if (!ours) {
        auto refused = co_await refuse(q, who.t_id, nvme::auth_explanation::incorrect_payload,
                                       "the controller's challenge makes no sense");
        co_return refused;
    }
    if (auto sent = co_await send(q, auth::write(ours->reply)); !sent)
        co_return sent;
    const auto success1 = co_await receive(q);
    if (!success1)
        co_return tl::make_unexpected(success1.error());
    const auto proof = auth::read_success1(*success1);
    if (!keys.ctrlr && proof && proof->t_id == who.t_id)
        co_return core::result<>{};
    if (!proof || proof->t_id != who.t_id || !auth::equal(proof->response, ours->expected)) {
        auto refused = co_await refuse(q, who.t_id, nvme::auth_explanation::failed,
                                       "the controller has not proved its key (--dhchap-ctrl-key)");
        co_return refused;
    }
    auto done = co_await send(q, auth::write_success2(who.t_id));
    co_return done;
}

}  // namespace causeway::host
