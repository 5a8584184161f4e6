// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>
#include <string>
#include <unistd.h>

namespace softrdma {

/// The environment's word, or `otherwise` if it has none.
inline std::string setting(const char* name, std::string otherwise = {}) {
    const char* value = std::getenv(name);
    return value && *value ? value : std::move(otherwise);
}

/// Processes of one domain see each other; others might as well be on another network. `SOFTRDMA_DOMAIN`, by default
/// the user's.
inline std::string domain() {
    return setting("SOFTRDMA_DOMAIN", "user-" + std::to_string(::getuid()));
}

/// How many devices this process has: `SOFTRDMA_DEVICES`, 1 to 8.
inline int device_count() {
    const int wanted = std::atoi(setting("SOFTRDMA_DEVICES", "1").c_str());
    return wanted < 1 ? 1 : wanted > 8 ? 8 : wanted;
}

}  // namespace softrdma
