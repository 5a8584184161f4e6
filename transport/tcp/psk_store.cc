#include "transport/tcp/psk_store.h"

namespace causeway::tcp {

core::result<> psk_store::admit(std::string_view subnqn, std::string_view hostnqn, std::string_view interchange) {
    const auto configured = parse_psk(interchange);
    if (!configured)
        return tl::make_unexpected(configured.error());
    forget(subnqn, hostnqn);
    const std::lock_guard lock(mutex_);
    for (const psk_version version : {psk_version::zero, psk_version::one})
        for (const psk_reading reading : {psk_reading::rfc8446, psk_reading::bare})
            if (auto psk = derive_tls_psk(*configured, version, reading, hostnqn, subnqn)) {
                auto made = std::make_shared<const entry>(entry{std::move(*psk), proof_of(hostnqn, subnqn)});
                by_identity_.emplace(made->psk.identity, std::move(made));
            }
    return {};
}

void psk_store::forget(std::string_view subnqn, std::string_view hostnqn) noexcept {
    const std::lock_guard lock(mutex_);
    std::erase_if(by_identity_, [&](const auto& e) { return identity_matches(e.second->proof, hostnqn, subnqn); });
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
