// SPDX-License-Identifier: Apache-2.0
#pragma once

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

    void add(notification_type type, std::string context) {
        bytes_ += context.size();
        entries_.push_back({next_id_++, type, std::move(context)});
        while (entries_.size() > capacity || bytes_ > max_bytes) {
            bytes_ -= entries_.front().context.size();
            entries_.pop_front();
        }
    }
    /// In the order of their numbers.
    const std::deque<entry>& all() const noexcept { return entries_; }

  private:
    std::uint64_t next_id_ = 0;
    std::size_t bytes_ = 0;  ///< of all contexts
    std::deque<entry> entries_;
};

/// This process's, as its log is: whoever finds something out adds it here. Control reactor.
notification_log& notifications();

}  // namespace causeway::core
