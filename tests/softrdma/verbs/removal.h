#pragma once

#include <infiniband/verbs.h>

extern "C" {

/// Tells the connection manager of devices that go, as the kernel would. One watcher; null to end it. Called on the
/// engine's thread, before the contexts' asynchronous events. Not part of libibverbs: symbol version SOFTRDMA_1.
void softrdma_watch_removals(void (*removed)(ibv_device* device, void* with), void* with);
}
