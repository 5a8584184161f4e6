// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/log.h"

#include <concepts>
#include <cstdint>
#include <fmt/format.h>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

/// The log lines that an operator acts on. Each has an id that stays the same from release to release, and an entry in
/// docs/events.md, which is made of the table in log_event.cc.
namespace causeway::core::log {

/// In the order of their ids.
enum class event : std::uint8_t {
    connect_refused,
    keep_alive_timeout,
    authentication_failed,
    tls_failed,
    image_lost,
    cluster_silent,
    image_io_failed,
    gateway_fenced,
    image_inaccessible,
    cluster_unreachable,
    cluster_call_hangs,
    predecessor_not_fenced,
    other_gateway_fenced,
    reservation_unconfirmed,
    configuration_call_failed,
    state_not_stored,
    reactor_stalled,
    rdma_device_lost,
    rdma_address_lost,
    descriptors_exhausted,
    pending_connection_evicted,
    ssd_failed,
    ssd_reset,
    ssd_health_changed,
};

struct event_info {
    event which;
    std::string_view id;  ///< "CW201": never given to another event, even after this one is gone
    level severity;
    std::string_view component;  ///< the folder that logs it, as its trace points' flag is called where it has one
    std::string_view meaning;    ///< sentences; what has happened, and what the gateway does about it by itself
    std::string_view cure;       ///< sentences; what the operator does about it
};

/// All events, in the order of `event`. Any thread.
std::span<const event_info> events() noexcept;
const event_info& info_of(event e) noexcept;

/// How lines are written. Any thread.
enum class format : std::uint8_t {
    text,  ///< "[2026-01-31 12:00:00.000000] WARNING: text [CW201]"
    json,  ///< one object per line, always with its time: see docs/events.md
};
void set_format(format f) noexcept;
format get_format() noexcept;

/// A part of an event that a program looks for: what the text says in words. Only the JSON format shows it. Refers to
/// what it was made of.
class field {
  public:
    field(std::string_view name, std::string_view text) noexcept : name_(name), text_(text) {}
    field(std::string_view name, std::integral auto number) noexcept
        : name_(name), number_(static_cast<std::int64_t>(number)), is_number_(true) {}

    /// `"name":"text"`, or `"name":5`.
    void append_to(std::string& out) const;

  private:
    std::string_view name_, text_;
    std::int64_t number_ = 0;
    bool is_number_ = false;
};
using fields = std::initializer_list<field>;

/// Whether the levels let the event through.
bool is_logged(event e) noexcept;
/// As write(): any thread; never waits for the log.
void write_event(event e, fields with, std::string_view text);

/// Logs the event. Any thread.
template <class... Args>
void report(event e, fields with, fmt::format_string<Args...> f, Args&&... args) {
    if (is_logged(e))
        write_event(e, with, fmt::format(f, std::forward<Args>(args)...));
}

/// An event that a peer has caused; see peer_warning().
template <class... Args>
void peer_report(limiter& l, event e, fields with, fmt::format_string<Args...> f, Args&&... args) {
    std::uint64_t held_back = 0;
    if (!is_logged(e) || !l.pass(held_back))
        return;
    auto text = fmt::format(f, std::forward<Args>(args)...);
    if (held_back)
        text += fmt::format(" ({} similar messages held back)", held_back);
    write_event(e, with, text);
}

}  // namespace causeway::core::log
