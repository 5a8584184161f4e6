// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/fifo.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

namespace causeway::core {

/// Which accounts a buffer counts for now: those that can keep it from being released.
enum class buffer_user : std::uint8_t {
    host_and_ns,  ///< data is on its way from the host, for the namespace
    ns,           ///< its disk executes the command
    host,         ///< it has yet to take the data
};

/// The namespace (its disk may hang) and the host (it may not take its data) that a buffer is taken for, and which of
/// them it counts for at first. Both are numbers that are never reused.
struct buffer_holders {
    std::uint64_t ns = 0;    ///< 0: of no namespace (an admin command)
    std::uint64_t host = 0;  ///< 0: of a host that is not known yet; all of these are one
    buffer_user first = buffer_user::host_and_ns;
};

struct account_class;

/// A buffer that a command has or waits for, embedded in the command's request. The owner sets `ready`; the pool uses
/// the other members.
struct buffer_claim {
    /// Called on the pool's core when a claim that waited has got its buffer.
    void (*ready)(buffer_claim&) noexcept = nullptr;
    std::byte* data = nullptr;    ///< the buffer; nullptr: none
    std::uint8_t size_class = 0;  ///< of `data`, or of what it waits for
    buffer_user user = buffer_user::host_and_ns;
    account_class* ns = nullptr;  ///< the accounts that it may count for; nullptr: of no namespace
    account_class* host = nullptr;
    account_class* waits_in = nullptr;  ///< one of these; nullptr: it does not wait
    buffer_claim* before = nullptr;     ///< fifo's
    buffer_claim* after = nullptr;
};

/// What one account has of one size of buffers, and the claims of it that wait because of what it has.
struct account_class {
    std::uint32_t held = 0;   ///< buffers that count for it
    std::uint32_t users = 0;  ///< claims that wait, and may count for it
    bool is_host = false;
    fifo<buffer_claim> claims;        ///< that wait here
    account_class* before = nullptr;  ///< fifo's
    account_class* after = nullptr;
};

/// Accounts with waiting claims, ordered by how many buffers they hold: the account with the fewest comes first, and
/// equal accounts take turns. Every operation takes constant time.
class account_queue {
  public:
    /// `most`: buffers that one account can hold.
    explicit account_queue(std::size_t most = 0) : by_held_(most + 1), occupied_(most / 64 + 1) {}

    void insert(account_class& l) noexcept;
    void remove(account_class& l) noexcept;
    bool empty() const noexcept { return count_ == 0; }
    account_class* fewest_held() const noexcept;  ///< nullptr: there is none

  private:
    std::vector<fifo<account_class>> by_held_;
    std::vector<std::uint64_t> occupied_;  ///< a bit for each fifo that is not empty
    std::size_t count_ = 0;
};

/// What a namespace or a host has, of each size.
struct buffer_account {
    static constexpr std::size_t max_classes = 4;

    std::array<account_class, max_classes> lines{};
    std::uint32_t at_hand = 0;  ///< accounts_at_hand that point here

    /// Nobody points here.
    bool idle() const noexcept;
};

/// The accounts of a connection's latest command, so that its next one looks up none. They stay as long as they are at
/// hand. On the pool's core; goes before the pool.
class accounts_at_hand {
  public:
    accounts_at_hand() noexcept = default;
    accounts_at_hand(const accounts_at_hand&) = delete;
    accounts_at_hand& operator=(const accounts_at_hand&) = delete;
    ~accounts_at_hand() { set({}, nullptr, nullptr); }

    bool are_of(const buffer_holders& h) const noexcept { return h.ns == ns_number_ && h.host == host_number_; }
    void set(const buffer_holders& of, buffer_account* ns, buffer_account* host) noexcept;
    buffer_account* ns() const noexcept { return ns_; }  ///< nullptr: of no namespace
    buffer_account* host() const noexcept { return host_; }

  private:
    std::uint64_t ns_number_ = ~std::uint64_t{0}, host_number_ = 0;  // nobody's
    buffer_account* ns_ = nullptr;
    buffer_account* host_ = nullptr;
};

/// The accounts of one kind, namespaces or hosts. An account is created when it first takes a buffer. When there are
/// many, those that neither hold nor wait for a buffer are removed.
class buffer_accounts {
  public:
    using account = buffer_account;

    enum class kind { namespaces, hosts };
    explicit buffer_accounts(kind k) : of_hosts_(k == kind::hosts) { prepare(*rest_); }

    account& of(std::uint64_t number) noexcept {
        const recent& r = recent_[number % recent_.size()];
        return r.number == number && r.of ? *r.of : look_up(number);
    }

  private:
    struct recent {
        std::uint64_t number = 0;
        account* of = nullptr;
    };
    account& look_up(std::uint64_t number) noexcept;
    void prepare(account& a) const noexcept;
    void forget_idle() noexcept;

    bool of_hosts_;
    std::array<recent, 16> recent_{};
    std::unordered_map<std::uint64_t, account> all_;
    /// Shared by all that come when there is no memory for another account.
    std::unique_ptr<account> rest_ = std::make_unique<account>();
    std::size_t max_before_sweep_ = 64;
};

}  // namespace causeway::core
