#pragma once

#include "core/task.h"

#include <deque>

namespace causeway::core {

/// Lets control operations through one at a time, in the order in which they came. Control reactor.
class turnstile {
  public:
    task<> enter() {
        if (!taken_) {
            taken_ = true;
            co_return;
        }
        one_shot<bool> turn;
        waiting_.push_back(&turn);
        co_await turn;
    }

    void leave() {
        if (waiting_.empty()) {
            taken_ = false;
            return;
        }
        one_shot<bool>* next = waiting_.front();
        waiting_.pop_front();
        next->set(true);
    }

  private:
    bool taken_ = false;
    std::deque<one_shot<bool>*> waiting_;
};

}  // namespace causeway::core
