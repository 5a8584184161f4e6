// SPDX-License-Identifier: Apache-2.0
#pragma once

// How the target reaches its side of requests and queue pairs. Only code of nvmf/ includes this header, so that a
// transport cannot touch what the target keeps about them; tests/house checks it.

#include "nvmf/qpair.h"
#include "nvmf/request.h"

namespace causeway::nvmf {

struct target_side_access {
    template <class T>
    static auto& of(T& t) noexcept {
        return t.target_side_;
    }
};

inline request_target_side& side_of(request& r) noexcept {
    return target_side_access::of(r);
}
inline const request_target_side& side_of(const request& r) noexcept {
    return target_side_access::of(r);
}
inline qpair_target_side& side_of(qpair& q) noexcept {
    return target_side_access::of(q);
}
inline const qpair_target_side& side_of(const qpair& q) noexcept {
    return target_side_access::of(q);
}

}  // namespace causeway::nvmf
