// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/plan.h"

#include <array>
#include <fmt/format.h>

namespace causeway::simulation {

namespace {

constexpr std::array<std::string_view, troubles> names{"faults",  "resizes", "namespaces", "subsystems",
                                                       "devices", "access",  "drops",      "vanishing",
                                                       "resets",  "aborts",  "nonsense"};

constexpr std::string_view path_names[] = {"borrow", "copy", "copy_checked"};

}  // namespace

std::string_view to_string(trouble t) noexcept {
    return names[static_cast<unsigned>(t)];
}

plan::plan(std::uint64_t s) : seed(s) {
    core::random_source random(s ^ 0x706c616e);  // dice of its own: a plan does not change the run's
    // One run in eight is calm, and then nothing at all may fail.
    if (!random.chance(1, 8))
        for (unsigned t = 0; t < troubles; ++t)
            trouble_bits |= static_cast<std::uint32_t>(random.chance(2, 5)) << t;

    reactors = random.between(1, 4);
    subsystems = random.between(1, 3);
    path = random.chance(1, 4) ? loop::data_path::borrow : loop::data_path::copy_checked;
    transport.min_kato_ms = 100;
    transport.kas = 1;
    transport.max_io_size = 8192u << random.below(3);
    // So few that commands wait for them in most runs.
    transport.small_buffers = static_cast<std::uint32_t>(random.between(1, 8));
    transport.large_buffers = static_cast<std::uint32_t>(random.between(1, 4));

    disks.resize(random.between(1, 5));
    for (auto& d : disks) {
        d.block_size = random.chance(1, 2) ? 512 : 4096;
        d.blocks = random.between(4, 64);
    }
    hosts.resize(random.between(1, 4));
    for (auto& h : hosts) {
        h.reactor = random.below(reactors);
        h.io_queues = static_cast<std::uint16_t>(random.between(1, 3));
        h.entries = static_cast<std::uint16_t>(random.between(4, 24));
        h.kato_ms =
            has(trouble::vanishing) || random.chance(1, 2) ? static_cast<std::uint32_t>(100 * random.between(2, 8)) : 0;
        h.sessions = static_cast<unsigned>(random.between(1, 4));
        h.commands = static_cast<unsigned>(random.between(20, 200));
        h.sq_flow_control = random.chance(3, 4);
    }
    operations = static_cast<unsigned>(random.between(5, 40));
}

std::string plan::text() const {
    std::string text = fmt::format(
        "seed {}: {} reactors, {} subsystems, {} disks, {} hosts, data {} ({} + {} buffers), troubles:", seed, reactors,
        subsystems, disks.size(), hosts.size(), path_names[static_cast<unsigned>(path)], transport.small_buffers,
        transport.large_buffers);
    for (unsigned t = 0; t < troubles; ++t)
        if (has(static_cast<trouble>(t)))
            text += fmt::format(" {}", names[t]);
    return trouble_bits ? text : text + " none";
}

}  // namespace causeway::simulation
