// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <utility>

namespace causeway::core {

/// A function kept by an object that the function itself may destroy. Calling it copies and allocates
/// nothing.
///
/// While it runs it lives in the caller's frame, and goes back after it, unless this object is gone by then.
template <class... Args>
class callback {
  public:
    explicit callback(std::function<void(Args...)> f) noexcept : function_(std::move(f)) {}
    callback(const callback&) = delete;
    callback& operator=(const callback&) = delete;
    ~callback() {
        if (gone_)
            *gone_ = true;
    }

    /// REQUIRES: not running already.
    void operator()(Args... args) {
        bool gone = false;
        gone_ = &gone;
        auto f = std::move(function_);
        f(args...);
        if (gone)
            return;
        function_ = std::move(f);
        gone_ = nullptr;
    }

  private:
    std::function<void(Args...)> function_;
    bool* gone_ = nullptr;
};

}  // namespace causeway::core
