// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvmf/command/outcome.h"
#include "nvmf/request.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace causeway::nvmf {

/// An admin command: what begin() checks on the queue's core, what runs on the control reactor, and what the
/// Commands Supported and Effects log page says of it.
struct admin_command {
    std::uint8_t opcode = 0;
    std::string_view name{};  ///< empty: not supported
    transfer direction = transfer::none;
    std::uint32_t effects = 0;
    bool for_discovery = false;  ///< discovery controllers know it too
    /// Sets r.length where data moves. nullptr: nothing to check.
    verdict (*check)(request& r) noexcept = nullptr;
    /// Control reactor. nullptr: answered on the queue's core.
    outcome (*run)(controller& c, request& r) = nullptr;
};

extern const std::array<admin_command, 256> admin_commands;

/// What begin() does with the commands of an admin queue.
verdict check_admin(request& r) noexcept;

// Each in the file of its name.
verdict check_identify(request& r) noexcept;
outcome identify(controller& c, request& r);
verdict check_get_log_page(request& r) noexcept;
outcome get_log_page(controller& c, request& r);
/// LID 0Ch. REQUIRES: c.ana().
outcome ana_log(controller& c, request& r);
verdict check_set_features(request& r) noexcept;
outcome set_features(controller& c, request& r);
verdict check_get_features(request& r) noexcept;
outcome get_features(controller& c, request& r);
outcome async_event_request(controller& c, request& r);
outcome abort(controller& c, request& r);

/// Copies a page, or the part of it from `offset`, into the request's data; zeroes follow where the page ends
/// first.
void set_response_data(request& r, std::span<const std::byte> page, std::uint64_t offset = 0) noexcept;

template <class Page>
void set_response_struct(request& r, const Page& page, std::uint64_t offset = 0) noexcept {
    static_assert(alignof(Page) == 1);
    set_response_data(r, std::as_bytes(std::span(&page, 1)), offset);
}

}  // namespace causeway::nvmf
