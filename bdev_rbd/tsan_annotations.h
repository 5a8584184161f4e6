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

namespace causeway::bdev_rbd {

// librbd passes an I/O from the thread that submits it to the one that ends it, by queues that ThreadSanitizer cannot
// see into, for librbd is not built with it. These two say so. They are nothing in other builds.

/// Before `object` is given to librbd.
inline void tsan_release_to_librbd([[maybe_unused]] void* object) noexcept {
#ifdef CAUSEWAY_TSAN
    __tsan_release(object);
#endif
}

/// First thing when librbd gives it back.
inline void tsan_acquire_from_librbd([[maybe_unused]] void* object) noexcept {
#ifdef CAUSEWAY_TSAN
    __tsan_acquire(object);
#endif
}

}  // namespace causeway::bdev_rbd
