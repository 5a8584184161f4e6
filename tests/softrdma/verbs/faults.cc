// SPDX-License-Identifier: Apache-2.0
#include "tests/softrdma/verbs/faults.h"

#include "tests/softrdma/settings.h"
#include "tests/softrdma/verbs/device.h"
#include "tests/softrdma/verbs/process.h"
#include "tests/softrdma/verbs/queue_pair.h"
#include "tests/softrdma/verbs/record.h"

#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <mutex>
#include <unistd.h>
#include <vector>

namespace softrdma::faults {

namespace {

using std::chrono::nanoseconds;

struct chance {
    double probability = 0;
    nanoseconds from{0}, to{0};
};

struct rules {
    std::uint64_t seed = 1;
    chance delay, late;
    double rnr = 0;
    std::uint64_t rnr_left = 0;
    std::uint64_t break_at = 0, die_at = 0, remove_at = 0;
    std::uint32_t remove_device = 0;
};

std::mutex mutex;
rules current;
std::uint64_t operations = 0;
std::uint64_t epoch = 1;  ///< changes with the seed
std::atomic<bool> active{false};
std::atomic<bool> held{false};

std::vector<std::string_view> words(std::string_view text) {
    std::vector<std::string_view> all;
    while (true) {
        const auto begin = text.find_first_not_of(" \t\r\n");
        if (begin == text.npos)
            return all;
        text.remove_prefix(begin);
        const auto end = std::min(text.find_first_of(" \t\r\n"), text.size());
        all.push_back(text.substr(0, end));
        text.remove_prefix(end);
    }
}

template <class T>
bool number(std::string_view text, T& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc() && end == text.data() + text.size();
}

bool duration(std::string_view text, nanoseconds& out) {
    const auto unit = text.find_first_not_of("0123456789");
    std::int64_t n;
    if (unit == text.npos || !number(text.substr(0, unit), n))
        return false;
    const std::string_view u = text.substr(unit);
    const std::int64_t factor = u == "ns"   ? 1
                                : u == "us" ? 1'000
                                : u == "ms" ? 1'000'000
                                : u == "s"  ? 1'000'000'000
                                            : 0;
    out = nanoseconds(n * factor);
    return factor != 0;
}

bool range(std::string_view text, chance& out) {
    const auto dots = text.find("..");
    if (dots == text.npos)
        return duration(text, out.from) && duration(text, out.to);
    return duration(text.substr(0, dots), out.from) && duration(text.substr(dots + 2), out.to) && out.from <= out.to;
}

bool probability(std::string_view text, double& out) {
    return number(text, out) && out >= 0 && out <= 1;
}

bool is_device(std::string_view text, std::uint32_t& out) {
    return number(text, out) && out < static_cast<std::uint32_t>(device_count());
}

nanoseconds draw_from(std::mt19937_64& random, const chance& c) {
    if (c.probability == 0 || std::uniform_real_distribution<>()(random) >= c.probability)
        return nanoseconds(0);
    return nanoseconds(std::uniform_int_distribution<std::int64_t>(c.from.count(), c.to.count())(random));
}

}  // namespace

void start() {
    const std::string text = setting("SOFTRDMA_FAULTS");
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find(';', begin), text.size());
        const std::string rule = text.substr(begin, end - begin);
        if (const std::string wrong = apply(rule); !wrong.empty())
            std::fprintf(stderr, "softrdma: SOFTRDMA_FAULTS: '%s': %s\n", rule.c_str(), wrong.c_str());
        begin = end + 1;
    }
}

std::string apply(std::string_view rule) {
    const auto w = words(rule);
    if (w.empty())
        return "";
    const auto what = w[0];
    std::unique_lock hold(mutex);
    rules next = current;
    std::uint32_t device = 0;
    std::uint64_t n = 0;
    if (what == "seed" && w.size() == 2 && number(w[1], next.seed)) {
        ++epoch;
    } else if (what == "delay" && w.size() == 3 && probability(w[1], next.delay.probability) &&
               range(w[2], next.delay)) {
    } else if (what == "late" && w.size() == 3 && probability(w[1], next.late.probability) && range(w[2], next.late)) {
    } else if (what == "rnr" && (w.size() == 2 || (w.size() == 3 && number(w[2], n))) && probability(w[1], next.rnr)) {
        next.rnr_left = w.size() == 3 ? n : ~std::uint64_t{0};
    } else if (what == "break" && w.size() == 2 && number(w[1], n) && n > 0) {
        next.break_at = operations + n;
    } else if (what == "die" && w.size() == 2 && number(w[1], n) && n > 0) {
        next.die_at = operations + n;
    } else if (what == "remove" && w.size() == 3 && is_device(w[1], device) && number(w[2], n) && n > 0) {
        next.remove_at = operations + n;
        next.remove_device = device;
    } else if (what == "remove" && w.size() == 2 && is_device(w[1], device)) {
        hold.unlock();
        remove_device(device);
        return "";
    } else if (what == "port" && w.size() == 3 && is_device(w[1], device) && (w[2] == "down" || w[2] == "up")) {
        hold.unlock();
        set_port(device, w[2] == "up");
        return "";
    } else if ((what == "hold" || what == "release") && w.size() == 1) {
        held = what == "hold";
        hold.unlock();
        if (!held && process::if_any())
            resume_all();
        return "";
    } else if (what == "clear" && w.size() == 1) {
        next = {.seed = current.seed};
    } else {
        return "not a rule; see the README of softrdma";
    }
    current = next;
    active = current.delay.probability || current.late.probability || current.rnr || current.break_at ||
             current.die_at || current.remove_at;
    return "";
}

bool any() noexcept {
    return active.load(std::memory_order_relaxed);
}

bool holding() noexcept {
    return held.load(std::memory_order_relaxed);
}

fate draw(lot& from, std::uint64_t order) {
    fate f;
    std::unique_lock hold(mutex);
    if (from.epoch != epoch) {
        std::seed_seq seed{current.seed, order};
        from.random.seed(seed);
        from.epoch = epoch;
    }
    ++operations;
    f.delay = draw_from(from.random, current.delay);
    f.late = draw_from(from.random, current.late);
    if (current.rnr_left > 0 && std::uniform_real_distribution<>()(from.random) < current.rnr) {
        --current.rnr_left;
        f.no_receive = true;
    }
    f.broken = operations == current.break_at;
    if (operations == current.die_at)
        ::kill(::getpid(), SIGKILL);
    if (operations == current.remove_at)
        process::self().work().post([device = current.remove_device] { remove_device(device); });
    hold.unlock();
    if (f.delay.count() || f.late.count() || f.no_receive || f.broken)
        record::add(record::count::faults);
    return f;
}

}  // namespace softrdma::faults
