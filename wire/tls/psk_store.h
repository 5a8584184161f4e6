// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "wire/tls/psk.h"

#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace causeway::tcp {

/// The keys by which hosts authenticate to subsystems. Written on the control reactor, read in handshakes on any core.
class psk_store {
  public:
    struct entry {
        tls_psk psk;
        std::string proof;  ///< proof_of() its owner
    };

    /// What nvmf::transport::subsystem_add_host() is asked for: this key in all versions and readings. What the host
    /// had before counts no more. EINVAL: it is not a key, or a TLS identity cannot carry these names.
    core::result<> admit(std::string_view subnqn, std::string_view hostnqn, std::string_view interchange);
    void remove(std::string_view subnqn, std::string_view hostnqn) noexcept;
    // Both take as long as it takes to find a name among those of n hosts, O(log n), and four derivations to admit one.

    std::size_t size() const;  ///< identities, of all hosts

    /// Any thread. All keys that a client with this identity may have.
    std::vector<std::shared_ptr<const entry>> find(std::string_view identity) const;

  private:
    using identities = std::multimap<std::string, std::shared_ptr<const entry>, std::less<>>;

    mutable std::mutex mutex_;
    identities by_identity_;
    std::map<std::string, std::vector<identities::iterator>, std::less<>> by_proof_;  ///< of one host for one subsystem
};

}  // namespace causeway::tcp
