// SPDX-License-Identifier: Apache-2.0
#include "wire/tls/psk_store.h"

#include <fmt/format.h>

namespace causeway::tcp {

namespace {

/// Bytes of a PSK identity, as TLS libraries take them (PSK_MAX_IDENTITY_LEN of OpenSSL).
constexpr std::size_t max_identity_length = 256;
/// The shortest identity is "NVMe0R01 hostnqn subnqn".
constexpr std::size_t max_names_length = max_identity_length - sizeof("NVMe0R01  ");

core::result<> check_names(std::string_view subnqn, std::string_view hostnqn) {
    // Within an identity a blank ends a name.
    for (const std::string_view name : {subnqn, hostnqn})
        if (name.find(' ') != name.npos)
            return core::fail(EINVAL, "a TLS identity cannot carry a name with blanks: use another one", name);
    if (subnqn.size() + hostnqn.size() > max_names_length)
        return core::fail(EINVAL,
                          fmt::format("a TLS identity cannot carry names of together more than {} bytes: shorten the "
                                      "host's, or the subsystem's",
                                      max_names_length),
                          hostnqn);
    return {};
}

}  // namespace

core::result<> psk_store::admit(std::string_view subnqn, std::string_view hostnqn, std::string_view interchange) {
    const auto configured = parse_psk(interchange);
    if (!configured)
        return tl::make_unexpected(configured.error());
    if (auto good = check_names(subnqn, hostnqn); !good)
        return good;
    std::vector<std::shared_ptr<const entry>> derived;
    const std::string proof = proof_of(hostnqn, subnqn);
    for (const psk_version version : {psk_version::zero, psk_version::one})
        for (const psk_reading reading : {psk_reading::rfc8446, psk_reading::bare})
            if (auto psk = derive_tls_psk(*configured, version, reading, hostnqn, subnqn);
                psk && psk->identity.size() <= max_identity_length)
                derived.push_back(std::make_shared<const entry>(entry{std::move(*psk), proof}));
    remove(subnqn, hostnqn);
    const std::lock_guard lock(mutex_);
    auto& mine = by_proof_[proof];
    for (auto& e : derived)
        mine.push_back(by_identity_.emplace(e->psk.identity, e));
    return {};
}

void psk_store::remove(std::string_view subnqn, std::string_view hostnqn) noexcept {
    const std::lock_guard lock(mutex_);
    const auto mine = by_proof_.find(proof_of(hostnqn, subnqn));
    if (mine == by_proof_.end())
        return;
    for (const auto& it : mine->second)
        by_identity_.erase(it);
    by_proof_.erase(mine);
}

std::size_t psk_store::size() const {
    const std::lock_guard lock(mutex_);
    return by_identity_.size();
}

std::vector<std::shared_ptr<const psk_store::entry>> psk_store::find(std::string_view identity) const {
    const std::lock_guard lock(mutex_);
    std::vector<std::shared_ptr<const entry>> all;
    const auto [begin, end] = by_identity_.equal_range(identity);
    for (auto it = begin; it != end; ++it)
        all.push_back(it->second);
    return all;
}

}  // namespace causeway::tcp
