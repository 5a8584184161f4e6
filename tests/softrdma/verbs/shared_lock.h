// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cerrno>
#include <pthread.h>

namespace softrdma {

/// A lock in memory that processes share. Whoever dies with it leaves it free: what it guards is published by its last
/// store, so a half-done change is one that has not happened.
class shared_lock {
  public:
    void init() noexcept {
        pthread_mutexattr_t attributes;
        pthread_mutexattr_init(&attributes);
        pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
        pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
        pthread_mutex_init(&mutex_, &attributes);
        pthread_mutexattr_destroy(&attributes);
    }

    void lock() noexcept {
        // What is guarded takes less than a microsecond as a rule: no system call for that.
        for (int i = 0; i < spins; ++i) {
            const int rc = pthread_mutex_trylock(&mutex_);
            if (rc != EBUSY)
                return take_over(rc);
            __builtin_ia32_pause();
        }
        take_over(pthread_mutex_lock(&mutex_));
    }

    void unlock() noexcept { pthread_mutex_unlock(&mutex_); }

  private:
    static constexpr int spins = 200;

    void take_over(int rc) noexcept {
        if (rc == EOWNERDEAD)
            pthread_mutex_consistent(&mutex_);
    }

    pthread_mutex_t mutex_;
};

}  // namespace softrdma
