// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "wire/auth/dhchap_key.h"
#include "wire/auth/diffie_hellman.h"
#include "wire/auth/messages.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace causeway::nvmf {

/// What hosts may choose from when they authenticate.
struct auth_algorithms {
    std::vector<auth::auth_hash> digests{auth::all_hashes.begin(), auth::all_hashes.end()};
    std::vector<auth::auth_dhgroup> dhgroups{auth::all_dhgroups.begin(), auth::all_dhgroups.end()};

    bool operator==(const auth_algorithms&) const = default;
};

/// The keys of one host and one subsystem.
struct dhchap_keys {
    auth::dhchap_key host;
    std::optional<auth::dhchap_key> ctrlr;  ///< nullopt: the subsystem cannot prove itself to the host
};

/// The arithmetic of one step of an exchange, which does not belong on a reactor. It shares nothing with the exchange.
struct auth_computation {
    /// Any thread. Makes a key pair, or checks a Reply and makes the response to it.
    void run();

    auth::auth_hash hash;
    auth::auth_dhgroup dhgroup;
    std::string hostnqn, subnqn;
    std::shared_ptr<const auth::ephemeral_key> own_key{};  ///< made by the first kind, used by the second
    std::optional<auth::reply> reply{};                    ///< nullopt: the first kind

    // Of a Reply.
    std::shared_ptr<const dhchap_keys> keys{};
    auth::bytes challenge{};  ///< C1
    std::uint32_t seqnum = 0;

    // What comes out.
    bool valid_public_value = false;
    bool proven = false;
    auth::bytes response{};  ///< R2, where the host asked for it
};

/// The controller's end of DH-HMAC-CHAP on one queue pair: which message is due, and what becomes of it. NVM Express
/// Base Specification 2.0, "DH-HMAC-CHAP Protocol".
///
/// Pure: messages in, messages out. A host may authenticate again once it is through. What has failed stays so.
class auth_exchange {
  public:
    /// What happens next. Sends of the host bring what it says in `negotiate`, `reply` and `success2`; its receives
    /// take what it is told in `challenge`, `success1` and `failure1`.
    enum class state : std::uint8_t {
        negotiate,
        challenge,
        reply,
        success1,
        success2,
        failure1,
        completed,  ///< the host has proved its key; the next is negotiate again
        error,      ///< the host knows that it has failed, or has refused; the connection ends
    };

    auth_exchange(std::string hostnqn, std::string subnqn, auth_algorithms allowed);

    /// A message of the host. `keys`: those that count for a transaction that begins now; nullptr: the host has none.
    /// What has to be computed before anything else happens; nullptr: nothing.
    std::unique_ptr<auth_computation> on_message(auth::byte_view message, std::shared_ptr<const dhchap_keys> keys);
    void on_computed(auth_computation done);
    /// Instead of it: what has to be computed cannot be.
    void refuse(std::string why) { fail(nvme::auth_explanation::failed, std::move(why)); }

    /// The host asks for a message: the one that is due. Where none is, that is a failure and Failure1 is due. nullptr
    /// in state `error`.
    const auth::bytes* due_message();
    /// It has been given to the host.
    void on_message_taken();

    state current() const noexcept { return state_; }
    bool has_succeeded() const noexcept { return has_succeeded_; }  ///< once
    // Of the latest transaction; nullopt: none has been chosen.
    std::optional<auth::auth_hash> digest() const noexcept { return hash_; }
    std::optional<auth::auth_dhgroup> dhgroup() const noexcept { return dhgroup_; }
    /// What went wrong, for the operator: "its Reply does not prove its key". Empty: nothing.
    const std::string& failure() const noexcept { return failure_; }

  private:
    using computation = std::unique_ptr<auth_computation>;

    computation on_negotiate(auth::byte_view message, std::shared_ptr<const dhchap_keys> keys);
    computation on_reply(auth::byte_view message);
    void on_success2();
    void on_refused(auth::byte_view message);
    void issue_challenge();
    void complete();
    computation fail(nvme::auth_explanation why, std::string text);

    const std::string hostnqn_, subnqn_;
    const auth_algorithms allowed_;
    state state_ = state::negotiate;
    bool has_succeeded_ = false;
    std::string failure_;
    auth::bytes due_;

    // Of the transaction.
    std::uint16_t t_id_ = 0;
    std::optional<auth::auth_hash> hash_;
    std::optional<auth::auth_dhgroup> dhgroup_;
    std::shared_ptr<const dhchap_keys> keys_;
    std::shared_ptr<const auth::ephemeral_key> own_key_;
    auth::bytes challenge_;
    std::uint32_t seqnum_ = 0;
    bool challenges_controller_ = false;
};

/// As nvmf_subsystem_get_qpairs has it.
const char* to_string(auth_exchange::state s) noexcept;

}  // namespace causeway::nvmf
