// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>

namespace softrdma {

/// Faults on request. Rules come from SOFTRDMA_FAULTS, separated by semicolons, and as lines over the control socket:
///
///     seed 7                         of everything that is drawn by lot; say it first
///     delay 0.1 0us..500us           one operation in ten waits before it is done
///     late 0.05 1ms..2ms             one completion in twenty comes later; the order stays
///     hold / release                 no completion of a send comes / they come
///     rnr 0.2 [100]                  one message in five finds no receive, 100 times at most
///     break 1000                     the 1000th operation from here finds its peer gone
///     die 1000                       this process is killed as it posts that operation
///     remove 0 [1000]                a device goes, now or at that operation
///     port 0 down / up
///     clear                          no faults from here on
namespace faults {

/// What happens to one operation, drawn when it is posted.
struct fate {
    std::chrono::nanoseconds delay{0};
    std::chrono::nanoseconds late{0};
    bool no_receive = false;
    bool broken = false;
};

/// Draws for one queue pair: its own sequence, so that other threads' turns change nothing in it.
struct lot {
    std::mt19937_64 random;
    std::uint64_t epoch = 0;
};

/// Reads the environment.
void start();

/// "" when done, otherwise what is wrong with the rule.
std::string apply(std::string_view rule);

/// True when there is any rule: the data path asks nothing else first.
bool any() noexcept;

/// `order`: which queue pair of the process it is, counted from its making.
fate draw(lot& from, std::uint64_t order);

bool holding() noexcept;

}  // namespace faults

}  // namespace softrdma
