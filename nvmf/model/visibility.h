// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/async_mutex.h"
#include "nvmf/model/visible_hosts.h"

#include <cstdint>
#include <memory>

namespace causeway::nvmf {

class controller;
class nvm_namespace;

/// Which hosts see one namespace, and the change of that. Control reactor.
///
/// A change is made on every core before it is complete. Meanwhile Identify and the logs show the namespace to hosts
/// that see it before and after, so that no host is shown what its I/O commands cannot reach yet.
class visibility {
  public:
    explicit visibility(visible_hosts hosts) : hosts_(std::make_shared<const visible_hosts>(std::move(hosts))) {}

    const visible_hosts& hosts() const noexcept { return *hosts_; }
    const std::shared_ptr<const visible_hosts>& shared_hosts() const noexcept { return hosts_; }
    bool shows_to(std::uint64_t host_number) const noexcept {
        return hosts_->contains(host_number) && (!next_ || next_->contains(host_number));
    }

    // ---- Changes, one at a time, as `namespaces` makes them: begin() ... complete().

    core::async_mutex& changes() noexcept { return changes_; }
    void begin(std::shared_ptr<const visible_hosts> next) noexcept { next_ = std::move(next); }
    void complete() noexcept { hosts_ = std::move(next_); }

  private:
    std::shared_ptr<const visible_hosts> hosts_;
    std::shared_ptr<const visible_hosts> next_;  ///< nullptr: no change is under way
    core::async_mutex changes_;
};

/// Whether the host of `c` sees `ns`: it is active, and not masked for that host.
bool visible(const controller& c, const nvm_namespace& ns) noexcept;
/// The namespace `nsid` of the subsystem of `c`; nullptr: it is inactive for the host of `c`, or there is none.
const nvm_namespace* find_visible(const controller& c, std::uint32_t nsid) noexcept;

}  // namespace causeway::nvmf
