// SPDX-License-Identifier: Apache-2.0
#include "tests/softrdma/cm/library_state.h"

#include <pthread.h>

namespace softrdma::cm {

namespace {

void before_fork() {
    the_library().lock.lock();
}

void after_fork_in_parent() {
    the_library().lock.unlock();
}

void after_fork_in_child() {
    the_library().background.forget_parent();
    the_library().first_own_serial = the_library().next_serial;
    the_library().count = {};
    the_library().lock.unlock();
}

}  // namespace

library_state& the_library() {
    static library_state* const only = [] {
        auto* w = new library_state;
        ::pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
        return w;
    }();
    return *only;
}

}  // namespace softrdma::cm
