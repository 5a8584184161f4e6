// SPDX-License-Identifier: Apache-2.0
#include "core/buffer_account.h"

#include <algorithm>
#include <bit>
#include <new>

namespace causeway::core {

void account_queue::insert(account_class& l) noexcept {
    by_held_[l.held].push_back(l);
    occupied_[l.held / 64] |= std::uint64_t{1} << l.held % 64;
    ++count_;
}

void account_queue::remove(account_class& l) noexcept {
    by_held_[l.held].remove(l);
    if (by_held_[l.held].empty())
        occupied_[l.held / 64] &= ~(std::uint64_t{1} << l.held % 64);
    --count_;
}

account_class* account_queue::fewest_held() const noexcept {
    if (count_ == 0)
        return nullptr;
    std::size_t word = 0;
    while (!occupied_[word])
        ++word;
    return by_held_[word * 64 + static_cast<std::size_t>(std::countr_zero(occupied_[word]))].front();
}

bool buffer_account::idle() const noexcept {
    return at_hand == 0 &&
           std::all_of(lines.begin(), lines.end(), [](const account_class& l) { return l.held == 0 && l.users == 0; });
}

void accounts_at_hand::set(const buffer_holders& of, buffer_account* ns, buffer_account* host) noexcept {
    for (buffer_account* a : {ns, host})
        if (a)
            ++a->at_hand;
    for (buffer_account* a : {ns_, host_})
        if (a)
            --a->at_hand;
    ns_number_ = of.ns;
    host_number_ = of.host;
    ns_ = ns;
    host_ = host;
}

void buffer_accounts::prepare(account& a) const noexcept {
    for (account_class& l : a.lines)
        l.is_host = of_hosts_;
}

buffer_accounts::account& buffer_accounts::look_up(std::uint64_t number) noexcept {
    auto found = all_.find(number);
    if (found == all_.end()) {
        if (all_.size() >= max_before_sweep_)
            forget_idle();
        try {
            found = all_.try_emplace(number).first;
            prepare(found->second);
        } catch (const std::bad_alloc&) {
            return *rest_;
        }
    }
    recent_[number % recent_.size()] = {number, &found->second};
    return found->second;
}

/// At most once for as many new accounts as there were old ones, so that each pays for a constant part of it.
void buffer_accounts::forget_idle() noexcept {
    std::erase_if(all_, [](const auto& entry) { return entry.second.idle(); });
    recent_ = {};
    max_before_sweep_ = std::max<std::size_t>(64, 2 * all_.size());
}

}  // namespace causeway::core
