// SPDX-License-Identifier: Apache-2.0
#include "core/buffer_pool.h"

#include <cassert>
#include <string>
#include <utility>

namespace causeway::core {

namespace {

/// Pages of their own for buffers of at least a page, cache lines of their own for the others.
constexpr std::uint64_t alignment_of(std::uint64_t bytes) noexcept {
    return bytes >= 4096 ? 4096 : 64;
}

constexpr std::uint64_t round_up(std::uint64_t n, std::uint64_t to) noexcept {
    return (n + to - 1) / to * to;
}

/// Bytes of a pool. EINVAL.
result<std::uint64_t> size_of(std::span<const buffer_pool::size_class> classes) {
    if (classes.empty() || classes.size() > buffer_account::max_classes)
        return fail(EINVAL, "a buffer pool has one to four sizes");
    std::uint64_t total = 0;
    std::uint32_t previous = 0;
    for (const auto& c : classes) {
        if (c.bytes <= previous || c.count == 0)
            return fail(EINVAL, "sizes of buffers must ascend, and there must be some of each");
        previous = c.bytes;
        total = round_up(total, alignment_of(c.bytes)) + c.count * round_up(c.bytes, alignment_of(c.bytes));
    }
    return total;
}

}  // namespace

result<> buffer_pool::check(std::span<const size_class> classes, std::size_t pools) {
    const auto bytes = size_of(classes);
    if (!bytes)
        return tl::make_unexpected(bytes.error());
    if (!dma_memory::check(*bytes, pools))
        return fail(ENOMEM, "data buffers for " + std::to_string(pools) + " cores take " +
                                std::to_string((*bytes * pools) >> 20) +
                                " MiB, and there is not so much memory: ask for fewer or smaller ones, or start with "
                                "more memory");
    return {};
}

result<buffer_pool> buffer_pool::create(std::span<const size_class> classes) {
    const auto bytes = size_of(classes);
    if (!bytes)
        return tl::make_unexpected(bytes.error());
    buffer_pool pool;
    auto memory = dma_memory::allocate(*bytes);
    if (!memory)
        return tl::make_unexpected(std::move(memory.error()));
    pool.memory_ = std::move(*memory);
    std::uint64_t offset = 0;
    for (const auto& c : classes) {
        stock& s = pool.classes_[pool.count_++];
        s.bytes = c.bytes;
        s.free.resize(c.count);
        s.left = c.count;
        s.ample = ample(c.count);
        s.waiting_ns = s.waiting_hosts = account_queue(c.count);
        offset = round_up(offset, alignment_of(c.bytes));
        for (std::uint32_t i = c.count; i-- > 0; offset += round_up(c.bytes, alignment_of(c.bytes)))
            s.free[i] = pool.memory_.data() + offset;  // taken from the back: the lowest address first
    }
    return pool;
}

buffer_pool::buffer_pool(buffer_pool&& other) noexcept {
    *this = std::move(other);
}

buffer_pool& buffer_pool::operator=(buffer_pool&& other) noexcept {
    for (std::size_t i = 0; i < classes_.size(); ++i)
        assert(!classes_[i].waiting && !other.classes_[i].waiting);
    std::swap(memory_, other.memory_);
    std::swap(classes_, other.classes_);
    std::swap(count_, other.count_);
    std::swap(namespaces_, other.namespaces_);
    std::swap(hosts_, other.hosts_);
    waits_.set(other.waits_.get());
    return *this;
}

void buffer_pool::look_up(const buffer_holders& h, accounts_at_hand& at_hand) noexcept {
    buffer_account* const ns = h.ns ? &namespaces_.of(h.ns) : nullptr;
    at_hand.set(h, ns, &hosts_.of(h.host));
}

bool buffer_pool::take_scarce(stock& s, buffer_claim& c) noexcept {
    // While others are being served, those whose turn it is come first.
    if (s.serving || blocking_account(s, c))
        return false;
    grant(s, c);
    return true;
}

bool buffer_pool::may_take(const stock& s, const account_class& l) noexcept {
    if (l.held == 0 || s.left == 0)
        return s.left != 0;
    const std::uint64_t held = l.held + std::uint64_t{1}, left = s.left - 1;
    return (l.is_host ? 4 * held : held) * s.free.size() <= left * left;
}

/// The account that holds too many to have another one; nullptr: neither.
account_class* buffer_pool::blocking_account(const stock& s, const buffer_claim& c) noexcept {
    if (c.ns && !may_take(s, *c.ns))
        return c.ns;
    return may_take(s, *c.host) ? nullptr : c.host;
}

void buffer_pool::count_and_reorder(stock& s, const buffer_claim& c, std::uint32_t more) noexcept {
    if (c.user != buffer_user::host)
        count_and_reorder(s, *c.ns, more);
    if (c.user != buffer_user::ns)
        count_and_reorder(s, *c.host, more);
}

void buffer_pool::count_and_reorder(stock& s, account_class& l, std::uint32_t more) noexcept {
    if (l.claims.empty()) {
        l.held += more;
        return;
    }
    s.waiting_with(l).remove(l);
    l.held += more;
    s.waiting_with(l).insert(l);
}

void buffer_pool::grant(stock& s, buffer_claim& c) noexcept {
    c.data = s.free[--s.left];
    count_and_reorder(s, c, 1);
}

void buffer_pool::give_back_and_serve(stock& s, buffer_claim& c) noexcept {
    s.free[s.left++] = std::exchange(c.data, nullptr);
    count_and_reorder(s, c, -1u);
    serve(s);
}

/// Once it is the host's, nothing keeps the namespace's account: it may be gone from then on.
void buffer_pool::change_user(buffer_claim& c, buffer_user next) noexcept {
    stock& s = classes_[c.size_class];
    count_and_reorder(s, c, -1u);
    c.user = next;
    count_and_reorder(s, c, 1);
    if (next == buffer_user::host)
        c.ns = nullptr;
    if (s.waiting)
        serve(s);
}

/// Of each kind the account that holds the least may take if any may. nullptr: none may.
account_class* buffer_pool::next_in_turn(const stock& s) noexcept {
    account_class* const ns = s.waiting_ns.fewest_held();
    account_class* const host = s.waiting_hosts.fewest_held();
    const bool host_may = host && may_take(s, *host);
    if (!ns || !may_take(s, *ns))
        return host_may ? host : nullptr;
    return host_may && host->held < ns->held ? host : ns;
}

/// A loop, and entered once only: a waiter may release its buffer at once, and a long queue of such waiters would
/// otherwise recurse as deeply. Each step hands out a buffer, or moves a claim to the queue of its other account, where
/// it stays until that account may take a buffer again.
void buffer_pool::serve(stock& s) noexcept {
    if (std::exchange(s.serving, true))
        return;
    while (account_class* const l = next_in_turn(s)) {
        buffer_claim& c = *l->claims.front();
        dequeue(s, c);
        if (account_class* other = blocking_account(s, c)) {
            enqueue(s, c, *other);
        } else {
            grant(s, c);
            count_users(c, -1u);
            c.ready(c);
        }
    }
    s.serving = false;
}

void buffer_pool::wait(buffer_claim& c) noexcept {
    assert(!c.waits_in && !c.data && c.ready);
    stock& s = classes_[c.size_class];
    account_class* const l = blocking_account(s, c);
    assert(l || s.serving);
    enqueue(s, c, l ? *l : *c.host);
    count_users(c, 1);
    waits_.add();
}

void buffer_pool::cancel(buffer_claim& c) noexcept {
    if (!c.waits_in)
        return;
    dequeue(classes_[c.size_class], c);
    count_users(c, -1u);
}

/// An account stays while somebody waits who may count for it.
void buffer_pool::count_users(const buffer_claim& c, std::uint32_t more) noexcept {
    if (c.ns)
        c.ns->users += more;
    c.host->users += more;
}

void buffer_pool::enqueue(stock& s, buffer_claim& c, account_class& l) noexcept {
    c.waits_in = &l;
    if (l.claims.empty())
        s.waiting_with(l).insert(l);
    l.claims.push_back(c);
    ++s.waiting;
}

void buffer_pool::dequeue(stock& s, buffer_claim& c) noexcept {
    account_class& l = *std::exchange(c.waits_in, nullptr);
    l.claims.remove(c);
    --s.waiting;
    if (l.claims.empty())
        s.waiting_with(l).remove(l);
}

}  // namespace causeway::core
