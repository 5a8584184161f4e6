// SPDX-License-Identifier: Apache-2.0
#include "tests/softrdma/verbs/record.h"

#include "tests/softrdma/record_output.h"
#include "tests/softrdma/verbs/process.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <vector>

namespace softrdma::record {

namespace {

constexpr std::size_t counts = static_cast<std::size_t>(count::number_of_counts);

constexpr std::array<const char*, counts> names = {
    "send",
    "send_bytes",
    "send_with_invalidate",
    "rdma_write",
    "rdma_write_bytes",
    "rdma_read",
    "rdma_read_bytes",
    "post_recv",
    "recv",
    "recv_bytes",
    "send_doorbell",
    "recv_doorbell",
    "poll_cq",
    "poll_cq_empty",
    "completion",
    "req_notify_cq",
    "cq_event",
    "rnr",
    "no_answer",
    "error",
    "flushed",
    "fault",
    "queue_full",
    "cq_could_overrun",
};

/// A thread's own, so that counting shares no cache line. Never freed: the sum is over threads that have ended, too.
struct alignas(64) block {
    std::array<std::atomic<std::uint64_t>, counts> values{};
};

struct registry {
    std::mutex mutex;
    std::vector<block*> blocks;
    std::vector<std::string> violations;
    std::uint64_t violation_count = 0;
    bool strict = false;
};

registry& all() {
    static auto* r = new registry;
    return *r;
}

constexpr std::size_t max_listed = 100;

block& mine() noexcept {
    thread_local block* b = [] {
        auto* made = new block;
        std::lock_guard hold(all().mutex);
        all().blocks.push_back(made);
        return made;
    }();
    return *b;
}

/// What the program has made and not destroyed.
std::string open_objects() {
    process* const p = process::if_any();
    if (!p)
        return "";
    const std::pair<const char*, places*> kinds[] = {{"qp", &p->queue_pair_places},
                                                     {"cq", &p->completion_queue_places},
                                                     {"srq", &p->srq_places},
                                                     {"comp_channel", &p->channel_places},
                                                     {"mr", &p->region_places}};
    std::string out;
    for (const auto& [name, kind] : kinds)
        if (const std::size_t n = kind->in_use())
            out += std::string("open_") + name + " " + std::to_string(n) + "\n";
    return out;
}

/// REQUIRES: the registry's mutex.
std::uint64_t sum(const registry& r, std::size_t what) {
    std::uint64_t n = 0;
    for (const block* b : r.blocks)
        n += b->values[what].load(std::memory_order_relaxed);
    return n;
}

}  // namespace

void start() {
    static std::once_flag once;
    std::call_once(once, [] {
        all().strict = setting("SOFTRDMA_STRICT") == "1";
        std::atexit([] { write_record(text()); });
    });
}

void add(count what, std::uint64_t n) noexcept {
    auto& value = mine().values[static_cast<std::size_t>(what)];
    value.store(value.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

void violation(const std::string& what) {
    registry& r = all();
    {
        std::lock_guard hold(r.mutex);
        if (++r.violation_count <= max_listed) {
            r.violations.push_back(what);
            std::fprintf(stderr, "softrdma: violation: %s\n", what.c_str());
        }
    }
    if (r.strict)
        std::abort();
}

std::uint64_t value(std::string_view name) {
    registry& r = all();
    std::lock_guard hold(r.mutex);
    if (name == "violations")
        return r.violation_count;
    const auto found = std::find(names.begin(), names.end(), name);
    return found == names.end() ? 0 : sum(r, static_cast<std::size_t>(found - names.begin()));
}

std::string text() {
    registry& r = all();
    std::lock_guard hold(r.mutex);
    std::string out;
    for (std::size_t i = 0; i < counts; ++i) {
        if (const std::uint64_t n = sum(r, i))
            out += std::string(names[i]) + " " + std::to_string(n) + "\n";
    }
    out += open_objects();
    out += "violations " + std::to_string(r.violation_count) + "\n";
    for (const std::string& v : r.violations)
        out += "violation: " + v + "\n";
    return out;
}

}  // namespace softrdma::record
