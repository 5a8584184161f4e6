// SPDX-License-Identifier: Apache-2.0
#include "tests/softrdma/cm/world.h"

#include <pthread.h>

namespace softrdma::cm {

namespace {

void before_fork() {
    the_world().lock.lock();
}

void after_fork_in_parent() {
    the_world().lock.unlock();
}

void after_fork_in_child() {
    the_world().background.forget_parent();
    the_world().first_own_serial = the_world().next_serial;
    the_world().count = {};
    the_world().lock.unlock();
}

}  // namespace

world& the_world() {
    static world* const only = [] {
        auto* w = new world;
        ::pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
        return w;
    }();
    return *only;
}

}  // namespace softrdma::cm
