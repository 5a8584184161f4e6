#pragma once

#include "core/buffer_pool.h"
#include "nvmf/transport.h"
#include "transport/tcp/outgoing.h"

#include <array>
#include <cstdint>

namespace causeway::tcp {

/// One command of a queue pair, from its capsule until its response is handed to the network.
struct request final : nvmf::request {
    enum class step : std::uint8_t {
        free,
        arriving,        ///< its capsule's data are on their way, or in line for a buffer
        waiting_buffer,  ///< in line for one, with its capsule complete
        receiving,       ///< data that was asked for with R2Ts
        executing,       ///< the target's
        sending,         ///< its response is in line
    };
    /// Where `data` comes from, and must go back to.
    enum class source : std::uint8_t {
        none,
        pool,     ///< the poll group's buffers
        own,      ///< the queue pair's one buffer
        connect,  ///< the queue pair's room for Connect's data
    };

    step at = step::free;
    source from = source::none;
    bool damaged = false;     ///< a data digest was wrong
    bool in_line = false;     ///< `out` is being sent
    bool waiting = false;     ///< in line for a buffer
    std::uint16_t index = 0;  ///< in its queue pair
    std::byte* data = nullptr;
    std::uint32_t room = 0;        ///< bytes, as asked of `from`
    std::uint32_t in_capsule = 0;  ///< bytes that came with the capsule

    /// A piece of the data that the host has been asked for.
    struct part {
        std::uint32_t begin = 0, length = 0, received = 0;  ///< bytes
        enum class step : std::uint8_t {
            free,
            asking,    ///< its R2T is in line
            receiving  ///< the R2T is sent
        } at = step::free;
    };
    static constexpr unsigned most_parts = 4;
    std::array<part, most_parts> parts;
    std::uint32_t asked = 0, received = 0;  ///< bytes, of all parts

    outgoing out;

    struct buffer_waiter final : core::buffer_pool::waiter {
        request* owner = nullptr;
    } waiter;

    request* before = nullptr;  ///< fifo's
    request* after = nullptr;
};

}  // namespace causeway::tcp
