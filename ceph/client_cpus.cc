// SPDX-License-Identifier: Apache-2.0
#include "ceph/client_cpus.h"

#include "core/lcore_map.h"

#include <pthread.h>

namespace causeway::ceph {

namespace {

/// The CPUs that this process may use at all. Moves the calling thread for a moment.
cpu_set_t usable_cpus() {
    // All there could be, so that the kernel takes away what there is not.
    cpu_set_t set, before;
    CPU_ZERO(&set);
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu)
        CPU_SET(cpu, &set);
    ::pthread_getaffinity_np(::pthread_self(), sizeof before, &before);
    ::pthread_setaffinity_np(::pthread_self(), sizeof set, &set);
    ::pthread_getaffinity_np(::pthread_self(), sizeof set, &set);
    ::pthread_setaffinity_np(::pthread_self(), sizeof before, &before);
    return set;
}

}  // namespace

core::result<cpu_set_t> cpus_from_mask(std::string_view core_mask) {
    const cpu_set_t usable = usable_cpus();
    const auto map = core::parse_core_mask(core_mask);
    if (!map)
        return tl::make_unexpected(map.error());
    cpu_set_t set;
    CPU_ZERO(&set);
    for (const core::lcore& l : *map)
        for (unsigned cpu : l.cpus) {
            if (cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, &usable))
                return core::fail(EINVAL,
                                  "CPU " + std::to_string(cpu) + " is not there, or not for this process: name others",
                                  core_mask);
            CPU_SET(cpu, &set);
        }
    return set;
}

std::vector<unsigned> cpus_of(const core::reactor_group& reactors) {
    std::vector<unsigned> cpus;
    for (const auto& r : reactors)
        cpus.push_back(r->cpu());
    return cpus;
}

cpu_set_t cpus_beside(const std::vector<unsigned>& reactors) {
    const cpu_set_t set = usable_cpus();
    cpu_set_t beside = set;
    for (unsigned cpu : reactors)
        CPU_CLR(cpu, &beside);
    constexpr int least = 2;  // a client's messenger and its completions work at the same time
    return CPU_COUNT(&beside) >= least ? beside : set;
}

scoped_cpus::scoped_cpus(const cpu_set_t& cpus) noexcept {
    ::pthread_getaffinity_np(::pthread_self(), sizeof before_, &before_);
    ::pthread_setaffinity_np(::pthread_self(), sizeof cpus, &cpus);
}

scoped_cpus::~scoped_cpus() {
    ::pthread_setaffinity_np(::pthread_self(), sizeof before_, &before_);
}

}  // namespace causeway::ceph
