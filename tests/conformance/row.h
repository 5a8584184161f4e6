// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/authentication.h"
#include "nvme/command.h"
#include "nvme/log_page.h"
#include "nvme/status.h"
#include "nvmf/testing/dhchap_host.h"

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace causeway::conformance {

/// Where a row's command is sent.
enum class queue {
    connection,  ///< as the first command of a connection of its own
    admin,       ///< of an I/O controller
    discovery,   ///< the admin queue of a discovery controller
    io,
    ana,             ///< the admin queue of a controller of the subsystem that reports ANA
    ana_io,          ///< and its I/O queue
    authentication,  ///< an admin queue of its own, of a host that must
                     ///< authenticate
    authentication_io,
};

/// How far a host has authenticated (DH-HMAC-CHAP) on the connection of a row of `queue::authentication` when the row's
/// command is sent. The host challenges the controller, too.
enum class auth_stage {
    nothing_sent,  ///< not even Connect
    connected,
    negotiated,     ///< it has sent Negotiate
    challenged,     ///< and has received Challenge
    replied,        ///< and has sent Reply
    proved,         ///< and has received Success1
    authenticated,  ///< and has sent Success2
    negotiated_again,
    challenged_again,
    failed,  ///< it has sent what the controller refuses, and has not been told
};
using auth_host = nvmf::test::dhchap_host;

/// What an operator does: an ANA group has another state now.
struct ana_change {
    std::uint32_t group;
    nvme::ana_state state;
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

    /// What else the completion and the data must say; the answer is what is wrong, or empty.
    std::function<std::string(const nvme::completion&, std::span<const std::byte>)> look{};

    // Of ANA.
    std::vector<ana_change> before{};      ///< happens before the command is sent
    std::optional<std::uint32_t> event{};  ///< Dword 0 of the event that the changes cause

    // Of authentication.
    auth_stage stage = auth_stage::connected;
    std::uint8_t dhgroup = 0;  ///< that the host offers
    /// What Authentication Send carries, after `challenge`, which is empty before there is one.
    std::function<auth::bytes(auth_host& h, const auth::bytes& challenge)> message{};
    std::optional<nvme::auth_explanation> failure1{};  ///< what is received then, before the connection ends
    bool ends = false;                                 ///< the connection ends
};

/// What rows have to know of the target: it exports a namespace 1 with blocks of 512 bytes.
struct target_info {
    std::string subnqn, hostnqn;
    std::array<std::uint8_t, 16> hostid{};
    std::uint64_t blocks = 0;            ///< of namespace 1
    std::uint32_t max_blocks = 0;        ///< of one command, from MDTS
    std::uint32_t max_nsid = 0;          ///< NN
    std::uint16_t oncs = 0;              ///< optional NVM commands
    std::uint16_t cntlid = 0;            ///< of the controller whose queues the rows use
    std::uint32_t max_copy_sources = 1;  ///< MSRC
    std::string discovery_subnqn{};      ///< SUBNQN of the discovery controller

    bool has_ana = false;      ///< there is a subsystem that reports ANA: see README.md
    bool changes_ana = false;  ///< and its states can be changed
    std::string ana_subnqn{};
    bool has_authentication = false;  ///< there is a subsystem where the host must authenticate
    std::string authentication_subnqn{};
    std::uint16_t authenticated_cntlid = 0;  ///< of a controller there
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
void add_ana_rows(std::vector<row>& to, const target_info& t);
void add_authentication_rows(std::vector<row>& to, const target_info& t);

}  // namespace causeway::conformance
