// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/placement.h"

#include <utility>

namespace causeway::bdev {

/// The core that a placement has given to a device as its main thread; released by the destructor. Lives on the control
/// reactor.
class core_lease {
  public:
    explicit core_lease(core::placement& from) : from_(&from), reactor_(&from.pick()) {}
    core_lease(core_lease&& other) noexcept : from_(std::exchange(other.from_, nullptr)), reactor_(other.reactor_) {}
    core_lease& operator=(core_lease&&) = delete;
    ~core_lease() {
        if (from_)
            from_->release(*reactor_);
    }
    core::reactor& reactor() const noexcept { return *reactor_; }

  private:
    core::placement* from_;
    core::reactor* reactor_;
};

}  // namespace causeway::bdev
