// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/softrdma/cm/engine.h"
#include "tests/softrdma/cm/record.h"

#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <unordered_map>

namespace softrdma::cm {

struct id;

/// All that the library knows, under one lock. Nothing of libibverbs is called while the lock is held: the device
/// that goes tells us from within it. Never destroyed, as threads outlive the end of `main`.
struct library_state {
    std::mutex lock;
    std::condition_variable acknowledged;
    engine background;
    std::unordered_map<std::uint64_t, id*> ids;
    std::uint64_t next_serial = 1;
    std::uint64_t first_own_serial = 1;  ///< older ids are those of the process that this one was forked from
    counts count;

    id* find(std::uint64_t serial) {
        auto it = ids.find(serial);
        return it == ids.end() ? nullptr : it->second;
    }
};

library_state& the_library();

using locked = std::unique_lock<std::mutex>;

inline locked lock_library() {
    return locked(the_library().lock);
}

/// For `return fail(EINVAL);` in the functions of the interface.
inline int fail(int code) noexcept {
    errno = code;
    return -1;
}

}  // namespace softrdma::cm
