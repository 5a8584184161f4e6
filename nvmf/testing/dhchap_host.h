// SPDX-License-Identifier: Apache-2.0
#pragma once

// A host's end of DH-HMAC-CHAP for unit tests: each message on its own, so that a test may send them in any order and
// change what it likes.

#include "nvme/authentication.h"
#include "nvme/fabrics.h"
#include "nvmf/model/keyring.h"
#include "wire/auth/dhchap_key.h"
#include "wire/auth/diffie_hellman.h"
#include "wire/auth/messages.h"
#include "wire/auth/responses.h"

#include <bit>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace causeway::nvmf::test {

// Keys as `nvme gen-dhchap-key` writes them.
inline constexpr std::string_view key_of_a = "DHHC-1:01:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:";
inline constexpr std::string_view key_of_disks =
    "DHHC-1:02:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vcSEgBQ==:";
inline constexpr std::string_view other_key =
    "DHHC-1:03:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P4zODhA=:";

/// As the keyring has it.
inline std::shared_ptr<const key> make_key(std::string_view text) {
    return std::make_shared<const key>(key{"name", "/path", core::secret(text.begin(), text.end())});
}

// The commands that carry the messages, of `length` bytes.
inline nvme::authentication_command auth_command(nvme::fctype type, std::size_t length) {
    nvme::authentication_command c{};
    c.opcode = nvme::fabrics_opcode;
    c.type = nvme::to_underlying(type);
    c.spsp0 = c.spsp1 = 1;
    c.secp = nvme::secp_nvme;
    c.length = static_cast<std::uint32_t>(length);
    return c;
}
inline nvme::command auth_send_of(std::size_t length) {
    return std::bit_cast<nvme::command>(auth_command(nvme::fctype::authentication_send, length));
}
inline nvme::command auth_receive_of(std::size_t length) {
    return std::bit_cast<nvme::command>(auth_command(nvme::fctype::authentication_receive, length));
}

struct dhchap_host {
    std::string hostnqn, subnqn;
    std::string key{key_of_a};
    std::string ctrlr_key{};             ///< empty: the controller is not challenged
    auth::bytes hashes{1}, dhgroups{0};  ///< offered
    std::uint16_t t_id = 0x4711;

    auth::bytes negotiate() const {
        return auth::write(
            auth::negotiate{.t_id = t_id, .offers_dhchap = true, .hashes = hashes, .dhgroups = dhgroups});
    }

    /// REQUIRES: `challenge` is one.
    auth::reply reply_to(auth::byte_view challenge) {
        const auto c = auth::read_challenge(challenge);
        hash = *auth::hash_of(c->hashid);
        auth::reply r{.t_id = c->t_id};
        std::optional<auth::secret> shared;
        if (const auto group = *auth::dhgroup_of(c->dhgid); group != auth::auth_dhgroup::null) {
            const auto own = auth::ephemeral_key::generate(group);
            shared = own.shared_secret(c->public_value);
            r.public_value = own.public_value();
        }
        const auto augmented = [&](const auth::bytes& value) {
            return shared ? auth::augmented_challenge(hash, *shared, value) : auth::secret(value.begin(), value.end());
        };
        const auth::transaction t{hash, c->t_id, hostnqn, subnqn};
        const auto r1 = auth::host_response(t, auth::transformed(*auth::parse_dhchap_key(key), hostnqn),
                                            augmented(c->value), c->seqnum);
        r.response.assign(r1.begin(), r1.end());
        r.value = auth::random_bytes(auth::size_of(hash));
        if (!ctrlr_key.empty()) {
            r.challenges_controller = true;
            r.seqnum = 77;
            expected = auth::controller_response(t, auth::transformed(*auth::parse_dhchap_key(ctrlr_key), subnqn),
                                                 augmented(r.value), r.seqnum);
        }
        return r;
    }
    auth::bytes reply(auth::byte_view challenge) { return auth::write(reply_to(challenge)); }

    /// Whether `success1` is one, and proves the controller's key where that is wanted.
    bool accepts(auth::byte_view success1) const {
        const auto m = auth::read_success1(success1);
        return m && m->t_id == t_id && m->hash_length == auth::size_of(hash) && auth::equal(m->response, expected);
    }

    auth::bytes success2() const { return auth::write_success2(t_id); }
    auth::bytes failure2() const {
        return auth::write(auth::failure{nvme::auth_id::failure2, t_id, nvme::auth_explanation::failed});
    }

    auth::auth_hash hash{};  ///< of the latest challenge
    auth::secret expected{};
};

}  // namespace causeway::nvmf::test
