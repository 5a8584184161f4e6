// SPDX-License-Identifier: Apache-2.0
#include "tests/softrdma/cm/exported.h"

#include <cerrno>
#include <sys/types.h>

// The arguments do not matter, and so the headers that declare them are not included.
#define REFUSED(type, name, answer)                                                                                    \
    EXPORTED type name() {                                                                                             \
        errno = ENOSYS;                                                                                                \
        return answer;                                                                                                 \
    }

extern "C" {
#include "tests/softrdma/cm/refused.inc"
}
