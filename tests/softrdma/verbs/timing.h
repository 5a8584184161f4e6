// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>

namespace softrdma {

/// Local ACK timeout, as coded: 4.096 us * 2^code. InfiniBand Architecture 1.4, 9.7.6.1.3.
inline std::chrono::nanoseconds ack_timeout(unsigned code) noexcept {
    return std::chrono::nanoseconds(4096ll << (code & 31));
}

/// RNR NAK timer, as coded. InfiniBand Architecture 1.4, table 45.
inline std::chrono::microseconds rnr_delay(unsigned code) noexcept {
    constexpr std::array<int, 32> microseconds = {655'360, 10,     20,     30,      40,      60,      80,      120,
                                                  160,     240,    320,    480,     640,     960,     1'280,   1'920,
                                                  2'560,   3'840,  5'120,  7'680,   10'240,  15'360,  20'480,  30'720,
                                                  40'960,  61'440, 81'920, 122'880, 163'840, 245'760, 327'680, 491'520};
    return std::chrono::microseconds(microseconds[code & 31]);
}

}  // namespace softrdma
