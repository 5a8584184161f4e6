#pragma once

#include "core/placement.h"

#include <utility>

namespace causeway::bdev {

/// The core that a placement has given to a device as its main thread; given back by the destructor. Lives on the control
/// reactor.
class place {
  public:
    explicit place(core::placement& from) : from_(&from), reactor_(&from.pick()) {}
    place(place&& other) noexcept : from_(std::exchange(other.from_, nullptr)), reactor_(other.reactor_) {}
    place& operator=(place&&) = delete;
    ~place() {
        if (from_)
            from_->release(*reactor_);
    }
    core::reactor& reactor() const noexcept { return *reactor_; }

  private:
    core::placement* from_;
    core::reactor* reactor_;
};

}  // namespace causeway::bdev
