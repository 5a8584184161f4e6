#pragma once

namespace causeway::core {

/// A line of objects that carry their own links `before` and `after`. An object stands in one line at a time; it may
/// step out from anywhere.
template <class T>
class fifo {
  public:
    bool empty() const noexcept { return first_ == nullptr; }
    T* front() const noexcept { return first_; }

    void push_back(T& t) noexcept {
        t.before = last_;
        t.after = nullptr;
        (last_ ? last_->after : first_) = &t;
        last_ = &t;
    }

    /// REQUIRES: `t` stands in this line.
    void remove(T& t) noexcept {
        (t.before ? t.before->after : first_) = t.after;
        (t.after ? t.after->before : last_) = t.before;
        t.before = t.after = nullptr;
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
