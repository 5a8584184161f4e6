// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace softrdma::record {

/// What is counted. `record.cc` has the words.
enum class count : unsigned {
    sends,
    send_bytes,
    sends_with_invalidate,
    writes,
    write_bytes,
    reads,
    read_bytes,
    receives_posted,
    receives_completed,
    receive_bytes,
    send_doorbells,
    receive_doorbells,
    polls,
    empty_polls,
    completions,
    armed,
    events,
    receiver_not_ready,
    no_answer,
    errors,
    flushed,
    faults,
    queue_full,
    cq_could_overrun,
    number_of_counts
};

/// Reads the environment, and prints at exit.
void start();

void add(count what, std::uint64_t n = 1) noexcept;

/// A wrong use of verbs, which hardware may let pass and may not. Said at once, counted, and listed at exit; with
/// SOFTRDMA_STRICT the end of the process.
void violation(const std::string& what);

/// The value of one of these lines, 0 if there is none.
std::uint64_t value(std::string_view name);

/// All counts and violations as lines of "name value".
std::string text();

}  // namespace softrdma::record
