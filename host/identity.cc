// SPDX-License-Identifier: Apache-2.0
#include "host/identity.h"

#include "nvme/nqn.h"

#include <fmt/format.h>
#include <fstream>
#include <random>
#include <string_view>

namespace causeway::host {

namespace {

constexpr unsigned digit(char c) noexcept {
    return static_cast<unsigned>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

/// REQUIRES: valid.
std::array<std::uint8_t, 16> bytes_of_uuid(std::string_view uuid) {
    std::array<std::uint8_t, 16> bytes{};
    unsigned nibble = 0;
    for (const char c : uuid) {
        if (c == '-')
            continue;
        bytes[nibble / 2] = static_cast<std::uint8_t>(bytes[nibble / 2] << 4 | digit(c));
        ++nibble;
    }
    return bytes;
}

/// FNV-1a, 64 bits, once for each half.
std::array<std::uint8_t, 16> hash_of(std::string_view name) {
    std::array<std::uint8_t, 16> bytes{};
    for (unsigned half = 0; half < 2; ++half) {
        std::uint64_t h = 0xcbf29ce484222325u + half;
        for (const char c : name)
            h = (h ^ static_cast<std::uint8_t>(c)) * 0x100000001b3u;
        for (unsigned i = 0; i < 8; ++i)
            bytes[half * 8 + i] = static_cast<std::uint8_t>(h >> i * 8);
    }
    return bytes;
}

}  // namespace

identity identity_of(std::string hostnqn) {
    const bool has_uuid = hostnqn.starts_with(nvme::uuid_nqn_prefix) && nvme::valid_nqn(hostnqn);
    const auto id =
        has_uuid ? bytes_of_uuid(std::string_view(hostnqn).substr(nvme::uuid_nqn_prefix.size())) : hash_of(hostnqn);
    return {std::move(hostnqn), id};
}

identity own_identity() {
    std::string name;
    std::ifstream("/etc/nvme/hostnqn") >> name;
    if (nvme::valid_nqn(name))
        return identity_of(name);
    std::random_device random;
    const auto r = [&] { return random() & 0xffffu; };
    return identity_of(fmt::format("{}{:04x}{:04x}-{:04x}-4{:03x}-8{:03x}-{:04x}{:04x}{:04x}", nvme::uuid_nqn_prefix,
                                   r(), r(), r(), r() & 0xfff, r() & 0xfff, r(), r(), r()));
}

}  // namespace causeway::host
