// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fmt/format.h>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace causeway::core::log {

/// The log levels of SPDK's target, by their names there.
enum class level : std::uint8_t { error, warning, notice, info, debug };

std::optional<level> level_from(std::string_view name) noexcept;  ///< "NOTICE", in any case
std::string_view to_string(level l) noexcept;

/// What is logged at all, and what of it goes to stderr. Any thread.
void set_level(level l) noexcept;
level get_level() noexcept;
void set_print_level(level l) noexcept;
level get_print_level() noexcept;
void set_timestamps(bool on);

/// A component whose trace points (core/trace.h) can be enabled by name (`-L nvmf`, log_set_flag). Static storage.
class flag {
  public:
    explicit flag(std::string_view name) noexcept;
    std::string_view name() const noexcept { return name_; }
    bool on() const noexcept { return on_.load(std::memory_order_relaxed); }

    static std::vector<flag*>& all();
    /// "all" means every flag. False: no such flag.
    static bool set(std::string_view name, bool on);

  private:
    std::string_view name_;
    std::atomic<bool> on_{false};
};

/// So much waits for a log that is not read: messages, and besides them lines of trace points. What comes then is lost,
/// and the log says how much as soon as it is read again.
inline constexpr std::size_t max_pending_bytes = std::size_t{1} << 20;
inline constexpr std::size_t max_pending_trace_bytes = std::size_t{4} << 20;

/// Any thread; never waits for the log, which a thread of its own writes. One line: control characters are shown as
/// `\x0a`.
void write(level l, std::string_view text);
/// The line of a trace point, whatever the levels are; empty: there was no memory for it. For core/trace.cc.
void write_trace(std::string text);
/// Waits until all lines so far are in the log; a process that ends does it by itself. Not on a reactor. False: they
/// were not after a second.
bool flush();

template <class... Args>
void error(fmt::format_string<Args...> f, Args&&... args) {
    write(level::error, fmt::format(f, std::forward<Args>(args)...));
}
template <class... Args>
void warning(fmt::format_string<Args...> f, Args&&... args) {
    if (get_level() >= level::warning)
        write(level::warning, fmt::format(f, std::forward<Args>(args)...));
}
template <class... Args>
void notice(fmt::format_string<Args...> f, Args&&... args) {
    if (get_level() >= level::notice)
        write(level::notice, fmt::format(f, std::forward<Args>(args)...));
}
template <class... Args>
void info(fmt::format_string<Args...> f, Args&&... args) {
    if (get_level() >= level::info)
        write(level::info, fmt::format(f, std::forward<Args>(args)...));
}
/// For messages that a peer can provoke: at most ten a second pass; what was held back is counted and said
/// with the next one that passes. Static storage, any thread.
class limiter {
  public:
    /// True: log now. `held_back` is how many have been swallowed since the last one that passed.
    bool pass(std::uint64_t& held_back) noexcept;

  private:
    std::atomic<std::uint64_t> state_{0};  ///< the second, and how many have passed in it
    std::atomic<std::uint64_t> held_back_{0};
};

/// A warning that a peer has caused.
template <class... Args>
void peer_warning(limiter& l, fmt::format_string<Args...> f, Args&&... args) {
    std::uint64_t held_back = 0;
    if (get_level() < level::warning || !l.pass(held_back))
        return;
    auto text = fmt::format(f, std::forward<Args>(args)...);
    if (held_back)
        text += fmt::format(" ({} similar messages held back)", held_back);
    write(level::warning, text);
}

}  // namespace causeway::core::log
