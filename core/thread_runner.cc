#include "core/thread_runner.h"

#include <cassert>

namespace causeway::core {

thread_runner::thread_runner(reactor_group& group) : group_(group) {
    for (const auto& r : group)
        threads_.emplace_back([&r] { r->run(); });
}

void thread_runner::stop() {
    assert(!reactor::current());
    for (const auto& r : group_)
        r->stop();
    for (auto& t : threads_)
        t.join();
    threads_.clear();
}

}  // namespace causeway::core
