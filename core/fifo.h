// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace causeway::core {

/// An intrusive FIFO: objects carry their own links, `before` and `after` unless other members are named. An object is
/// in one FIFO of a kind at a time, and can be removed from any position.
template <class T, auto Before = &T::before, auto After = &T::after>
class fifo {
  public:
    bool empty() const noexcept { return first_ == nullptr; }
    T* front() const noexcept { return first_; }

    void push_back(T& t) noexcept {
        t.*Before = last_;
        t.*After = nullptr;
        (last_ ? last_->*After : first_) = &t;
        last_ = &t;
    }

    /// REQUIRES: `t` is in this FIFO.
    void remove(T& t) noexcept {
        (t.*Before ? (t.*Before)->*After : first_) = t.*After;
        (t.*After ? (t.*After)->*Before : last_) = t.*Before;
        t.*Before = t.*After = nullptr;
    }

    T* pop_front() noexcept {
        T* t = first_;
        if (t)
            remove(*t);
        return t;
    }

  private:
    T* first_ = nullptr;
    T* last_ = nullptr;
};

}  // namespace causeway::core
