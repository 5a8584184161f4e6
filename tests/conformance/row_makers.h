// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/make_command.h"
#include "tests/conformance/row.h"

#include <bit>
#include <cstring>
#include <functional>
#include <utility>

// What the files of rows share.

namespace causeway::conformance {

namespace sc = nvme::sc;
using nvme::parameter_error_location;
using bytes = std::vector<std::byte>;

/// Byte offsets of Command Dwords, for error locations.
inline constexpr unsigned at_nsid = 4, at_cdw10 = 40, at_cdw11 = 44, at_cdw12 = 48, at_cdw13 = 52, at_cdw14 = 56;

inline const nvme::status invalid_field = sc::invalid_field.with_dnr();
inline const nvme::status invalid_opcode = sc::invalid_opcode.with_dnr();
inline const nvme::status invalid_namespace = sc::invalid_namespace_or_format.with_dnr();

template <class T>
bytes bytes_of(const T& value) {
    const auto* from = reinterpret_cast<const std::byte*>(&value);
    return {from, from + sizeof value};
}

/// Adds rows of one command on one queue.
class row_adder {
  public:
    row_adder(std::vector<row>& to, std::string command, queue on) : to_(to), command_(std::move(command)), on_(on) {}

    /// A command that succeeds. `data`: what is sent, or room for what comes.
    row& works(std::string sent, nvme::command c, bytes data = {}) {
        to_.push_back({.command = command_, .sent = std::move(sent), .on = on_, .sqe = c, .data = std::move(data)});
        return to_.back();
    }
    /// A command that ends with `status`; byte and bit are where the error is.
    row& fails(std::string sent, nvme::command c, nvme::status status, unsigned byte, unsigned bit = 0,
               bytes data = {}) {
        row& r = fails_without_location(std::move(sent), c, status, std::move(data));
        r.location = parameter_error_location(byte, bit);
        return r;
    }
    row& fails_without_location(std::string sent, nvme::command c, nvme::status status, bytes data = {}) {
        row& r = works(std::move(sent), c, std::move(data));
        r.status = status;
        return r;
    }

  private:
    std::vector<row>& to_;
    const std::string command_;
    const queue on_;
};

/// A command with one more change.
inline nvme::command with(nvme::command c, const std::function<void(nvme::command&)>& change) {
    change(c);
    return c;
}

/// "06h", "1Ch"
inline std::string hex(unsigned value) {
    constexpr char digits[] = "0123456789ABCDEF";
    return {digits[value >> 4 & 15], digits[value & 15], 'h'};
}

}  // namespace causeway::conformance
