// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"
#include "nvmf/reservation/store.h"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

/// What the object contains that gateways share a reservation by, and what they tell each other about it. All of it
/// comes from outside, and may be anything. Pure.
namespace causeway::nvmf::reservation {

/// The content of the object.
struct shared_content {
    version kept;
    std::uint64_t fenced_at = 0;     ///< the number of the version that removed the last gateway that was fenced
    std::set<std::string> gateways;  ///< addresses of the clients whose gateways serve the disk
};

// The entries of the object: "number", "state", "fenced_at", and one for each gateway.
using entries = std::map<std::string, std::string>;

inline const std::string number_entry = "number";
inline const std::string state_entry = "state";
inline const std::string fenced_at_entry = "fenced_at";
std::string gateway_entry(const std::string& address);

std::string to_shared_text(std::uint64_t number);
std::string to_shared_text(const state& s);
/// EINVAL: what is wrong with it; ENOTSUP: a later release has written it. No entries at all: number 0, nobody
/// registered.
core::result<shared_content> from_entries(const entries& all);

/// To the other gateways: a version is stored.
struct notice {
    std::string from;  ///< the client's address
    std::uint64_t number = 0;
    std::uint64_t change = 0;  ///< the number of the change that `notifications` are of
    bool end_commands = false;
    std::vector<notification> notifications;
};
std::string to_text(const notice& n);
std::optional<notice> notice_from(std::string_view text);

/// A gateway's answer to a notice: it enforces version `number`.
struct reply {
    std::string from;
    std::uint64_t number = 0;
    bool commands_ended = false;
};
std::string to_text(const reply& r);
std::optional<reply> reply_from(std::string_view text);

}  // namespace causeway::nvmf::reservation
