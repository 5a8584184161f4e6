// SPDX-License-Identifier: Apache-2.0
#include "core/log.h"

#include "core/log_flag_aliases.h"
#include "core/log_writer.h"
#include "core/printable.h"

#include <algorithm>
#include <cctype>
#include <ctime>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

namespace causeway::core::log {

namespace {

constexpr std::pair<level, std::string_view> names[] = {
    {level::error, "ERROR"}, {level::warning, "WARNING"}, {level::notice, "NOTICE"},
    {level::info, "INFO"},   {level::debug, "DEBUG"},
};

constexpr auto with_time = "[%Y-%m-%d %H:%M:%S.%f] %v";
constexpr auto without_time = "%v";

std::atomic<level> level_{level::notice};
std::atomic<level> print_level_{level::info};  // what is logged at all is printed, as by SPDK's target

spdlog::logger* make_sink(const char* pattern) {
    auto* l = new spdlog::logger("causeway", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    l->set_level(spdlog::level::trace);  // we choose ourselves
    l->set_pattern(pattern);
    return l;
}

/// Never destroyed: what ends late in the process may still have something to say.
spdlog::logger& sink() {
    static auto* const logger = make_sink(with_time);
    return *logger;
}

/// Its lines have their time themselves.
spdlog::logger& json_sink() {
    static auto* const logger = make_sink(without_time);
    return *logger;
}

std::uint64_t seconds() noexcept {
    timespec t;
    ::clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return static_cast<std::uint64_t>(t.tv_sec);
}

}  // namespace

std::optional<level> level_from(std::string_view name) noexcept {
    const auto same = [](char a, char b) { return std::toupper(static_cast<unsigned char>(a)) == b; };
    for (const auto& [l, text] : names)
        if (std::equal(name.begin(), name.end(), text.begin(), text.end(), same))
            return l;
    return std::nullopt;
}

std::string_view to_string(level l) noexcept {
    for (const auto& [known, text] : names)
        if (known == l)
            return text;
    return {};
}

void set_level(level l) noexcept {
    level_.store(l, std::memory_order_relaxed);
}
level get_level() noexcept {
    return level_.load(std::memory_order_relaxed);
}
void set_print_level(level l) noexcept {
    print_level_.store(l, std::memory_order_relaxed);
}
level get_print_level() noexcept {
    return print_level_.load(std::memory_order_relaxed);
}
void set_timestamps(bool on) {
    sink().set_pattern(on ? with_time : without_time);
}

flag::flag(std::string_view name) noexcept : name_(name) {
    all().push_back(this);
}

std::vector<flag*>& flag::all() {
    static std::vector<flag*> flags;
    return flags;
}

bool flag::set(std::string_view name, bool on) {
    for (const auto& [alias, of] : flag_aliases)
        if (name == alias)
            name = of;
    bool found = name == "all";
    for (flag* f : all()) {
        if (name != "all" && name != f->name_)
            continue;
        f->on_.store(on, std::memory_order_relaxed);
        found = true;
    }
    return found;
}

void write_line(std::chrono::system_clock::time_point at, const entry& e) {
    if (get_format() == format::json)
        return json_sink().log(at, spdlog::source_loc{}, spdlog::level::critical, to_json(at, e));
    // Names that peers chose stand in messages.
    std::string line = fmt::format("{}: {}", to_string(e.l), is_printable(e.text) ? e.text : printable(e.text));
    if (e.event)
        line += fmt::format(" [{}]", e.event->id);
    sink().log(at, spdlog::source_loc{}, spdlog::level::critical, line);
}

void write(level l, std::string_view text) {
    if (l <= get_level() && l <= get_print_level())
        writer::get().add(writer::kind::message, {l, std::string(text)});
}

void write_trace(std::string text) {
    // Its flag is on, and that is switch enough.
    writer::get().add(writer::kind::trace, {level::debug, std::move(text), nullptr, {}, true});
}

bool flush() {
    return writer::get().flush();
}

bool limiter::pass(std::uint64_t& held_back) noexcept {
    constexpr std::uint64_t most = 10;
    constexpr unsigned count_bits = 8;  // of state_; the second of the window stands above them
    constexpr std::uint64_t count_mask = (1u << count_bits) - 1;
    const std::uint64_t window = seconds() << count_bits;

    std::uint64_t seen = state_.load(std::memory_order_relaxed);
    std::uint64_t next;
    do {
        if ((seen & ~count_mask) != window) {
            next = window + 1;
        } else if ((seen & count_mask) < most) {
            next = seen + 1;
        } else {
            held_back_.fetch_add(1, std::memory_order_relaxed);
            return false;
        }
    } while (!state_.compare_exchange_weak(seen, next, std::memory_order_relaxed));
    held_back = held_back_.exchange(0, std::memory_order_relaxed);
    return true;
}

}  // namespace causeway::core::log
