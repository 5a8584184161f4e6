// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace causeway::nvmf {

/// What one machine may have for itself, by which hosts are told apart where they share something: an IPv4 address, or
/// an IPv6 subnet of 64 bits ("fd77:0:0:1"). `traddr` as transports spell it; what is no IPv6 address stays as it is.
inline std::string host_network_of(std::string_view traddr) {
    constexpr std::size_t groups = 8, of_subnet = 4;
    if (traddr.find(':') == traddr.npos || traddr.find('.') != traddr.npos)  // mapped ones are IPv4 addresses
        return std::string(traddr);
    const auto split = [](std::string_view text) {
        std::vector<std::string_view> parts;
        while (!text.empty()) {
            const auto colon = text.find(':');
            parts.push_back(text.substr(0, colon));
            text = colon == text.npos ? std::string_view() : text.substr(colon + 1);
        }
        return parts;
    };
    const auto gap = traddr.find("::");
    std::vector<std::string_view> all = split(traddr.substr(0, gap));
    if (gap != traddr.npos) {
        const auto behind = split(traddr.substr(gap + 2));
        while (all.size() + behind.size() < groups)
            all.push_back("0");
        all.insert(all.end(), behind.begin(), behind.end());
    }
    std::string network;
    for (std::size_t i = 0; i < of_subnet && i < all.size(); ++i)
        network.append(i ? ":" : "").append(all[i]);
    return network;
}

}  // namespace causeway::nvmf
