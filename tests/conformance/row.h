// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/command.h"
#include "nvme/log_page.h"
#include "nvme/status.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace causeway::conformance {

/// Where a row's command is sent.
enum class queue {
    connection,  ///< as the first command of a connection of its own
    admin,       ///< of an I/O controller
    discovery,   ///< the admin queue of a discovery controller
    io,
};

/// One command that a host may send, and what a conforming controller answers.
struct row {
    std::string command;  ///< "Get Log Page"
    std::string sent;     ///< what is special about it: "LID 06h: Device Self-test"
    queue on = queue::admin;
    nvme::command sqe{};
    std::vector<std::byte> data{};  ///< what is sent, or room for what comes
    std::uint16_t qid = 0;          ///< of `queue::connection`

    nvme::status status{};                    ///< with DNR
    std::optional<std::uint16_t> location{};  ///< the field that the Error Information log page names
    std::optional<std::uint32_t> dw0{};       ///< of the completion
    std::string note{};                       ///< what a host notices, or why it is so
};

/// What rows have to know of the target: it exports a namespace 1 with blocks of 512 bytes.
struct target_info {
    std::string subnqn, hostnqn;
    std::array<std::uint8_t, 16> hostid{};
    std::uint64_t blocks = 0;      ///< of namespace 1
    std::uint32_t max_blocks = 0;  ///< of one command, from MDTS
    std::uint32_t max_nsid = 0;    ///< NN
    std::uint16_t oncs = 0;        ///< optional NVM commands
    std::uint16_t cntlid = 0;      ///< of the controller whose queues the rows use
};

inline constexpr std::uint32_t block_size = 512;

/// All rows, in the order in which they run. A row leaves the controller as it found it.
std::vector<row> all_rows(const target_info& t);

void add_connect_rows(std::vector<row>& to, const target_info& t);
void add_property_rows(std::vector<row>& to, const target_info& t);
void add_identify_rows(std::vector<row>& to, const target_info& t);
void add_log_page_rows(std::vector<row>& to, const target_info& t);
void add_feature_rows(std::vector<row>& to, const target_info& t);
void add_other_admin_rows(std::vector<row>& to, const target_info& t);
void add_io_rows(std::vector<row>& to, const target_info& t);
void add_fused_rows(std::vector<row>& to, const target_info& t);
void add_reservation_rows(std::vector<row>& to, const target_info& t);

}  // namespace causeway::conformance
