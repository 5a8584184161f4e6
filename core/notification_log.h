// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>

namespace causeway::core {

/// What a gateway reports to clients that ask for it from time to time.
enum class notification_type : std::uint8_t {
    bdev_register,    ///< a device is there. Context: its name
    bdev_unregister,  ///< it is being removed. Context: its name
    bdev_shrink,      ///< it has become smaller. Context: its name, its bytes before and now, with commas between
    host_keepalive_timeout,  ///< a host was disconnected. Context: its NQN, the subsystem's, its KATO in ms, with `_`
};
inline constexpr notification_type notification_types[] = {
    notification_type::bdev_register, notification_type::bdev_unregister, notification_type::bdev_shrink,
    notification_type::host_keepalive_timeout};

/// The last notifications, each with a number that no other one of this process has. Control reactor.
class notification_log {
  public:
    /// As many as SPDK's target keeps, and no more text than this; the oldest ones make room.
    static constexpr std::size_t capacity = 1024;
    static constexpr std::size_t max_bytes = std::size_t{1} << 19;

    struct entry {
        std::uint64_t id;
        notification_type type;
        std::string context;
    };

    /// Of hosts, at most half of it: one that comes and falls silent again and again hides nothing of the devices.
    void add(notification_type type, std::string context) {
        all_.count(context, +1);
        if (is_of_host(type))
            hosts_.count(context, +1);
        entries_.push_back({next_id_++, type, std::move(context)});
        while (hosts_.entries > capacity / 2 || hosts_.bytes > max_bytes / 2)
            remove(std::ranges::find_if(entries_, [](const entry& e) { return is_of_host(e.type); }));
        while (all_.entries > capacity || all_.bytes > max_bytes)
            remove(entries_.begin());
    }
    /// In the order of their numbers.
    const std::deque<entry>& all() const noexcept { return entries_; }

  private:
    struct usage {
        std::size_t entries = 0, bytes = 0;  ///< of the contexts

        void count(const std::string& context, int direction) noexcept {
            entries += static_cast<std::size_t>(direction);
            bytes += direction > 0 ? context.size() : -context.size();
        }
    };
    static bool is_of_host(notification_type t) noexcept { return t == notification_type::host_keepalive_timeout; }
    void remove(std::deque<entry>::iterator it) {
        all_.count(it->context, -1);
        if (is_of_host(it->type))
            hosts_.count(it->context, -1);
        entries_.erase(it);
    }

    std::uint64_t next_id_ = 0;
    usage all_, hosts_;
    std::deque<entry> entries_;
};

/// This process's, as its log is: whoever finds something out adds it here. Control reactor.
notification_log& notifications();

}  // namespace causeway::core
