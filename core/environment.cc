// SPDX-License-Identifier: Apache-2.0
#include "core/environment.h"

#include "core/lcore_map.h"
#include "core/log.h"

#include <atomic>
#include <cassert>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fmt/ranges.h>
#include <fstream>
#include <latch>
#include <optional>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <sched.h>
#include <utility>

namespace causeway::core {

namespace {

constexpr unsigned memory_without_huge_pages_mb = 256;

std::atomic<bool> running_{false};

// What DPDK says: its first line while it starts is the reason, should it fail; later ones go to our log.

std::string first_words;
std::atomic<bool> started{false};

/// A line without its end and without the name of the program.
std::string_view trimmed(std::string_view line) noexcept {
    while (!line.empty() && (line.back() == '\n' || line.back() == ' '))
        line.remove_suffix(1);
    if (line.starts_with("EAL: "))
        line.remove_prefix(5);
    return line;
}

ssize_t take_words(void*, const char* text, std::size_t size) {
    const auto line = trimmed({text, size});
    if (line.empty())
        return static_cast<ssize_t>(size);
    if (started.load(std::memory_order_acquire))
        log::warning("DPDK: {}", line);
    else if (first_words.empty())
        first_words = line;
    return static_cast<ssize_t>(size);
}

void listen_to_dpdk() {
    cookie_io_functions_t functions{};
    functions.write = take_words;
    if (std::FILE* stream = ::fopencookie(nullptr, "w", functions)) {
        ::setvbuf(stream, nullptr, _IOLBF, 0);
        ::rte_openlog_stream(stream);
    }
    ::rte_log_set_global_level(RTE_LOG_ERR);
}

// Lcores.

/// Asks the kernel: neither the CPUs that exist nor our present affinity say what a container may use.
bool may_run_on(unsigned cpu) noexcept {
    cpu_set_t before;
    cpu_set_t wanted;
    CPU_ZERO(&wanted);
    CPU_SET(cpu, &wanted);
    if (::sched_getaffinity(0, sizeof before, &before) != 0 || ::sched_setaffinity(0, sizeof wanted, &wanted) != 0)
        return false;
    ::sched_setaffinity(0, sizeof before, &before);
    return true;
}

unsigned first_allowed_cpu() noexcept {
    unsigned cpu = 0;
    while (cpu + 1 < CPU_SETSIZE && !may_run_on(cpu))
        ++cpu;
    return cpu;
}

result<lcore_map> choose_lcores(const environment_options& o) {
    if (!o.core_mask.empty() && !o.lcores.empty())
        return fail(EINVAL, "a core mask and lcores exclude each other", o.core_mask);
    if (o.core_mask.empty() && o.lcores.empty())
        return lcore_map{{0, {first_allowed_cpu()}}};
    auto map = o.lcores.empty() ? parse_core_mask(o.core_mask) : parse_lcores(o.lcores);
    if (!map)
        return map;
    for (const auto& l : *map)
        for (unsigned cpu : l.cpus)
            if (!may_run_on(cpu))
                return fail(EINVAL, fmt::format("CPU {} does not exist, or this process may not use it", cpu),
                            o.lcores.empty() ? o.core_mask : o.lcores);
    return map;
}

// Memory.

struct memory_choice {
    bool huge;
    unsigned mb;  ///< 0: whatever is found
    std::string why;
};

std::optional<std::uint64_t> number_in(const std::filesystem::path& file) {
    std::ifstream in(file);
    std::uint64_t n;
    return in >> n ? std::optional(n) : std::nullopt;
}

/// Of all sizes together; those that others have reserved left out.
std::uint64_t free_huge_pages_mb() {
    constexpr std::string_view prefix = "hugepages-";
    std::uint64_t kb = 0;
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator("/sys/kernel/mm/hugepages", none)) {
        const std::string name = entry.path().filename();
        std::uint64_t page_kb = 0;
        if (name.starts_with(prefix))
            std::from_chars(name.data() + prefix.size(), name.data() + name.size(), page_kb);
        const std::uint64_t free = number_in(entry.path() / "free_hugepages").value_or(0);
        const std::uint64_t reserved = number_in(entry.path() / "resv_hugepages").value_or(0);
        kb += page_kb * (free > reserved ? free - reserved : 0);
    }
    return kb / 1024;
}

memory_choice choose_memory(const environment_options& o) {
    const unsigned least = o.memory_mb ? o.memory_mb : memory_without_huge_pages_mb;
    if (o.no_huge)
        return {false, least, "huge pages are disabled"};
    const std::uint64_t free = free_huge_pages_mb();
    auto why = fmt::format("{} MiB of huge pages are free, {} MiB are needed", free, least);
    if (free < least)
        return {false, least, std::move(why)};
    return {true, o.memory_mb, std::move(why)};
}

// Start.

std::vector<std::string> arguments(const environment_options& o, const lcore_map& lcores, const memory_choice& memory) {
    std::vector<std::string> args{
        o.name, "--lcores=" + to_string(lcores), "--no-pci", "--no-telemetry", "--iova-mode=va", "--log-level=error"};
    // Either way no file is shared with others: two gateways on one machine do not meet.
    if (memory.huge)
        args.push_back("--in-memory");
    else
        args.insert(args.end(), {"--no-huge", "--no-shconf"});
    if (memory.mb)
        args.insert(args.end(), {"-m", std::to_string(memory.mb)});
    return args;
}

result<> start_dpdk(std::vector<std::string> args) {
    std::vector<char*> argv;
    for (auto& a : args)
        argv.push_back(a.data());
    listen_to_dpdk();
    if (::rte_eal_init(static_cast<int>(argv.size()), argv.data()) < 0) {
        const int code = rte_errno ? rte_errno : EIO;
        return fail(code, "cannot start DPDK: " + (first_words.empty() ? std::strerror(code) : first_words));
    }
    started.store(true, std::memory_order_release);
    return {};
}

}  // namespace

result<environment> environment::start(const environment_options& options) {
    const auto lcores = choose_lcores(options);
    if (!lcores)
        return tl::make_unexpected(lcores.error());
    const auto memory = choose_memory(options);
    if (auto r = start_dpdk(arguments(options, *lcores, memory)); !r)
        return tl::make_unexpected(r.error());

    environment e;
    e.owner_ = true;
    e.huge_pages_ = memory.huge;
    e.lcores_ = {::rte_get_main_lcore()};
    unsigned id;
    RTE_LCORE_FOREACH_WORKER(id)
    e.lcores_.push_back(id);
    for (unsigned l : e.lcores_)
        for (const auto& wanted : *lcores)
            if (wanted.id == l)
                e.cpus_.push_back(wanted.cpus.front());
    running_.store(true, std::memory_order_release);
    log::notice("lcores on CPUs {}; memory from {} ({})", fmt::join(e.cpus_, ","),
                memory.huge ? std::string("huge pages") : fmt::format("{} MiB of ordinary pages", memory.mb),
                memory.why);
    return e;
}

environment::environment(environment&& other) noexcept
    : cpus_(std::move(other.cpus_)), lcores_(std::move(other.lcores_)), huge_pages_(other.huge_pages_),
      owner_(std::exchange(other.owner_, false)) {}

environment::~environment() {
    if (!owner_)
        return;
    running_.store(false, std::memory_order_release);
    ::rte_eal_cleanup();
}

bool environment::running() noexcept {
    return running_.load(std::memory_order_acquire);
}

void environment::run_on_all(const std::function<void(unsigned)>& f) const {
    struct job {
        const std::function<void(unsigned)>& f;
        std::latch& returned;
        unsigned index;
    };
    // DPDK waits for its lcores, too, but by means that ThreadSanitizer cannot see.
    std::latch returned(static_cast<std::ptrdiff_t>(lcores_.size()));
    std::vector<job> jobs;
    for (unsigned i = 0; i < lcores_.size(); ++i)
        jobs.push_back({f, returned, i});
    const auto run = [](void* p) {
        const auto& j = *static_cast<const job*>(p);
        j.f(j.index);
        j.returned.count_down();
        return 0;
    };
    for (std::size_t i = 1; i < lcores_.size(); ++i) {
        [[maybe_unused]] const int busy = ::rte_eal_remote_launch(run, &jobs[i], lcores_[i]);
        assert(!busy);
    }
    run(&jobs[0]);
    returned.wait();
    ::rte_eal_mp_wait_lcore();
}

}  // namespace causeway::core
