// SPDX-License-Identifier: Apache-2.0
#include "tests/softrdma/verbs/fingerprint.h"

#include "tests/softrdma/settings.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace softrdma {

bool checks_on() noexcept {
    static const bool on = setting("SOFTRDMA_CHECK", "on") != "off";
    return on;
}

std::uint64_t fingerprint(std::span<const iovec> pieces) noexcept {
    std::uint64_t sum;
    if (pieces.size() == 1) {
        sum = XXH3_64bits(pieces[0].iov_base, pieces[0].iov_len);
    } else {
        XXH3_state_t state;
        XXH3_64bits_reset(&state);
        for (const iovec& p : pieces)
            XXH3_64bits_update(&state, p.iov_base, p.iov_len);
        sum = XXH3_64bits_digest(&state);
    }
    return sum ? sum : 1;
}

}  // namespace softrdma
