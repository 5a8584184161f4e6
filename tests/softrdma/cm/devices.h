// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <infiniband/verbs.h>
#include <span>
#include <sys/socket.h>

namespace softrdma::cm {

/// What the connection manager knows of a device that it has opened.
struct opened_device {
    ibv_context* verbs;
    ibv_gid gid;
    std::uint8_t max_responder_resources;
    std::uint8_t max_initiator_depth;
};

/// The devices, in the order of `ibv_get_device_list`, which is what addresses are counted by. Thread-safe.
namespace devices {

int count();
/// The device of an address. -1: none has it, or the one that had it is gone.
int of(const sockaddr& address);
bool gone(int device);

/// Opens it if need be; it then stays open, as with the real library. Null with errno. Must not be called under the
/// library's lock.
const opened_device* open(int device);

/// The protection domain of ids without one of their own. Each `hold_pd` that succeeds is paid back by a `drop_pd`.
ibv_pd* hold_pd(int device);
void drop_pd(int device);

}  // namespace devices

}  // namespace softrdma::cm
