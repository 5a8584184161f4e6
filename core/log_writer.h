// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/log_event.h"

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace causeway::core::log {

/// What is written as one line.
struct entry {
    level l;
    std::string text;
    const event_info* event = nullptr;  ///< nullptr: a message that is no event
    std::string members;                ///< of its fields, as JSON: `"device":"vm17","error":5`; or empty
    bool is_trace = false;              ///< "component: text"
};

/// Lines that wait for stderr, and the thread that writes them, so that a log that nobody reads blocks no reactor. A
/// bounded number of bytes waits; what comes then is lost and counted, and the log says so as soon as it is read again.
/// Messages and trace points have bounds of their own: what is traced displaces no error. For log.cc.
class writer {
  public:
    enum class kind : std::uint8_t { message, trace };

    /// Never destroyed: a reactor may log until the process ends.
    static writer& get();

    /// Any thread. Waits for a few instructions of another thread at most. An empty text: there was no memory for it.
    void add(kind k, entry e);
    /// Waits until all lines so far are written. Not on a reactor. False: they were not after a second.
    bool flush();

  private:
    using log_clock = std::chrono::system_clock;
    struct line {
        log_clock::time_point at;
        entry what;
    };
    struct pending {
        std::size_t bytes = 0;
        std::uint64_t lost = 0;
    };
    static constexpr std::size_t kinds = 2;
    static constexpr std::array<std::size_t, kinds> bounds{max_pending_bytes, max_pending_trace_bytes};

    writer();
    [[noreturn]] void run();
    void end();
    bool has_lost() const noexcept { return pending_[0].lost || pending_[1].lost; }

    std::mutex mutex_;  ///< held for a few instructions; never while something is written
    std::condition_variable wanted_, idle_;
    std::vector<line> waiting_;
    std::array<pending, kinds> pending_;  ///< by kind
    bool writing_ = false;
    bool has_thread_ = false;  ///< else lines are written by whoever has them: there is no thread yet, or no longer
};

/// Writes the line to stderr, and waits for that.
void write_line(std::chrono::system_clock::time_point at, const entry& e);

/// Appends the text as a string of JSON, what cannot be printed in hexadecimal as in all lines.
void append_json(std::string& out, std::string_view text);
/// The line as an object of JSON.
std::string to_json(std::chrono::system_clock::time_point at, const entry& e);

}  // namespace causeway::core::log
