// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/random.h"
#include "transport/loop/loop_transport.h"

#include <cstdint>
#include <string>
#include <vector>

namespace causeway::simulation {

/// What may go wrong in a run. Each seed has some of these, the calm ones none.
enum class trouble : std::uint8_t {
    faults,      ///< devices fail, delay, and hang until released
    resizes,     ///< disks shrink and grow
    namespaces,  ///< come and go
    subsystems,  ///< likewise
    devices,     ///< are removed while in use, and come back
    access,      ///< hosts are taken off the list, listeners closed
    drops,       ///< connections break while commands are on their way
    vanishing,   ///< hosts fall silent and are noticed by their keep-alive
    resets,      ///< controllers are reset in the middle of it
    aborts,      ///< hosts ask for commands back
    nonsense,    ///< commands that make none
};
inline constexpr unsigned troubles = 11;
std::string_view to_string(trouble t) noexcept;

/// All that a seed decides before the run begins.
struct plan {
    explicit plan(std::uint64_t seed);

    bool has(trouble t) const noexcept { return trouble_bits >> static_cast<unsigned>(t) & 1; }
    std::string text() const;  ///< a line for the trace

    std::uint64_t seed;
    std::uint32_t trouble_bits = 0;
    std::size_t reactors;
    std::size_t subsystems;
    loop::data_path path;
    nvmf::transport_options transport;

    struct disk {
        std::uint32_t block_size;
        std::uint64_t blocks;
    };
    std::vector<disk> disks;

    struct host {
        std::size_t reactor;
        std::uint16_t io_queues;
        std::uint16_t entries;
        std::uint32_t kato_ms;
        unsigned sessions;
        unsigned commands;  ///< of one session
        bool sq_flow_control;
    };
    std::vector<host> hosts;
    unsigned operations;  ///< of the operator
};

}  // namespace causeway::simulation
