// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transport/common/request.h"
#include "transport/tcp/outgoing.h"

#include <array>
#include <cstdint>
#include <memory>

namespace causeway::tcp {

using common::step;

/// One command of a queue pair, from its capsule until its response is handed to the network.
struct request final : common::request<request> {
    bool has_digest_error = false;  ///< a data digest was wrong
    bool queued = false;            ///< `out` is being sent
    std::uint32_t in_capsule = 0;   ///< bytes that came with the capsule

    /// A piece of the data that the host has been asked for.
    struct part {
        std::uint32_t begin = 0, length = 0, received = 0;  ///< bytes
        enum class step : std::uint8_t {
            free,
            asking,    ///< its R2T is queued
            receiving  ///< the R2T is sent
        } at = step::free;
    };
    static constexpr unsigned max_parts = 4;
    std::array<part, max_parts> parts;
    std::uint32_t asked = 0, received = 0;  ///< bytes, of all parts

    outgoing out;

    /// For data that came with the capsule when the pool had no room for it, and for Connect's.
    std::unique_ptr<std::byte[]> own_room;
};

}  // namespace causeway::tcp
