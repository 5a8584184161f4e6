// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <infiniband/verbs.h>
#include <map>
#include <mutex>

namespace softrdma {

/// A device, which all contexts on it and all lists of devices share. Lives as long as the process.
struct device : ibv_device {
    std::uint32_t index;
    ibv_gid gid;

    bool removed() const noexcept;
    bool port_down() const noexcept;

    static device& of(ibv_device* d) noexcept { return *static_cast<device*>(d); }
    static device& number(std::uint32_t index);
};

inline constexpr int max_inline = 256;  ///< bytes
inline constexpr int max_work_requests = 16384;
inline constexpr int max_completions = 1 << 18;
inline constexpr int max_reads = 16;
inline constexpr std::uint32_t longest_message = 1u << 30;

/// A device opened. Asynchronous events queue here; the file descriptor counts them.
struct context : verbs_context {
    static context& of(ibv_context* c) noexcept { return *static_cast<context*>(verbs_get_ctx(c)); }
    device& on() noexcept { return device::of(verbs_context::context.device); }

    void raise(const ibv_async_event& e);
    /// Drops what is queued about an object, and waits until what was handed out about it is acknowledged.
    void forget(const void* object);

    std::mutex mutex;
    std::condition_variable acknowledged;
    std::deque<ibv_async_event> events;
    std::map<const void*, unsigned> handed_out;
};

/// An event of kind `type` about a queue pair, a completion queue, an SRQ.
ibv_async_event event_about(ibv_event_type type, ibv_qp* qp);
ibv_async_event event_about(ibv_event_type type, ibv_cq* cq);
ibv_async_event event_about(ibv_event_type type, ibv_srq* srq);

/// A device goes: all its queue pairs fail, everyone is told, and nothing can be made on it again.
void remove_device(std::uint32_t index);
void set_port(std::uint32_t index, bool up);

/// errno is set. For verbs that return pointers.
template <class T = std::nullptr_t>
T refuse(int code) noexcept {
    errno = code;
    return nullptr;
}

}  // namespace softrdma
