#pragma once

#include "core/fifo.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

namespace causeway::core {

/// Whose a buffer is now, for it counts for who keeps it from going back.
enum class buffer_user : std::uint8_t {
    host_and_ns,  ///< data is on its way from the host, for the namespace
    ns,           ///< its disk is at work on it
    host,         ///< it has yet to take the data
};

/// On whose behalf a buffer is taken, and whose it is at first: a namespace, whose disk may hang, and a host, which may
/// not take its data. Both by numbers that are never used twice.
struct buffer_holders {
    std::uint64_t ns = 0;    ///< 0: of no namespace (an admin command)
    std::uint64_t host = 0;  ///< 0: of a host that is not known yet; all of these are one
    buffer_user first = buffer_user::host_and_ns;
};

struct buffer_line;

/// A buffer that a command has, or waits for. Embedded in the command's request. Set up by who owns it: `ready`. The
/// rest belongs to the pool.
struct buffer_claim {
    /// Called on the pool's core when a claim that waited has got its buffer.
    void (*ready)(buffer_claim&) noexcept = nullptr;
    std::byte* data = nullptr;         ///< the buffer; nullptr: none
    std::uint8_t size_class = 0;       ///< of `data`, or of what it waits for
    buffer_user user = buffer_user::host_and_ns;
    buffer_line* ns = nullptr;  ///< the accounts that it may count for; nullptr: of no namespace
    buffer_line* host = nullptr;
    buffer_line* waits_in = nullptr;  ///< one of these; nullptr: it does not wait
    buffer_claim* before = nullptr;   ///< fifo's
    buffer_claim* after = nullptr;
};

/// What one account has of one size of buffers, and the claims of it that wait because of what it has.
struct buffer_line {
    std::uint32_t held = 0;   ///< buffers that count for it
    std::uint32_t users = 0;  ///< claims that wait, and may count for it
    bool is_host = false;
    fifo<buffer_claim> claims;   ///< that wait here
    buffer_line* before = nullptr;  ///< fifo's
    buffer_line* after = nullptr;
};

/// Lines in which somebody waits, by how much their accounts hold: whoever holds the least comes first, and those that
/// hold the same take turns. Every step takes constant time.
class waiting_lines {
  public:
    /// `most`: buffers that one account can hold.
    explicit waiting_lines(std::size_t most = 0) : by_held_(most + 1), occupied_(most / 64 + 1) {}

    void insert(buffer_line& l) noexcept;
    void remove(buffer_line& l) noexcept;
    bool empty() const noexcept { return count_ == 0; }
    buffer_line* least() const noexcept;  ///< nullptr: there is none

  private:
    std::vector<fifo<buffer_line>> by_held_;
    std::vector<std::uint64_t> occupied_;  ///< a bit for each fifo that is not empty
    std::size_t count_ = 0;
};

/// What a namespace or a host has, of each size.
struct buffer_account {
    static constexpr std::size_t most_classes = 4;

    std::array<buffer_line, most_classes> lines{};
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

/// The accounts of one kind, namespaces or hosts. They are made when they first take something, and those that neither
/// hold nor wait for anything are forgotten when there are many.
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
    /// Of whoever comes when there is no memory for another one.
    std::unique_ptr<account> rest_ = std::make_unique<account>();
    std::size_t most_before_sweep_ = 64;
};

}  // namespace causeway::core
