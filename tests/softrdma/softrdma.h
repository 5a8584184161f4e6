// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <infiniband/verbs.h>

// What this libibverbs.so.1 has beyond the real one, for programs that know what they run on. Symbol version
// SOFTRDMA_1.

extern "C" {

/// Tells the connection manager of devices that go, as the kernel would. One watcher; null to end it. Called on the
/// engine's thread, before the contexts' asynchronous events.
void softrdma_watch_removals(void (*removed)(ibv_device* device, void* with), void* with);

/// Applies a fault rule, as the control socket does. Null when done; otherwise what is wrong with it, until the
/// thread's next call.
const char* softrdma_fault(const char* rule);

/// The value of a line of the record ("rnr", "violations", ...), of this process, up to now.
unsigned long long softrdma_recorded(const char* name);
}
