// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/reactor_group.h"
#include "core/result.h"

#include <sched.h>
#include <string_view>
#include <vector>

namespace causeway::ceph {

/// The CPUs for the threads of a librados client. librados and librbd start threads whenever they like, and a thread
/// starts where its maker runs: so every call that may start some is made within a `scoped_cpus`.

/// "0x6", or "[1,2]". EINVAL, also for a CPU that this process has not. REQUIRES: not on a reactor, for it moves the
/// thread.
core::result<cpu_set_t> cpus_from_mask(std::string_view core_mask);
/// All but these, the reactors'; all, if that would leave fewer than two. REQUIRES: not on a reactor, for it moves the
/// thread.
cpu_set_t cpus_beside(const std::vector<unsigned>& reactors);
std::vector<unsigned> cpus_of(const core::reactor_group& reactors);

/// Keeps the calling thread, and the threads that it starts, on `cpus` while it lives.
class scoped_cpus {
  public:
    explicit scoped_cpus(const cpu_set_t& cpus) noexcept;
    scoped_cpus(const scoped_cpus&) = delete;
    scoped_cpus& operator=(const scoped_cpus&) = delete;
    ~scoped_cpus();

  private:
    cpu_set_t before_;
};

}  // namespace causeway::ceph
