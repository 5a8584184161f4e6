// SPDX-License-Identifier: Apache-2.0
#pragma once

#if defined(__SANITIZE_THREAD__)
#define CAUSEWAY_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CAUSEWAY_TSAN 1
#endif
#endif

#ifdef CAUSEWAY_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace causeway::ceph {

// Ceph's libraries pass an operation from the thread that submits it to the one that ends it, by queues that
// ThreadSanitizer cannot see into, because they are not built with it. These two say so. They are nothing in other
// builds.

/// Before `object` is given to librados or librbd.
inline void tsan_release_to_ceph([[maybe_unused]] void* object) noexcept {
#ifdef CAUSEWAY_TSAN
    __tsan_release(object);
#endif
}

/// First thing when the library gives it back.
inline void tsan_acquire_from_ceph([[maybe_unused]] void* object) noexcept {
#ifdef CAUSEWAY_TSAN
    __tsan_acquire(object);
#endif
}

}  // namespace causeway::ceph
