// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/fault_device.h"
#include "bdev/memory_device.h"
#include "bdev/registry.h"
#include "core/simulation.h"
#include "host/loop/commands.h"
#include "host/loop/host_controller.h"
#include "nvmf/model/subsystem.h"
#include "nvmf/target.h"
#include "transport/loop/loop_transport.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <utility>
#include <vector>

/// What the tests of this folder share.
namespace causeway::loop::test {

inline const nvmf::transport_address here{"LOOP", "", "here", "4420"};
inline const nvmf::transport_address nowhere{"LOOP", "", "here", "4421"};
inline const std::string subnqn = "nqn.2024-01.io.causeway:disks";
inline const std::string hostnqn = "nqn.2024-01.io.causeway:host";
inline constexpr std::uint32_t block_size = 512;
inline constexpr std::uint64_t blocks = 1024;

/// A target with one disk in memory, behind a device that can be told to make trouble.
class gateway {
  public:
    gateway(core::reactor_group& group, data_path path, nvmf::transport_options options = {},
            nvmf::target_options of_target = {})
        : homes(group), devices(group), target(std::make_unique<nvmf::target>(homes, devices, std::move(of_target))) {
        auto made = loop_transport::create(*target, options, path);
        transport = made->get();
        EXPECT_TRUE(target->add_transport(std::move(*made)));
    }

    core::task<> build() {
        auto disk =
            bdev::memory_device::create(devices.group().control(), "memory",
                                        {.block_size = block_size, .blocks = blocks}, bdev::uuid_of_name("memory"));
        base = *disk;
        auto made = bdev::fault_device::create("disk", base, bdev::uuid_of_name("disk"));
        disk_ = *made;
        EXPECT_TRUE(devices.add(disk_));
        nvmf::subsystem_options o;
        o.nqn = subnqn;
        o.allow_any_host = true;
        const auto subsystem = co_await target->create_subsystem(o);
        const auto listening = co_await (*subsystem)->listeners().add(here);
        EXPECT_TRUE(listening);
        nvmf::namespace_params p;
        p.bdev_name = "disk";
        const auto added = co_await (*subsystem)->namespaces().add(p);
        EXPECT_TRUE(added);
    }
    core::task<> tear_down() {
        co_await target->shutdown();
        EXPECT_EQ(homes.count(core::lease_kind::admin_queue) + homes.count(core::lease_kind::io_queue), 0u);
        disk_.reset();
        const auto removed = co_await devices.remove("disk");
        EXPECT_TRUE(removed);
    }

    bdev::fault_device& disk() const noexcept { return *disk_; }
    static host_options host(std::uint16_t queues = 1, std::uint16_t entries = 16) {
        host_options o;
        o.at = here;
        o.subnqn = subnqn;
        o.hostnqn = hostnqn;
        o.io_queues = queues;
        o.io_entries = entries;
        return o;
    }

    core::placement homes;
    bdev::registry devices;
    std::unique_ptr<nvmf::target> target;
    loop_transport* transport = nullptr;
    std::shared_ptr<bdev::memory_device> base;

  private:
    std::shared_ptr<bdev::fault_device> disk_;
};

/// One command and its memory.
struct command_in_memory : host_request {
    explicit command_in_memory(std::uint32_t bytes, std::byte filled = std::byte{}) : memory(bytes, filled) {
        piece = {memory.data(), memory.size()};
        if (bytes)
            data = {&piece, 1};
        done = [](host_request& r) noexcept { ++static_cast<command_in_memory&>(r).answers; };
    }
    command_in_memory(const command_in_memory&) = delete;
    bool all(std::byte b) const {
        return std::all_of(memory.begin(), memory.end(), [b](std::byte each) { return each == b; });
    }

    std::vector<std::byte> memory;
    iovec piece{};
    unsigned answers = 0;
};

struct read_command : command_in_memory {
    read_command(std::uint64_t block, std::uint32_t count) : command_in_memory(count * block_size) {
        command = make_block_command(nvme::io_opcode::read, 1, block, count, count * block_size);
    }
};

struct write_command : command_in_memory {
    write_command(std::uint64_t block, std::uint32_t count, std::byte with)
        : command_in_memory(count * block_size, with) {
        command = make_block_command(nvme::io_opcode::write, 1, block, count, count * block_size);
    }
};

}  // namespace causeway::loop::test
