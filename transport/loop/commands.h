#pragma once

#include "nvme/command.h"
#include "nvme/features.h"
#include "nvme/identify.h"
#include "nvme/log_page.h"
#include "nvme/properties.h"
#include "transport/loop/host_queue.h"

#include <cstdint>

namespace causeway::loop {

// The commands of a host. What a command does not need is zero; `bytes` is the length of its data.

nvme::command make_command(std::uint8_t opcode, std::uint32_t nsid = 0, std::uint32_t bytes = 0) noexcept;

nvme::connect_data make_connect_data(const connect_parameters& p) noexcept;
nvme::command make_connect_command(const connect_parameters& p, std::uint16_t entries) noexcept;
nvme::command make_property_get(nvme::property p) noexcept;
nvme::command make_property_set(nvme::property p, std::uint64_t value) noexcept;

nvme::command make_identify(nvme::cns cns, std::uint32_t nsid = 0, nvme::csi csi = nvme::csi::nvm) noexcept;
nvme::command make_get_log_page(nvme::lid lid, std::uint32_t bytes, std::uint32_t nsid = nvme::broadcast_nsid) noexcept;
nvme::command make_set_features(nvme::fid f, std::uint32_t value) noexcept;
nvme::command make_get_features(nvme::fid f) noexcept;
nvme::command make_keep_alive() noexcept;
nvme::command make_async_event_request() noexcept;
nvme::command make_abort(std::uint16_t sqid, std::uint16_t cid) noexcept;

/// read, write, compare (with data), write_zeroes (without). `blocks` from 1 to 65536.
nvme::command make_block_command(nvme::io_opcode opcode, std::uint32_t nsid, std::uint64_t slba, std::uint32_t blocks,
                                 std::uint32_t bytes = 0, nvme::fuse fuse = nvme::fuse::normal) noexcept;
nvme::command make_flush(std::uint32_t nsid) noexcept;
/// Deallocate, with `ranges` of nvme::dsm_range as data.
nvme::command make_deallocate(std::uint32_t nsid, std::uint32_t ranges) noexcept;

/// What the host's own end says of a command whose connection was lost.
nvme::completion lost_completion() noexcept;

}  // namespace causeway::loop
