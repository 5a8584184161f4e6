// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/auth_exchange.h"

#include "wire/auth/responses.h"

#include <algorithm>
#include <fmt/format.h>

namespace causeway::nvmf {

namespace {

using auth::auth_dhgroup;
using auth::auth_hash;
using nvme::auth_explanation;
using nvme::auth_id;

/// The strongest that both ends have. `all`: the weakest first.
template <class Algorithm, class All>
std::optional<Algorithm> strongest(const All& all, const std::vector<Algorithm>& allowed, const auth::bytes& offered) {
    for (auto it = all.rbegin(); it != all.rend(); ++it)
        if (std::ranges::count(allowed, *it) && std::ranges::count(offered, nvme::to_underlying(*it)))
            return *it;
    return std::nullopt;
}

auth::secret answer_to(auth_hash hash, const std::optional<auth::secret>& shared, const auth::bytes& challenge) {
    return shared ? auth::augmented_challenge(hash, *shared, challenge)
                  : auth::secret(challenge.begin(), challenge.end());
}

}  // namespace

const char* to_string(auth_exchange::state s) noexcept {
    switch (s) {
    case auth_exchange::state::negotiate: return "negotiate";
    case auth_exchange::state::challenge: return "challenge";
    case auth_exchange::state::reply: return "reply";
    case auth_exchange::state::success1: return "success1";
    case auth_exchange::state::success2: return "success2";
    case auth_exchange::state::failure1: return "failure1";
    case auth_exchange::state::completed: return "completed";
    case auth_exchange::state::error: break;
    }
    return "error";
}

// ---- Arithmetic.

void auth_computation::run() {
    if (!reply) {
        own_key = std::make_shared<const auth::ephemeral_key>(auth::ephemeral_key::generate(dhgroup));
        return;
    }
    std::optional<auth::secret> shared;
    if (own_key) {
        shared = own_key->shared_secret(reply->public_value);
        if (!shared)
            return;
    }
    valid_public_value = true;
    const auth::transaction t{hash, reply->t_id, hostnqn, subnqn};
    proven = auth::equal(reply->response, auth::host_response(t, auth::transformed(keys->host, hostnqn),
                                                              answer_to(hash, shared, challenge), seqnum));
    if (!proven || !reply->challenges_controller)
        return;
    const auth::secret r2 = auth::controller_response(t, auth::transformed(*keys->ctrlr, subnqn),
                                                      answer_to(hash, shared, reply->value), reply->seqnum);
    response.assign(r2.begin(), r2.end());
}

// ---- What the host sends.

auth_exchange::auth_exchange(std::string hostnqn, std::string subnqn, auth_algorithms allowed)
    : hostnqn_(std::move(hostnqn)), subnqn_(std::move(subnqn)), allowed_(std::move(allowed)) {}

auth_exchange::computation auth_exchange::on_message(auth::byte_view message, std::shared_ptr<const dhchap_keys> keys) {
    if (state_ == state::failure1 || state_ == state::error)
        return nullptr;
    const auto header = auth::read_header(message);
    if (!header)
        return fail(auth_explanation::incorrect_payload, "it sent less than the header of a message");
    const bool begins = state_ == state::negotiate || state_ == state::completed;
    if (begins)
        t_id_ = header->t_id;
    if (begins && header->is(auth_id::negotiate))
        return on_negotiate(message, std::move(keys));
    if (state_ == state::reply && header->is(auth_id::reply))
        return on_reply(message);
    if (header->t_id != t_id_)
        return fail(auth_explanation::incorrect_payload, "it sent a message of another transaction");
    if (state_ == state::success2 && header->is(auth_id::success2))
        complete();
    else if ((state_ == state::reply || state_ == state::success2) && header->is(auth_id::failure2))
        on_refused(message);
    else
        fail(auth_explanation::incorrect_message,
             fmt::format("it sent message {:#04x} of type {:#04x} in state {}", nvme::to_underlying(header->id),
                         nvme::to_underlying(header->type), to_string(state_)));
    return nullptr;
}

auth_exchange::computation auth_exchange::on_negotiate(auth::byte_view message,
                                                       std::shared_ptr<const dhchap_keys> keys) {
    hash_.reset();
    dhgroup_.reset();
    const auto m = auth::read_negotiate(message);
    if (!m)
        return fail(auth_explanation::incorrect_payload, "its Negotiate is malformed");
    if (m->sc_c != 0)
        return fail(auth_explanation::secure_channel_mismatch,
                    "it asks for secure channel concatenation, which is not supported: connect without it");
    if (!m->offers_dhchap)
        return fail(auth_explanation::protocol_not_usable, "it does not offer DH-HMAC-CHAP");
    if (!keys)
        return fail(auth_explanation::protocol_not_usable,
                    "it has no key any more: give it one with nvmf_subsystem_set_keys");
    const auto hash = strongest(auth::all_hashes, allowed_.digests, m->hashes);
    if (!hash)
        return fail(auth_explanation::hash_not_usable, "it offers no hash function that nvmf_set_config allows");
    const auto group = strongest(auth::all_dhgroups, allowed_.dhgroups, m->dhgroups);
    if (!group)
        return fail(auth_explanation::dh_group_not_usable,
                    "it offers no Diffie-Hellman group that nvmf_set_config allows");
    hash_ = hash;
    dhgroup_ = group;
    keys_ = std::move(keys);
    own_key_.reset();
    if (*group != auth_dhgroup::null)
        return std::make_unique<auth_computation>(auth_computation{*hash, *group, hostnqn_, subnqn_});
    issue_challenge();
    return nullptr;
}

void auth_exchange::issue_challenge() {
    challenge_ = auth::random_bytes(auth::size_of(*hash_));
    seqnum_ = auth::random_sequence_number();
    due_ = auth::write(auth::challenge{t_id_, nvme::to_underlying(*hash_), nvme::to_underlying(*dhgroup_), seqnum_,
                                       challenge_, own_key_ ? own_key_->public_value() : auth::bytes()});
    state_ = state::challenge;
}

auth_exchange::computation auth_exchange::on_reply(auth::byte_view message) {
    auto m = auth::read_reply(message);
    if (!m)
        return fail(auth_explanation::incorrect_payload, "its Reply is malformed");
    if (m->t_id != t_id_)
        return fail(auth_explanation::incorrect_payload, "its Reply belongs to another transaction");
    if (m->response.size() != auth::size_of(*hash_))
        return fail(auth_explanation::incorrect_payload, "the response in its Reply has a wrong length");
    if (m->public_value.size() != auth::size_of(*dhgroup_))
        return fail(auth_explanation::incorrect_payload, "the public value in its Reply has a wrong length");
    if (m->challenges_controller && m->seqnum == 0)
        return fail(auth_explanation::incorrect_payload, "its Reply has a challenge without a sequence number");
    if (m->challenges_controller && !keys_->ctrlr)
        return fail(auth_explanation::failed, "it asks for the controller's proof, and there is no dhchap_ctrlr_key: "
                                              "give it one with nvmf_subsystem_set_keys");
    challenges_controller_ = m->challenges_controller;
    return std::make_unique<auth_computation>(auth_computation{.hash = *hash_,
                                                               .dhgroup = *dhgroup_,
                                                               .hostnqn = hostnqn_,
                                                               .subnqn = subnqn_,
                                                               .own_key = own_key_,
                                                               .reply = std::move(m),
                                                               .keys = keys_,
                                                               .challenge = challenge_,
                                                               .seqnum = seqnum_});
}

void auth_exchange::on_computed(auth_computation done) {
    if (!done.reply) {
        own_key_ = std::move(done.own_key);
        return issue_challenge();
    }
    if (!done.valid_public_value) {
        fail(auth_explanation::incorrect_payload, "the public value in its Reply is not one of the group");
        return;
    }
    if (!done.proven) {
        fail(auth_explanation::failed, "its Reply does not prove its key");
        return;
    }
    due_ = auth::write(auth::success1{t_id_, static_cast<std::uint8_t>(auth::size_of(*hash_)), done.response});
    state_ = state::success1;
}

void auth_exchange::on_refused(auth::byte_view message) {
    const auto m = auth::read_failure(message);
    if (!m) {
        fail(auth_explanation::incorrect_payload, "its Failure2 is malformed");
        return;
    }
    failure_ = state_ == state::success2
                   ? fmt::format("it does not accept the controller's proof: {}", auth::to_string(m->explanation))
                   : fmt::format("it does not accept the challenge: {}", auth::to_string(m->explanation));
    state_ = state::error;
}

auth_exchange::computation auth_exchange::fail(auth_explanation why, std::string text) {
    failure_ = std::move(text);
    due_ = auth::write(auth::failure{auth_id::failure1, t_id_, why});
    state_ = state::failure1;
    return nullptr;
}

/// What only the transaction needed is forgotten: keys do not lie about until the next one.
void auth_exchange::complete() {
    state_ = state::completed;
    has_succeeded_ = true;
    keys_.reset();
    own_key_.reset();
}

// ---- What the host receives.

const auth::bytes* auth_exchange::due_message() {
    switch (state_) {
    case state::challenge:
    case state::success1:
    case state::failure1: return &due_;
    case state::error: return nullptr;
    default: break;
    }
    fail(auth_explanation::incorrect_message,
         fmt::format("it asked for a message in state {}, in which none is due", to_string(state_)));
    return &due_;
}

void auth_exchange::on_message_taken() {
    if (state_ == state::challenge)
        state_ = state::reply;
    else if (state_ == state::failure1)
        state_ = state::error;
    else if (challenges_controller_)
        state_ = state::success2;
    else
        complete();
}

}  // namespace causeway::nvmf
