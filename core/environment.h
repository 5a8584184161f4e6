// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"

#include <functional>
#include <string>
#include <vector>

namespace causeway::core {

struct environment_options {
    std::string core_mask;   ///< `-m`: "0x3" or "[0,2-3]"; empty with no `lcores`: the first CPU
    std::string lcores;      ///< `--lcores`, DPDK's syntax; excludes core_mask
    bool no_huge = false;    ///< false: huge pages if there are enough, and the log says which
    unsigned memory_mb = 0;  ///< `-s`; 0: as much as is found, or 256 MiB without huge pages
    std::string name = "causeway";
};

/// DPDK's environment: lcores, huge pages, later PCI devices. One per process.
class environment {
  public:
    /// REQUIRES: called once, on the main thread, which becomes the main lcore and is pinned from then on,
    /// with every thread that it makes. A bad mask, or a CPU that is not there, is EINVAL, and DPDK has not
    /// been touched.
    static result<environment> start(const environment_options& options);
    environment(environment&& other) noexcept;
    environment& operator=(environment&&) = delete;
    ~environment();

    static bool running() noexcept;

    /// The CPUs of the lcores, the main one first. Lcores may share a CPU: then it stands here more than
    /// once.
    const std::vector<unsigned>& cpus() const noexcept { return cpus_; }
    bool huge_pages() const noexcept { return huge_pages_; }

    /// Runs `f(i)` on the lcore of cpus()[i], on all of them at once, the main thread taking i = 0; returns
    /// when all have returned.
    void run_on_all(const std::function<void(unsigned)>& f) const;

  private:
    environment() = default;
    std::vector<unsigned> cpus_;
    std::vector<unsigned> lcores_;  ///< their numbers in DPDK, in the same order
    bool huge_pages_ = false;
    bool owner_ = false;
};

}  // namespace causeway::core
