// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"
#include "core/task.h"
#include "nvmf/model/discovery_page.h"
#include "nvmf/transport.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace causeway::nvmf {

class subsystem;
struct target_state;

/// How many discovery controllers there may be at a time. Any client can create them, so they need a bound; a host that
/// is refused may try again.
struct discovery_limits {
    std::uint32_t controllers = 4096;  ///< in all
    std::uint32_t per_address = 256;   ///< from one address of hosts
    /// Of one host NQN from one address. Not of the NQN alone: a client that uses another host's NQN must not lock that
    /// host out.
    std::uint32_t per_host = 32;

    bool operator==(const discovery_limits&) const = default;
};

/// In what a listener must agree with the address by which a host asks, to be in that host's log.
struct discovery_filter {
    bool transport = false;  ///< the type of the fabric
    bool address = false;
    bool service = false;  ///< the port number

    bool operator==(const discovery_filter&) const = default;
};

/// The discovery log and its readers. NVMe over Fabrics 1.1, "Discovery Log Page"; NVM Express Base 2.0.
///
/// A host sees the discovery subsystem itself, where it reads and at the listeners that this has of its own, the
/// listeners of the subsystems that allow it, as far as the filter lets them pass, and the referrals. What it sees is
/// put together once per change that concerns it, from entries that all hosts share, and a Get Log Page copies its part
/// of them. A change is announced to those hosts alone whose log it changes, a few in each turn of the reactor: the
/// generation of a host's log moves when an entry of it does. Control reactor.
class discovery_log : public std::enable_shared_from_this<discovery_log> {
  public:
    discovery_log(const target_state& e, discovery_limits limits, discovery_filter filter)
        : state_(e), limits_(limits), filter_(filter) {}

    class reader;
    /// The part of a controller that is about to be made for this host. EBUSY: there are too many.
    /// `by` and `local`: the port and the address where the host has come in.
    core::result<std::unique_ptr<reader>> admit(const std::string& host_nqn, const port& by,
                                                const transport_address& local, const transport_address& peer);

    // ---- What has changed. After the change.

    /// The listeners of `s`, or all of it: for the hosts that it allows.
    void changed(const subsystem& s);
    /// `s` is not listed any more.
    void removed(const subsystem& s);
    /// Whether `s` allows this host.
    void changed(const subsystem& s, const std::string& host_nqn);
    /// Whether `s` allows hosts that are not on its list.
    void changed_for_unlisted(const subsystem& s);
    /// The referrals: for all hosts.
    void referrals_changed();

    std::size_t controllers() const noexcept { return readers_; }
    std::uint64_t refused() const noexcept { return refused_; }  ///< by admit(), ever
    /// How often a host's log was put together, ever.
    std::uint64_t pages_built() const noexcept { return pages_built_; }

  private:
    using page = discovery_page;
    using entry = std::shared_ptr<const discovery_entry>;
    using entries = std::vector<entry>;

    /// One of our addresses, where hosts ask.
    struct asked_address {
        transport_address at;
        unsigned views = 0;
        std::uint64_t changed = 0;                           ///< generation of the last change for all who ask here
        std::map<const subsystem*, entries> of_listeners{};  ///< as far as somebody has seen them
    };
    using asked_addresses = std::map<std::string, asked_address>;  ///< by their text
    /// What one host sees from one of our addresses.
    struct view {
        asked_address& from;
        unsigned readers = 0;
        entry itself{};                      ///< the discovery subsystem, as the newest reader came to it
        std::uint64_t changed = 0;           ///< generation of the last change that was not for all
        std::weak_ptr<const page> newest{};  ///< held by its readers
    };
    using view_key = std::pair<std::string, std::string>;  ///< host NQN, text of the local address
    using views = std::map<view_key, view>;
    using host_key = std::pair<std::string, std::string>;  ///< address of the host, its NQN

    static std::uint64_t generation_of(const view& v) noexcept { return std::max(v.changed, v.from.changed); }
    views::iterator view_of(const std::string& host_nqn, const transport_address& local);
    void remove(views::iterator v);
    std::shared_ptr<const page> page_of(const std::string& host_nqn, view& v);
    const entries& listeners_of(const subsystem& s, asked_address& at);
    entries describe_listeners(const subsystem& s, const transport_address& asked_at) const;
    bool lets_pass(const transport_address& listener, const transport_address& asked_at) const noexcept;
    void mark(const subsystem& s, const std::string& text, asked_address& at);
    void mark(const subsystem& s, view& of_host);
    void announce();
    static core::task<> notify(std::shared_ptr<discovery_log> self);

    const target_state& state_;
    const discovery_limits limits_;
    const discovery_filter filter_;
    asked_addresses asked_addresses_;
    views views_;
    std::map<std::string, unsigned> readers_at_;  ///< by address of the host
    std::map<host_key, unsigned> readers_of_;
    std::size_t readers_ = 0;
    std::uint64_t generation_ = 1;  ///< of the last change
    std::uint64_t refused_ = 0, pages_built_ = 0;
    bool notifying_ = false;      ///< notify() runs
    bool changed_again_ = false;  ///< since it has begun
};

/// What a discovery controller has of the log.
class discovery_log::reader {
  public:
    reader(std::shared_ptr<discovery_log> log, views::iterator seen, std::string peer);
    ~reader();
    reader(const reader&) = delete;
    reader& operator=(const reader&) = delete;

    /// At most `length` bytes of the page from `offset` on; nullopt: it is not that long. `extended`: with extended
    /// entries, which carry the labels of subsystems.
    ///
    /// From offset 0 on it is the page as it is now, and from another offset on the page that was read last from
    /// offset 0: parts of one page fit together, whatever changes meanwhile, and GENCTR, read again, tells the host.
    std::optional<std::vector<std::byte>> read(std::uint64_t offset, std::size_t length, bool extended = false);

    /// True: the log has changed since the last call, or since there is a reader.
    bool take_change() noexcept;

  private:
    const std::shared_ptr<discovery_log> log_;
    const views::iterator seen_;
    const std::string peer_;
    std::uint64_t notified_generation_;
    std::shared_ptr<const page> page_;
};

}  // namespace causeway::nvmf
